"""One generation, for as long as it is needed; every answer from it agrees with every other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from backend.errors import FieldError, NotFound
from backend.periods import Calendar
from backend.scope import Scope
from backend.warehouse import cursors
from backend.warehouse.compiled import Compiled, Paging
from backend.warehouse.compiler import compile_counts, compile_query
from backend.warehouse.cursors import Cursor
from backend.warehouse.datasets import Dataset
from backend.warehouse.estimate import Estimate, compile_estimate, estimate, read_datasets
from backend.warehouse.execution import Batches, Execution, Rows
from backend.warehouse.formats import (
    Format,
    Page,
    Writer,
    json_array,
    json_statement,
    statement,
    writer,
)
from backend.warehouse.open_generation import OpenGeneration
from backend.warehouse.registry import find_dataset
from backend.warehouse.resolve import ResolvedSpec, resolve
from backend.warehouse.spec import Dimension, Filter, Operator, QuerySpec
from backend.warehouse.visibility import fingerprint


@dataclass(frozen=True, slots=True)
class Question:
    """What one scope asks of one generation: its answer does not depend on when it is asked.

    `fingerprint` is that of any page of it; `paging` says which page is meant.
    """

    dataset: Dataset
    resolved: ResolvedSpec
    scope: Scope
    fingerprint: str
    paging: Paging

    def compiled(self, paging: Paging) -> Compiled:
        return compile_query(self.dataset, self.resolved, self.scope, paging)

    def page(self) -> Compiled:
        """With the keys of the next page; one row too many tells that there is one."""
        limit = self.resolved.spec.limit + 1
        return self.compiled(Paging(limit, self.paging.offset, self.paging.after, keyed=True))


@dataclass(frozen=True, slots=True)
class Snapshot:
    _opened: OpenGeneration
    _execution: Execution
    _cursor_key: bytes
    now: datetime
    age_seconds: int
    is_stale: bool

    @property
    def generation(self) -> str:
        return self._opened.description.id

    @property
    def as_of(self) -> datetime:
        """When the source was read; what was written later is not in any answer."""
        return self._opened.description.source.taken_at.astimezone(UTC)

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self._opened.datasets

    def dataset(self, identity: str) -> Dataset:
        return find_dataset(self.datasets, identity)

    @contextmanager
    def held(self) -> Iterator[None]:
        """For work that may outlast the block which made this snapshot."""
        self._opened.hold()
        try:
            yield
        finally:
            self._opened.release()

    def question(self, spec: QuerySpec, scope: Scope, cursor: Cursor | None = None) -> Question:
        """`cursor` is what the spec's own says; InvalidInput when it is of another query or scope.

        The page is that of JSON: a stream goes on to the end.
        """
        dataset = self.dataset(spec.dataset)
        calendar = Calendar(scope.time_zone, scope.fiscal_year_start_month)
        today = None if cursor is None else cursor.today
        resolved = resolve(dataset, spec, self.now, calendar, today)
        of_any_page = resolved.fingerprint(of_any_page=True)
        if cursor is None:
            paging = Paging(spec.limit, spec.offset)
        elif cursor.is_of_query(of_any_page) and cursor.is_of_scope(fingerprint(scope)):
            paging = Paging(spec.limit, cursor.offset, cursor.after)
        else:
            raise cursors.invalid_cursor()
        return Question(dataset, resolved, scope, of_any_page, paging)

    async def page(self, question: Question) -> Page:
        """At most `limit` rows as JSON, and the cursor of the next page if there is one."""
        limit, compiled = question.resolved.spec.limit, question.page()
        rows = await self._fetch(compiled, json_statement(compiled), question.scope)
        has_more = len(rows) > limit
        del rows[limit:]
        return Page(
            columns=compiled.columns,
            rows=json_array(rows),
            count=len(rows),
            next_cursor=self._next_cursor(question, rows[-1][1:]) if has_more else None,
        )

    @asynccontextmanager
    async def file(
        self, question: Question, format_: Format, paging: Paging
    ) -> AsyncIterator[tuple[Batches, Writer]]:
        """The record batches of an answer of any length, and what makes bytes of them."""
        compiled = question.compiled(paging)
        metadata = {
            "dataset": question.dataset.id,
            "generation": self.generation,
            "as_of": self.as_of.isoformat(),
        }
        async with self._execution.stream(
            self._opened, statement(compiled, format_), compiled.parameters, question.scope.user_id
        ) as batches:
            yield batches, writer(format_, compiled.columns, metadata)

    async def rows(self, spec: QuerySpec, scope: Scope) -> Page:
        return await self.page(self.question(spec, scope))

    async def counts(self, scope: Scope, datasets: Collection[Dataset]) -> dict[str, int]:
        """How many rows of each dataset the scope may see, by dataset id."""
        compiled = compile_counts(list(datasets), scope)
        [row] = await self._fetch(compiled, compiled.sql, scope)
        return {column.name: count for column, count in zip(compiled.columns, row, strict=True)}

    async def estimate(self, question: Question, compiled: Compiled, limit: int | None) -> Estimate:
        """What answering would cost; `compiled` is what the question became."""
        dataset, scope = question.dataset, question.scope
        visible = await self.counts(scope, read_datasets(dataset, compiled))
        counting = compile_estimate(dataset, question.resolved, scope)
        [(rows_of_days,)] = await self._fetch(counting, counting.sql, scope)
        return estimate(dataset, visible, rows_of_days, limit)

    async def require_accounts(self, ids: Collection[UUID], scope: Scope) -> None:
        """Raise NotFound unless the scope may see every one of these accounts."""
        await self._require("dim_accounts", "account_id", ids, scope)

    async def require_tags(self, ids: Collection[UUID], scope: Scope) -> None:
        await self._require("dim_tags", "tag_id", ids, scope)

    async def _require(
        self, dataset: str, column: str, ids: Collection[UUID], scope: Scope
    ) -> None:
        wanted = set(ids)
        if not wanted:
            return
        spec = QuerySpec(
            dataset=dataset,
            dimensions=(Dimension(column=column),),
            filters=(Filter(field=column, op=Operator.IN, value=list(wanted)),),
            limit=len(wanted),
        )
        if (await self.rows(spec, scope)).count != len(wanted):
            fault = FieldError(
                f"{column}s", "Leave out what is not yours or is not there any more."
            )
            raise NotFound(f"Not every {column} exists.", errors=[fault])

    def _next_cursor(self, question: Question, keys: tuple[object, ...]) -> str:
        cursor = Cursor(
            generation=self.generation,
            scope=fingerprint(question.scope),
            query=question.fingerprint,
            today=question.resolved.today,
            after=keys,
            offset=0,
        )
        text = cursors.encode(cursor, self._cursor_key)
        if len(text) <= cursors.MAX_WITH_KEYS:
            return text
        # Keys too long to travel: count from where this page began. A generation does not change,
        # so that is as exact, only slower.
        limit, paging = question.resolved.spec.limit, question.paging
        counted = replace(cursor, after=paging.after, offset=paging.offset + limit)
        return cursors.encode(counted, self._cursor_key)

    async def _fetch(self, compiled: Compiled, sql: str, scope: Scope) -> Rows:
        return await self._execution.fetch(self._opened, sql, compiled.parameters, scope.user_id)

"""A query and the filters of a request, checked and answered from one generation."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from backend.errors import FieldError, Gone
from backend.scope import Scope
from backend.warehouse.common_filters import NO_FILTERS, CommonFilters, filters_for
from backend.warehouse.compiled import Paging
from backend.warehouse.cursors import invalid_cursor
from backend.warehouse.estimate import Estimate
from backend.warehouse.execution import Batches
from backend.warehouse.explain import Explanation, explain
from backend.warehouse.formats import Format, Writer, json_answer
from backend.warehouse.snapshot import Question, Snapshot
from backend.warehouse.spec import QuerySpec
from backend.warehouse.store import Warehouse
from backend.warehouse.visibility import fingerprint


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the generation that answers it; the ids of `common` are still to be checked."""

    snapshot: Snapshot
    question: Question
    common: CommonFilters

    def identity(self, format_: Format) -> str:
        """Of all that the answer depends on, but for the program that writes it."""
        question = self.question
        parts = (
            format_,
            self.snapshot.generation,
            fingerprint(question.scope),
            question.fingerprint,
            repr((self._paging(format_), question.resolved.today)),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    async def json(self) -> bytes:
        """One page. Raises NotFound for an account or a tag that the scope cannot know."""
        with self.snapshot.held():
            await self._check()
            page = await self.snapshot.page(self.question)
        return json_answer(page, generation=self.snapshot.generation, as_of=self.snapshot.as_of)

    @asynccontextmanager
    async def file(self, format_: Format) -> AsyncIterator[tuple[Batches, Writer]]:
        """All rows, or as many as the limit says that was asked for; raises like `json`."""
        await self._check()
        paging = self._paging(format_)
        async with self.snapshot.file(self.question, format_, paging) as made:
            yield made

    async def explained(self, format_: Format) -> tuple[Explanation, Estimate]:
        """What `json` or `file` would do; raises like them."""
        await self._check()
        question, paging = self.question, self._paging(format_)
        compiled = question.compiled(paging) if format_.is_stream else question.page()
        found = explain(question.dataset, question.resolved, compiled, question.scope)
        return found, await self.snapshot.estimate(question, compiled, paging.limit)

    def _paging(self, format_: Format) -> Paging:
        """The default limit is that of a page."""
        paging = self.question.paging
        is_limited = "limit" in self.question.resolved.spec.model_fields_set
        return paging if is_limited or not format_.is_stream else replace(paging, limit=None)

    async def _check(self) -> None:
        scope = self.question.scope
        await self.snapshot.require_accounts(self.common.account_ids or (), scope)
        await self.snapshot.require_tags(self.common.tag_ids or (), scope)


@asynccontextmanager
async def asked(
    warehouse: Warehouse, scope: Scope, spec: QuerySpec, common: CommonFilters = NO_FILTERS
) -> AsyncIterator[Asked]:
    """In the generation of its cursor, of its `as_of`, or else the current one.

    Raises NotFound for a dataset that there is not, Gone for a generation that is not kept.
    """
    cursor = None if spec.cursor is None else warehouse.read_cursor(spec.cursor)
    if cursor is not None and not cursor.is_of_scope(fingerprint(scope)):
        raise invalid_cursor()
    async with AsyncExitStack() as stack:
        try:
            as_of = spec.as_of if cursor is None else cursor.generation
            snapshot = await stack.enter_async_context(warehouse.snapshot(as_of))
        except Gone:
            if cursor is None:
                raise
            raise _outlived() from None
        dataset = snapshot.dataset(spec.dataset)
        filters = filters_for(dataset, common, snapshot.datasets.values())
        spec = spec.model_copy(update={"filters": spec.filters + filters}) if filters else spec
        yield Asked(snapshot, snapshot.question(spec, scope, cursor), common)


def _outlived() -> Gone:
    return Gone(
        "The generation that this cursor goes on in is not kept any more.",
        errors=[FieldError("#/cursor", "Start again without the cursor.")],
    )

"""FOCUS cost-and-usage files, 1.0 and later, as CSV or Parquet: every row of them is kept whole.

https://focus.finops.org/focus-specification/: columns that a version adds, and a provider's own
(`x_…`), stay in `raw`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from backend.imports.contents import (
    BadValue,
    Fault,
    checked_currency,
    checked_date,
    clean_text,
    shortened,
    unreadable,
)
from backend.imports.decoding import decode
from backend.imports.parquet import TOO_MUCH, open_parquet
from backend.imports.sniffing import PARQUET
from backend.imports.tables import guess_delimiter, read_records, table_below

Raw = Mapping[str, str | None]

_NULLS = {"", "NULL", "null"}
_LONGEST_NUMBER = 60
# Every row is kept with the names of its columns, which the file has once: 26 characters a name in
# a file of as many cells as are read.
_MAX_REPEATED_NAMES = 2**27
_MAX_KEPT_BYTES = 2**28
_COST_SCALE = Decimal(1).scaleb(-12)


@dataclass(frozen=True, slots=True)
class CostRow:
    """`values` are the columns of a CloudCost. `line` is the row's number in a Parquet file."""

    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Costs:
    rows: list[CostRow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    encoding: str | None = None
    delimiter: str | None = None


def read_focus(content: bytes) -> Costs:
    """Raises InvalidInput for what is no FOCUS file."""
    if content.startswith(PARQUET):
        costs = Costs()
        with open_parquet(content) as opened:
            _bound(opened.header, opened.count)
            _read(costs, opened.header, enumerate(opened.rows, start=1))
        return costs
    decoded = decode(content)
    delimiter = guess_delimiter(decoded.text)
    records = read_records(decoded.text, delimiter)
    if not records:
        raise unreadable("The file is empty.")
    table = table_below(records, 0, delimiter)
    costs = Costs(encoding=decoded.encoding, delimiter=delimiter)
    _bound(table.header, len(table.records))
    _read(costs, table.header, ((record.line, record.cells) for record in table.records))
    return costs


def _read(
    costs: Costs, header: Sequence[str], rows: Iterable[tuple[int, Sequence[str | None]]]
) -> None:
    _require(header)
    alike: Counter[bytes] = Counter()
    untagged = kept = 0
    for line, values in rows:
        if len(values) != len(header):
            reason = f"The row has {len(values)} cells, the header has {len(header)} columns."
            costs.faults.append(Fault(line, None, reason))
            continue
        raw = {n: None if v in _NULLS else v for n, v in zip(header, values, strict=True)}
        try:
            read = _values(raw)
        except _BadColumn as bad:
            value = shortened(bad.value) if bad.value else None
            costs.faults.append(Fault(line, bad.column, bad.reason, value))
            continue
        kept += sys.getsizeof(read["raw"])  # a wide letter makes all others of a text as wide
        if kept > _MAX_KEPT_BYTES:
            raise unreadable(TOO_MUCH)
        untagged += read["tags"] is None and raw.get("Tags") is not None
        costs.rows.append(CostRow(line, read | {"row_digest": _digest(raw, alike)}))
    if untagged:
        costs.notes.append(f"Tags that are no JSON object were kept in the raw row: {untagged}.")


def _bound(header: Sequence[str], count: int) -> None:
    if count * sum(map(len, header)) > _MAX_REPEATED_NAMES:
        raise unreadable(TOO_MUCH)


def _digest(raw: Raw, alike: Counter[bytes]) -> bytes:
    """Of the whole row, and of how many rows before it are equal."""
    given = json.dumps({name: value for name, value in raw.items() if value}, sort_keys=True)
    content = sha256(given.encode()).digest()
    alike[content] += 1
    return sha256(content + str(alike[content]).encode()).digest()


def _require(header: Sequence[str]) -> None:
    missing = [name for name, column in _COLUMNS.items() if column.required and name not in header]
    if not any(name in header for name in _PROVIDERS):
        missing.append(_PROVIDERS[0])
    if missing:
        raise unreadable(f"Columns of FOCUS are missing: {', '.join(missing)}.")


class _BadColumn(Exception):
    def __init__(self, column: str, value: str | None, reason: str) -> None:
        self.column, self.value, self.reason = column, value, reason


def _cost(text: str) -> Decimal:
    try:
        value = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise BadValue("Not an amount.")
    try:
        return value.quantize(_COST_SCALE)
    except InvalidOperation:
        raise BadValue("The amount has more than 16 digits before the point.") from None


def _instant(text: str) -> datetime:
    """FOCUS gives instants in UTC; one without a zone is taken for that."""
    try:
        value = datetime.fromisoformat(text.strip())
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadValue("Not an instant, such as 2024-09-01T00:00:00Z.") from None
    checked_date(value.date())
    return value


def _text(limit: int) -> Callable[[str], str]:
    return lambda text: clean_text(text, limit)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str  # in the table of cloud costs
    parse: Callable[[str], Any]
    required: bool = False


_PROVIDERS = ("ProviderName", "ServiceProviderName")  # the second one since 1.3
_COLUMNS = {
    "BilledCost": _Column("billed_cost", _cost, required=True),
    "EffectiveCost": _Column("effective_cost", _cost, required=True),
    "ListCost": _Column("list_cost", _cost),
    "ContractedCost": _Column("contracted_cost", _cost),
    "BillingCurrency": _Column("billing_currency", checked_currency, required=True),
    "BillingPeriodStart": _Column("billing_period_start", _instant, required=True),
    "BillingPeriodEnd": _Column("billing_period_end", _instant, required=True),
    "ChargePeriodStart": _Column("charge_period_start", _instant, required=True),
    "ChargePeriodEnd": _Column("charge_period_end", _instant, required=True),
    "ChargeCategory": _Column("charge_category", _text(50), required=True),
    "ChargeDescription": _Column("charge_description", _text(1000)),
    "ServiceName": _Column("service_name", _text(200), required=True),
    "ServiceCategory": _Column("service_category", _text(200)),
    "RegionId": _Column("region_id", _text(200)),
    "RegionName": _Column("region_name", _text(200)),
    "ResourceId": _Column("resource_id", _text(1000)),
    "SubAccountId": _Column("sub_account_id", _text(200)),
}


def _values(raw: Raw) -> dict[str, Any]:
    values = {c.name: _parsed(raw, name, c) for name, c in _COLUMNS.items()}
    if values["charge_period_start"] >= values["charge_period_end"]:
        raise _BadColumn(
            "ChargePeriodEnd", raw["ChargePeriodEnd"], "The period ends before it starts."
        )
    named = next((name for name in _PROVIDERS if raw.get(name)), _PROVIDERS[0])
    values["provider"] = _parsed(raw, named, _Column("provider", _text(200), required=True))
    if (held := next(_with_nul(raw), None)) is not None:
        raise _BadColumn(held, None, "The text holds a control character.")
    values["tags"] = _tags(raw.get("Tags"))
    values["raw"] = json.dumps(raw, ensure_ascii=False)
    return values


def _parsed(raw: Raw, name: str, column: _Column) -> Any:  # noqa: ANN401  # what the column holds
    text = raw.get(name)
    if text is None:
        if column.required:
            raise _BadColumn(name, None, "The cell is empty.")
        return None
    try:
        return column.parse(text)
    except BadValue as bad:
        raise _BadColumn(name, text, str(bad)) from None


def _with_nul(raw: Raw) -> Iterator[str]:
    """PostgreSQL can store everything else."""
    return (name for name, text in raw.items() if text is not None and "\0" in text)


def _tags(text: str | None) -> str | None:
    """The object as JSON again; None for anything else, which `raw` still has."""
    try:
        found = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    written = json.dumps(found, ensure_ascii=False)
    return None if "\\u0000" in written or "NaN" in written or "Infinity" in written else written

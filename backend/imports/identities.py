"""How a row is recognised when its file, or one that overlaps it, is imported again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from uuid import UUID

from backend.imports.contents import Fault, Movements, Row, shortened

_DIGEST = "row:"


def identify(movements: Movements, account_id: UUID) -> list[Row]:
    """The rows, each with an external id; one that another row has already is added to the faults.

    Without an id of the bank's it is a digest of what the row says, and of how many rows before it
    say the same: two equal coffees of one day stay two, and the same two when they come again.
    """
    told: dict[str, Row] = {}
    alike: Counter[str] = Counter()
    rows = []
    for row in movements.rows:
        if row.external_id is None:
            said = "\x1f".join(_said(row, account_id))
            alike[said] += 1
            rows.append(row.called(digest([said, str(alike[said])])))
            continue
        first = told.setdefault(row.external_id, row)
        if first is not row and _differs(first, row):
            movements.faults.append(
                Fault(
                    row.line,
                    movements.columns.get("external_id"),
                    f"Line {first.line} has this id already, and says something else.",
                    shortened(row.external_id),
                )
            )
        else:
            rows.append(row)
    return rows


def is_digest(row: Row) -> bool:
    return (row.external_id or "").startswith(_DIGEST)


def digest(parts: Iterable[str]) -> str:
    return _DIGEST + sha256("\x1e".join(parts).encode()).hexdigest()[:40]


def _said(row: Row, account_id: UUID) -> Sequence[str]:
    amount = f"{row.amount:.4f}"
    texts = [row.currency or "", row.description, row.vendor or ""]
    return [str(account_id), row.date.isoformat(), amount, *texts]


def _differs(one: Row, other: Row) -> bool:
    return (one.date, one.amount, one.currency) != (other.date, other.amount, other.currency)

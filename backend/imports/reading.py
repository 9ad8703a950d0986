"""A file to movements or to cloud costs, whichever of the formats it has; nothing is booked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from backend.errors import FieldError, InvalidInput
from backend.imports import csv_files
from backend.imports.camt053 import read_camt053
from backend.imports.contents import Movements
from backend.imports.focus import Costs, read_focus
from backend.imports.mapping import Mapping
from backend.imports.ofx import read_ofx
from backend.imports.sniffing import FileFormat, refuse_other_files, sniff

_INVERTED = (
    "Most amounts of this card are positive, so they are taken for purchases (`invert`: true). "
    "Confirm it, or send `invert`: false if they are money that came in."
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds: movements or costs.

    CSV has a `mapping` and `columns`, and a guess has `confidence` (0 to 1).
    """

    format: FileFormat
    movements: Movements | None = None
    costs: Costs | None = None
    mapping: Mapping | None = None
    confidence: float | None = None
    encoding: str | None = None
    delimiter: str | None = None
    columns: Sequence[str] = ()


def read(
    content: bytes,
    format_: FileFormat | None,
    mapping: Mapping | None,
    account_currency: str,
    *,
    preview: bool,
    is_card: bool = False,
) -> Reading:
    """Raises InvalidInput. A mapping that was only guessed is good for a preview."""
    refuse_other_files(content)
    format_ = format_ or sniff(content)
    if format_ is not FileFormat.CSV and mapping is not None:
        raise InvalidInput(
            "The mapping is of no use.",
            errors=[FieldError("mapping", f"Only CSV has one: this is {format_}.")],
        )
    if format_ is FileFormat.OFX:
        return Reading(format_, read_ofx(content, account_currency))
    if format_ is FileFormat.CAMT053:
        return Reading(format_, read_camt053(content))
    if format_ is FileFormat.FOCUS:
        costs = read_focus(content)
        return Reading(format_, costs=costs, encoding=costs.encoding, delimiter=costs.delimiter)
    return _read_csv(content, mapping, account_currency, preview=preview, is_card=is_card)


def _read_csv(
    content: bytes,
    mapping: Mapping | None,
    account_currency: str,
    *,
    preview: bool,
    is_card: bool,
) -> Reading:
    file = csv_files.open_csv(content, mapping)
    confidence = None
    if mapping is None:
        guessed = csv_files.guess(file, is_card=is_card)
        mapping, confidence = guessed.mapping, guessed.confidence
        assert mapping is not None  # noqa: S101  # `guess` raises without one
    offered = [] if confidence is None else [_offer(mapping)]
    mapping = csv_files.settle(mapping, file.table)
    if mapping.date_format is None:
        asked = csv_files.ask_for_order(file.table, mapping)
        if not preview:
            raise InvalidInput("The dates can be read in two ways.", errors=[asked, *offered])
        movements = Movements(mapping.columns())
        movements.notes.append(f"No row was read: choose a date_format. {asked.detail}")
    elif offered and not preview:
        raise InvalidInput(
            "The mapping of the columns was only guessed. Preview it with dry_run=true, then "
            "send it back.",
            errors=offered,
        )
    else:
        movements = csv_files.read_movements(file.table, mapping, account_currency)
    if confidence is not None and mapping.invert:
        movements.notes.append(_INVERTED)
    if not file.encoding_is_certain:
        movements.notes.append(
            f"Read as {file.encoding}, which is a guess. If letters are wrong, name the right "
            "`encoding` in the mapping."
        )
    return Reading(
        FileFormat.CSV,
        movements,
        mapping=mapping,
        confidence=confidence,
        encoding=file.encoding,
        delimiter=file.table.delimiter,
        columns=file.table.header,
    )


def _offer(mapping: Mapping) -> FieldError:
    given = {name: value for name, value in asdict(mapping).items() if value is not None}
    return FieldError("mapping", f"Confirm or correct: {json.dumps(given, ensure_ascii=False)}")

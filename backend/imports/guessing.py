"""Guessing a mapping from a table's header and its first rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from backend.imports.amounts import guess_separator, parse_amount
from backend.imports.contents import BadValue
from backend.imports.dates import DateOrder, are_same, parse_date, possible_orders
from backend.imports.mapping import Mapping, currency_of_amounts
from backend.imports.tables import Record, Table, unique_names
from backend.imports.words import plain_words

# What banks call their columns, the plainest name first: an earlier name is preferred.
_NAMES = {
    "date": (
        "date, booking date, transaction date, posting date, posted date, date posted, trans date, "
        "buchungstag, buchungsdatum, buchung, datum, valutadatum, wertstellung, value date, "
        "date operation, date comptable, fecha, fecha operacion, data, data operazione, "
        "boekdatum, started date, completed date, day"
    ),
    "amount": (
        "amount, betrag, umsatz, betrag eur, amount eur, amount gbp, amount usd, montant, importe, "
        "importo, bedrag, value, transaction amount, net amount, gross amount, sum, total, paid, "
        "betrag in eur, umsatz in eur"
    ),
    "debit": (
        "debit, debit amount, money out, paid out, withdrawal, withdrawals, soll, belastung, "
        "ausgang, lastschrift, debet, cargo, uscite, dare, spent"
    ),
    "credit": (
        "credit, credit amount, money in, paid in, deposit, deposits, haben, gutschrift, eingang, "
        "abono, entrate, avere, received"
    ),
    "currency": "currency, ccy, waehrung, wahrung, devise, moneda, divisa, valuta, currency code",
    "description": (
        "description, verwendungszweck, details, narrative, memo, buchungstext, text, reference, "
        "libelle, concepto, descrizione, omschrijving, transaction description, purpose, "
        "transaction details, particulars, note, notes"
    ),
    "vendor": (
        "payee, vendor, merchant, supplier, counterparty, name, beneficiary, beguenstigter, "
        "auftraggeber, empfaenger, zahlungsempfaenger, beguenstigter zahlungspflichtiger, "
        "auftraggeber empfaenger, beneficiaire, beneficiario, naam tegenpartij, merchant name, "
        "counter party, supplier name"
    ),
    "category": "category, kategorie, categorie, categoria, expense type, type of expense",
    "external_id": (
        "transaction id, id, reference number, transaction number, referenz, transaktionsnummer, "
        "unique id, booking reference, numero, receipt number"
    ),
    "status": "status, state, zustand, statut, estado, stato",
}
# What a payment abroad was before it was converted, and who collects by which mandate: neither is
# the booking's own, however much the name is like one.
_ABROAD = r"original|foreign|fremd\w*|ursprung\w*|ursprueng\w*|instructed|exchange|kurs|rate"
_MANDATE = r"creditor (id\w*|reference|number)|glaeubiger\w*|mandat\w*|end to end|endtoend"
_OTHERS = {
    "date": _MANDATE,
    "amount": _ABROAD,
    "debit": _ABROAD,
    "credit": _ABROAD,
    "currency": _ABROAD,
    "description": _MANDATE,
    "vendor": _MANDATE,
    "external_id": f"{_MANDATE}|customer|kunden\\w*|merchant|account|payee|card",
}
_NEVER = {field: re.compile(rf"\b({names})\b") for field, names in _OTHERS.items()}
_PATTERNS = {field: tuple(names.split(", ")) for field, names in _NAMES.items()}
_SAMPLE = 1000
_HEADER_WITHIN = 50
_MOSTLY = 0.8
_UNSURE = 0.5
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Guess:
    """`confidence` is from 0 to 1. No `date_format`: the dates may be read in two orders."""

    mapping: Mapping | None
    confidence: float


def find_header(records: Sequence[Record], named: Collection[str] = ()) -> int | None:
    """The row that names the columns, among the first: the one that has all that are `named`, else
    the one where most cells are known names, else one of words above one of data.
    """
    first = records[:_HEADER_WITHIN]
    if named:
        for place, record in enumerate(first):
            if set(named) <= set(unique_names(record.cells)):
                return place
    known = [
        sum(any(_likeness(cell, field) for field in _PATTERNS) for cell in record.cells)
        for record in first
    ]
    if max(known, default=0) > 1:
        return known.index(max(known))
    for place, (above, below) in enumerate(pairwise(first)):
        is_data = any(map(_is_date, below.cells)) and any(map(_is_amount, below.cells))
        if is_data and len(above.cells) == len(below.cells) and _is_words(above.cells):
            return place
    return None


def guess_mapping(table: Table) -> Guess:
    """The best reading of the table; without a mapping when no column holds dates, or amounts."""
    cells = {
        name: [r.cells[n].strip() for r in table.records[:_SAMPLE] if n < len(r.cells)]
        for n, name in enumerate(table.header)
    }
    filled = {name: [c for c in column if c] for name, column in cells.items()}
    dated = {name: _share(column, _is_date) for name, column in filled.items()}
    counted = {name: _share(column, _is_amount) for name, column in filled.items()}

    taken: dict[str, str] = {}
    sureness: dict[str, float] = {}

    def take(field: str, fitness: dict[str, float]) -> None:
        scores = {
            name: _likeness(name, field) * _fit(fitness.get(name, 1.0))
            for name in table.header
            if name not in taken.values()
        }
        name = max(scores, key=scores.__getitem__, default=None)
        if name is not None and scores[name] > 0:
            taken[field], sureness[field] = name, scores[name]

    take("date", dated)
    for field in ("debit", "credit"):
        take(field, counted)
    if not {"debit", "credit"} <= taken.keys():
        for field in ("debit", "credit"):
            taken.pop(field, None)
        take("amount", counted)
    _by_contents(taken, sureness, dated, counted)
    for field in ("currency", "external_id", "status", "category", "vendor", "description"):
        if field != "currency" or currency_of_amounts(taken) is None:
            take(field, {})
    if "date" not in taken or not taken.keys() & {"amount", "debit"}:
        return Guess(None, 0.0)
    if "description" not in taken and "vendor" not in taken:
        _longest_text(taken, filled)
    return _completed(taken, sureness, filled)


def turned_round(guess: Guess, table: Table) -> Guess:
    """The guess for the account of a card, whose file may have its purchases without a minus.

    Most movements of a card are purchases. It is a guess nevertheless: confidence goes down.
    """
    mapping = guess.mapping
    if mapping is None or mapping.amount is None or mapping.decimal_separator is None:
        return guess
    place, incoming, outgoing = table.header.index(mapping.amount), 0, 0
    for record in table.records[:_SAMPLE]:
        try:
            amount = parse_amount(record.cells[place], mapping.decimal_separator)
        except (BadValue, IndexError):
            continue
        incoming, outgoing = incoming + (amount > 0), outgoing + (amount < 0)
    if incoming <= outgoing:
        return guess
    confidence = min(guess.confidence, _UNSURE)
    return replace(guess, mapping=replace(mapping, invert=True), confidence=confidence)


def _completed(
    taken: dict[str, str], sureness: dict[str, float], filled: dict[str, list[str]]
) -> Guess:
    dates = filled[taken["date"]]
    orders = possible_orders(dates)
    in_doubt = not are_same(dates, orders)
    amounts = [c for f in ("amount", "debit", "credit") if f in taken for c in filled[taken[f]]]
    mapping = Mapping(**taken)  # type: ignore[arg-type]  # only columns
    mapping = replace(
        mapping,
        date_format=None if in_doubt or not orders else orders[0],
        decimal_separator=guess_separator(amounts),
    )
    needed = [sureness.get(f, 0.5) for f in ("date", "amount", "debit", "credit") if f in taken]
    confidence = min(needed) * (1.0 if "description" in taken else 0.9)
    return Guess(mapping, round(confidence * (_UNSURE if in_doubt else 1.0), 2))


def _by_contents(
    taken: dict[str, str],
    sureness: dict[str, float],
    dated: dict[str, float],
    counted: dict[str, float],
) -> None:
    """Where no name tells: the first column of dates, and the first of amounts that are none."""
    for field, shares in (("date", dated), ("amount", counted)):
        if field in taken or (field == "amount" and "debit" in taken):
            continue
        for name, share in shares.items():
            is_date = field == "amount" and dated[name] >= _MOSTLY
            is_other = is_date or _is_never(name, field)
            if share >= _MOSTLY and name not in taken.values() and not is_other:
                taken[field], sureness[field] = name, share / 2
                break


def _longest_text(taken: dict[str, str], filled: dict[str, list[str]]) -> None:
    lengths = {
        name: sum(map(len, column)) / len(column)
        for name, column in filled.items()
        if column and name not in taken.values()
    }
    if lengths:
        taken["description"] = max(lengths, key=lengths.__getitem__)


def _likeness(name: str, field: str) -> float:
    """How much the name of a column is like one of the names for a field: 1 for the plainest."""
    if _is_never(name, field):
        return 0.0
    plain = plain_words(name[:_LONGEST_NAME])
    best = 0.0
    for place, known in enumerate(_PATTERNS[field]):
        preference = 1 - place / 200
        if plain == known:
            best = max(best, preference)
        elif f" {known} " in f" {plain} ":
            best = max(best, 0.6 * preference)
    return best


def _is_never(name: str, field: str) -> bool:
    found = _NEVER.get(field)
    return found is not None and found.search(plain_words(name[:_LONGEST_NAME])) is not None


def _fit(share: float) -> float:
    """Some cells that do not fit are faults of their rows, or a sum below them."""
    return 1.0 if share >= _MOSTLY else share


def _share(column: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, column)) / len(column) if column else 0.0


def _is_words(cells: Sequence[str]) -> bool:
    return not any(_is_date(cell) or _is_amount(cell) for cell in cells) and any(cells)


def _is_date(text: str) -> bool:
    for order in DateOrder:
        try:
            parse_date(text, order)
        except BadValue:
            continue
        return True
    return False


def _is_amount(text: str) -> bool:
    try:
        parse_amount(text, guess_separator([text]))
    except BadValue:
        return False
    return True

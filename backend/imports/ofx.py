"""OFX and QFX, 1.x (SGML) and 2.x (XML), to movements.

ofxtools reads the header, the markup and the values. Its models are left aside: they refuse a whole
statement for one bad row, and rows that have their elements in another order than the standard.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as MarkupError

from ofxtools import Types
from ofxtools.header import OFXHeaderError, parse_header
from ofxtools.Parser import ParseError, TreeBuilder

from backend.imports.contents import (
    AMOUNT_LIMIT,
    MAX_ROWS,
    MAX_TAGS,
    BadValue,
    Balance,
    Fault,
    Movements,
    Row,
    checked_amount,
    checked_currency,
    checked_date,
    clean_text,
    shortened,
    unreadable,
)

_STATEMENTS = ("STMTRS", "CCSTMTRS")
_ROW = "<STMTTRN>"
_CDATA = "<![CDATA["
_COLUMNS = {
    "date": "DTPOSTED",
    "amount": "TRNAMT",
    "currency": "CURSYM",
    "description": "MEMO",
    "vendor": "NAME",
    "external_id": "FITID",
}
_DATE, _DECIMAL = Types.DateTime(), Types.Decimal()


def read_ofx(content: bytes, account_currency: str) -> Movements:
    """Raises InvalidInput for what is no OFX, or holds the statements of several accounts."""
    text = _body(content)
    offset = content.count(b"\n", 0, max(content.find(b"<OFX>"), 0)) + 1
    root = _parse(text)
    statements = [found for name in _STATEMENTS for found in root.iter(name)]
    if not statements:
        raise unreadable("There is no bank or card statement in this OFX file.")
    accounts = {_text(s, ".//ACCTID") for s in statements}
    if len(accounts) > 1:
        raise unreadable(
            f"It holds the statements of {len(accounts)} accounts. Export them one by one."
        )
    movements = Movements(_COLUMNS)
    incoming = 0  # transfers
    lines = _lines(text, offset)
    ordered = iter([e for e in root.iter() if e.tag == "STMTTRN"])
    line_of = {id(element): line for element, line in zip(ordered, lines, strict=False)}
    for statement in statements:
        currency = _currency_of(statement, account_currency)
        for element in statement.iter("STMTTRN"):
            line = line_of.get(id(element), offset)
            try:
                movements.rows.append(_row(element, line, currency))
                incoming += _is_transfer(element) and movements.rows[-1].amount > 0
            except _BadElement as bad:
                value = shortened(bad.value) if bad.value else None
                movements.faults.append(Fault(line, bad.tag, bad.reason, value))
        _read_balance(statement, currency, movements)
    if incoming:
        movements.notes.append(
            f"{incoming} transfers (XFER) that come in are booked as income: the ledger has a "
            "transfer on the account that it leaves."
        )
    return movements


def _body(content: bytes) -> str:
    """The markup below the header, without CDATA sections, which ofxtools joins on one line."""
    try:
        _, text = parse_header(BytesIO(content))
    except (OFXHeaderError, ValueError, UnicodeDecodeError):
        raise unreadable("The header is not one of OFX.", line=1) from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text or b"<!ENTITY" in content[:4096]:
        raise unreadable("It declares entities, which no bank needs.")
    if "\0" in text:
        raise unreadable("A NUL character.", line=text.count("\n", 0, text.find("\0")) + 1)
    if text.count(_ROW) > MAX_ROWS:
        raise unreadable(f"More than {MAX_ROWS:,} rows: split the file.")
    if text.count("<") > MAX_TAGS:
        raise unreadable(f"More than {MAX_TAGS:,} elements: split the file.")
    if not text.rstrip().endswith("</OFX>"):
        last = text.count("\n") + 1
        raise unreadable(f"It is cut off: </OFX> is missing after its line {last}.")
    first, *rest = text.split(_CDATA)
    parts = [first]
    for section in rest:
        inside, end, after = section.partition("]]>")
        if not end:
            raise unreadable("A CDATA section is never closed.")
        parts += [html.escape(inside, quote=False), after]
    return _without_empty_leaves("".join(parts))


def _without_empty_leaves(text: str) -> str:
    """Without elements of SGML that have neither a value nor an end, and would swallow the next."""
    closed = set(re.findall(r"</([A-Z0-9._ ]+)>", text))
    return re.sub(r"<([A-Z0-9._ ]+)>(\s*)(?=<)", lambda m: m[0] if m[1] in closed else m[2], text)


def _parse(text: str) -> Element:
    builder = TreeBuilder()
    try:
        builder.feed(text)
        root: Any = builder.close()
    except (ParseError, MarkupError) as error:
        reason = str(error).split(" - position")[0]
        raise unreadable(f"It is cut off or not well-formed: {shortened(reason)}") from None
    except (AssertionError, IndexError):
        raise unreadable("It is cut off: not every element is closed.") from None
    if not isinstance(root, Element) or root.tag != "OFX":
        raise unreadable("There is no OFX element.")
    return root


def _lines(text: str, first_line: int) -> Iterator[int]:
    """The line of each row, in the order of the file."""
    place, line = 0, first_line
    while (found := text.find(_ROW, place)) >= 0:
        line += text.count("\n", place, found)
        place = found
        yield line
        place += 1


class _BadElement(Exception):
    def __init__(self, tag: str, value: str | None, reason: str) -> None:
        self.tag, self.value, self.reason = tag, value, reason


def _row(element: Element, line: int, currency: str) -> Row:
    own = element.find("CURRENCY/CURSYM")
    if own is not None:  # the amount is in this currency; ORIGCURRENCY only tells what it once was
        currency = _checked("CURSYM", own.text, checked_currency)
    amount = _required(element, "TRNAMT", _amount)
    _checked("TRNAMT", str(amount), lambda _: checked_amount(amount, currency))
    vendor = _optional(element, "NAME", 200) or _optional(element, "PAYEE/NAME", 200)
    memo = _optional(element, "MEMO", 500)
    return Row(
        line=line,
        date=_required(element, "DTPOSTED", _day),
        amount=amount,
        description=memo or vendor or _optional(element, "TRNTYPE", 100) or "(no description)",
        currency=currency,
        vendor=vendor,
        is_transfer=_is_transfer(element) and amount < 0,
        external_id=_required(element, "FITID", lambda text: clean_text(text, 200)),
    )


def _is_transfer(element: Element) -> bool:
    return _text(element, "TRNTYPE") == "XFER"


def _read_balance(statement: Element, currency: str, movements: Movements) -> None:
    ledger = statement.find("LEDGERBAL")
    if ledger is None:
        return
    try:
        balance = Balance(
            _required(ledger, "DTASOF", _day), _required(ledger, "BALAMT", _amount), currency
        )
    except _BadElement as bad:
        movements.notes.append(f"The balance was left out: {bad.tag}: {bad.reason}")
    else:
        movements.balances.append(balance)


def _currency_of(statement: Element, account_currency: str) -> str:
    given = _text(statement, "CURDEF")
    try:
        return checked_currency(given) if given else account_currency
    except BadValue as bad:
        raise unreadable(f"{bad} ({shortened(given or '')})", column="CURDEF") from None


def _day(text: str) -> date:
    """The day as written: it is the bank's, whatever zone the time behind it has."""
    try:
        _DATE.convert(text)
        return checked_date(date(int(text[:4]), int(text[4:6]), int(text[6:8])))
    except BadValue:
        raise
    except (ValueError, TypeError):
        raise BadValue("Not a date of OFX, such as 20250310.") from None


def _amount(text: str) -> Decimal:
    try:
        value = _DECIMAL.convert(text)
    except (ValueError, TypeError, ArithmeticError):
        value = None
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) >= AMOUNT_LIMIT:
        raise BadValue("Not an amount.")
    return value


def _required(element: Element, tag: str, parse: Any) -> Any:  # noqa: ANN401  # what `parse` makes
    return _checked(tag, _text(element, tag), parse)


def _optional(element: Element, tag: str, limit: int) -> str | None:
    text = _text(element, tag)
    return _checked(tag, text, lambda t: clean_text(t, limit)) if text else None


def _checked(tag: str, text: str | None, parse: Any) -> Any:  # noqa: ANN401  # what `parse` makes
    if not text:
        raise _BadElement(tag, None, "The element is missing.")
    try:
        return parse(text)
    except BadValue as bad:
        raise _BadElement(tag, text, str(bad)) from None


def _text(element: Element, path: str) -> str | None:
    found = element.find(path)
    if found is None or found.text is None:
        return None
    return html.unescape(found.text.strip()) or None

"""One entry of a CAMT.053 statement to the movements it stands for.

A batch is one entry with details; each detail becomes a row of its own, provided that they add up.
An entry that reverses a charge comes back as a refund.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from backend.imports.contents import (
    AMOUNT_LIMIT,
    BadValue,
    Row,
    checked_amount,
    checked_currency,
    checked_date,
    clean_text,
)

Element = Any  # of lxml, which has no types

_BOOKED, _PENDING, _INFORMATION = "BOOK", "PDNG", "INFO"
_STATUSES = {_BOOKED: "paid", _PENDING: "pending"}
_SIGNS = {"DBIT": -1, "CRDT": 1}
_NO_REFERENCE = {"NOTPROVIDED", "NONREF", "NOT PROVIDED"}


class BadElement(Exception):
    """An element that is missing or says nothing, by its name."""

    def __init__(self, tag: str, value: str | None, reason: str) -> None:
        self.tag, self.value, self.reason = tag, value, reason


@dataclass(frozen=True, slots=True)
class Entry:
    is_booking: bool
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_entry(element: Element) -> Entry:
    """Raises BadElement for an entry without a date, or an amount that means something."""
    status = child(element, "Sts/Cd") or child(element, "Sts") or _BOOKED
    if status == _INFORMATION:
        return Entry(is_booking=False)
    if status not in _STATUSES:
        raise BadElement("Sts", status, "Not a status of an entry.")
    amount, currency = money_of(element)
    _check(amount, currency)
    day = day_of(element, "BookgDt", "ValDt")
    details = element.findall("NtryDtls/TxDtls")
    parts = _parts(element, details, amount, currency)
    notes = []
    if len(details) > 1 and parts is None:
        notes.append(
            f"Line {element.sourceline}: the {len(details)} details do not add up to their entry, "
            "which was taken whole."
        )
    is_reversal = child(element, "RvslInd") in {"true", "1"}
    rows = []
    for detail, part in parts or [(details[0] if len(details) == 1 else None, amount)]:
        vendor = _counterparty(detail, part)
        rows.append(
            Row(
                line=element.sourceline if detail is None else detail.sourceline,
                date=day,
                amount=part,
                description=_description(element, detail, len(details), vendor),
                currency=currency,
                vendor=vendor,
                external_id=_reference(element, detail),
                status=_STATUSES[status],
                is_refund=is_reversal and part > 0,
                charges=_charges(element, detail, part, currency),
            )
        )
    return Entry(is_booking=True, rows=rows, notes=notes)


def child(element: Element, path: str) -> str | None:
    """The text of an element, if it is there and not blank."""
    found = element.find(path)
    if found is None or found.text is None:
        return None
    return found.text.strip() or None


def money_of(element: Element) -> tuple[Decimal, str]:
    """The amount of an entry or a balance, with the sign of its direction, and its currency."""
    direction = child(element, "CdtDbtInd")
    if direction not in _SIGNS:
        raise BadElement("CdtDbtInd", direction, "Neither CRDT nor DBIT.")
    amount, currency = _money(element.find("Amt"), "Amt")
    return _SIGNS[direction] * amount, currency


def day_of(element: Element, *tags: str) -> date:
    """The first of the dates that is there; of an instant, the day as it is written."""
    for tag in tags:
        text = child(element, f"{tag}/Dt") or child(element, f"{tag}/DtTm")
        if text is not None:
            try:
                return checked_date(date.fromisoformat(text[:10]))
            except BadValue as bad:
                raise BadElement(tag, text, str(bad)) from None
            except ValueError:
                raise BadElement(tag, text, "Not a date.") from None
    raise BadElement(tags[0], None, "The element is missing.")


def _parts(
    entry: Element, details: list[Element], amount: Decimal, currency: str
) -> list[tuple[Element, Decimal]] | None:
    """Each detail with its own amount; None unless there are several and they make up the entry."""
    if len(details) < 2:  # noqa: PLR2004
        return None
    parts = []
    for detail in details:
        own = detail.find("Amt")
        if own is None:
            own = detail.find("AmtDtls/TxAmt/Amt")
        if own is None or own.get("Ccy") != currency:
            return None
        direction = child(detail, "CdtDbtInd") or child(entry, "CdtDbtInd")
        part = _SIGNS.get(direction or "", 0) * _money(own, "Amt")[0]
        _check(part, currency)
        parts.append((detail, part))
    return parts if sum(part for _, part in parts) == amount else None


def _money(element: Element | None, tag: str) -> tuple[Decimal, str]:
    text = None if element is None or element.text is None else element.text.strip()
    if element is None or not text:
        raise BadElement(tag, None, "The element is missing.")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise BadElement(tag, text, "Not an amount.") from None
    if not amount.is_finite() or not 0 <= amount < AMOUNT_LIMIT:
        raise BadElement(tag, text, "Not an amount: its direction is in CdtDbtInd.")
    try:
        return amount, checked_currency(element.get("Ccy") or "")
    except BadValue as bad:
        raise BadElement("Ccy", element.get("Ccy"), str(bad)) from None


def _check(amount: Decimal, currency: str) -> None:
    try:
        checked_amount(amount, currency)
    except BadValue as bad:
        raise BadElement("Amt", str(abs(amount)), str(bad)) from None


def _charges(
    entry: Element, detail: Element | None, part: Decimal, currency: str
) -> Decimal | None:
    """What the bank kept for itself within an amount that it took."""
    if part > 0:
        return None
    holder = entry if detail is None or detail.find("Chrgs") is None else detail
    if holder is entry and detail is not None and len(entry.findall("NtryDtls/TxDtls")) > 1:
        return None  # of the batch as a whole
    total = Decimal(0)
    for charges in holder.findall("Chrgs"):
        for record in charges.findall("Rcrd") or [charges]:
            amount = record.find("Amt")
            if child(record, "ChrgInclInd") in {"true", "1"} and amount is not None:
                value, of = _money(amount, "Chrgs")
                total += value if of == currency else 0
    return total if 0 < total < -part else None


def _reference(entry: Element, detail: Element | None) -> str | None:
    own = None if detail is None else child(detail, "Refs/AcctSvcrRef")
    found = own or child(entry, "AcctSvcrRef")
    return None if found is None or found.upper() in _NO_REFERENCE else _clean(found, "AcctSvcrRef")


def _counterparty(detail: Element | None, amount: Decimal) -> str | None:
    if detail is None:
        return None
    roles = ("Cdtr", "Dbtr") if amount < 0 else ("Dbtr", "Cdtr")
    for role in roles:
        for path in (f"{role}/Nm", f"{role}/Pty/Nm", f"Ultmt{role}/Nm", f"Ultmt{role}/Pty/Nm"):
            name = child(detail, f"RltdPties/{path}")
            if name is not None:
                return _clean(name, "Nm", 200)
    return None


def _description(entry: Element, detail: Element | None, count: int, vendor: str | None) -> str:
    parts = []
    if detail is not None:
        parts = [u.text for u in detail.findall("RmtInf/Ustrd") if u.text]
        parts = parts or [r for r in [child(detail, "RmtInf/Strd/CdtrRefInf/Ref")] if r]
        parts = parts or [r for r in [child(detail, "AddtlTxInf")] if r]
    text = " ".join(parts) or child(entry, "AddtlNtryInf") or vendor
    if text is None and count > 1:
        text = f"Batch of {count}"
    return _clean(text or "(no description)", "RmtInf", 500)


def _clean(text: str, tag: str, limit: int = 200) -> str:
    try:
        return clean_text(text, limit)
    except BadValue as bad:
        raise BadElement(tag, text, str(bad)) from None

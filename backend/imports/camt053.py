"""CAMT.053 (ISO 20022), versions 2 to 12, to movements.

Read with lxml rather than pycamt, which takes the first element of a name anywhere below an entry
(an amount or reference of its details for the entry's own) and knows neither charges nor lines.
Entities are neither declared nor expanded, and nothing is fetched.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from backend.imports.camt_entries import BadElement, child, day_of, money_of, read_entry
from backend.imports.contents import (
    MAX_ROWS,
    MAX_TAGS,
    Balance,
    Fault,
    Movements,
    Row,
    shortened,
    unreadable,
)

_COLUMNS = {
    "date": "BookgDt",
    "amount": "Amt",
    "currency": "Ccy",
    "description": "RmtInf",
    "vendor": "RltdPties",
    "external_id": "AcctSvcrRef",
}
_MESSAGE = re.compile(r"camt\.053\.001\.\d\d$")
_CLOSING = "CLBD"


def read_camt053(content: bytes) -> Movements:
    """Raises InvalidInput for what is no such statement, or statements of several accounts."""
    root = _parse(content)
    statements = root.findall("BkToCstmrStmt/Stmt")
    if not statements:
        raise unreadable("There is no statement (BkToCstmrStmt/Stmt) in it.")
    accounts = {_account(statement) for statement in statements}
    if len(accounts) > 1:
        raise unreadable(
            f"It holds the statements of {len(accounts)} accounts. Export them one by one."
        )
    movements = Movements(_COLUMNS)
    seen: dict[str, int] = {}
    for statement in statements:
        for element in statement.findall("Ntry"):
            _add(movements, element, seen)
        for balance in statement.findall("Bal"):
            _add_balance(movements, balance)
    return movements


def _add(movements: Movements, element: Any, seen: dict[str, int]) -> None:  # noqa: ANN401  # of lxml
    line = element.sourceline
    try:
        entry = read_entry(element)
    except BadElement as bad:
        value = shortened(bad.value) if bad.value else None
        movements.faults.append(Fault(line, bad.tag, bad.reason, value))
        return
    if not entry.is_booking:
        movements.ignored.append(line)
        movements.notes.append(f"Line {line}: an entry for information only.")
        return
    movements.notes.extend(entry.notes)
    movements.rows.extend(_numbered(row, seen) for row in entry.rows)
    if len(movements.rows) > MAX_ROWS:
        raise unreadable(f"More than {MAX_ROWS:,} rows: split the file.", line=line)


def _numbered(row: Row, seen: dict[str, int]) -> Row:
    """A bank's reference may stand for several movements, such as a payment and its fee."""
    if row.external_id is None:
        return row
    seen[row.external_id] = count = seen.get(row.external_id, 0) + 1
    return row if count == 1 else row.called(f"{row.external_id}#{count}")


def _add_balance(movements: Movements, element: Any) -> None:  # noqa: ANN401  # of lxml
    if child(element, "Tp/CdOrPrtry/Cd") != _CLOSING:
        return
    try:
        amount, currency = money_of(element)
        movements.balances.append(Balance(day_of(element, "Dt"), amount, currency))
    except BadElement as bad:
        movements.notes.append(f"The closing balance was left out: {bad.tag}: {bad.reason}")


def _account(statement: Any) -> str:  # noqa: ANN401  # of lxml
    return child(statement, "Acct/Id/IBAN") or child(statement, "Acct/Id/Othr/Id") or ""


def _parse(content: bytes) -> Any:  # noqa: ANN401  # of lxml
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise unreadable("It declares a document type or entities, which no bank needs.")
    if content.count(b"<") > MAX_TAGS:
        raise unreadable(f"More than {MAX_TAGS:,} elements: split the file.")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        reason = shortened(str(error.msg).split(", line")[0])
        raise unreadable(f"Not well-formed XML, or cut off: {reason}.", line=error.lineno) from None
    if root.getroottree().docinfo.internalDTD is not None:  # in an encoding with other bytes
        raise unreadable("It declares a document type or entities, which no bank needs.")
    namespace = etree.QName(root).namespace or ""
    if namespace and not _MESSAGE.search(namespace):
        raise unreadable(f"Not a CAMT.053 statement but {shortened(namespace)}.", line=1)
    for element in root.iter():
        element.tag = etree.QName(element).localname
    return root

from __future__ import annotations

import asyncio
import stat
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.db.engine import organization_session
from backend.ledger import receipts as service
from backend.scope import Role
from backend.settings import Settings
from tests.api.audit import entries_of
from tests.api.books import NOBODYS, Books, open_books, post
from tests.api.conftest import ActAs
from tests.api.people import serving
from tests.api.problem import assert_problem
from tests.factories import make_member, make_organization, share_account

SCRIPT = b"<script>alert(document.domain)</script>"


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", b"\0\0\0\x01\0\0\0\x01\x08\0\0\0\0")
    + _chunk(b"IDAT", zlib.compress(b"\0\0"))
)
END = _chunk(b"IEND", b"")
GOOD = {
    "image/png": PNG + END,
    "application/pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\0\0\x01\0\x01\0\0\xff\xd9",
    "image/webp": b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88",
    "image/heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat",
}
PDF = GOOD["application/pdf"]


async def put(
    client: httpx.AsyncClient, place: str, content: bytes, kind: str | None, **params: str
) -> httpx.Response:
    headers = {} if kind is None else {"Content-Type": kind}
    return await client.put(place, content=content, headers=headers, params=params)


@pytest.fixture
async def place(act_as: ActAs, books: Books) -> str:
    """Where the receipt of some expense is."""
    booked = await post(act_as(books.scope), books.expense())
    return f"/api/transactions/{booked['id']}/receipt"


def stored(settings: Settings) -> list[Path]:
    return [path for path in (settings.home / "receipts").rglob("*") if path.is_file()]


async def until_stored(settings: Settings, count: int) -> list[Path]:
    """Files go after the answer has been given."""
    async with asyncio.timeout(5):
        while len(stored(settings)) != count:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)
    return stored(settings)


@pytest.mark.parametrize("kind", GOOD)
async def test_a_document_comes_back_as_it_was(
    act_as: ActAs, books: Books, place: str, kind: str
) -> None:
    client = act_as(books.scope)
    answer = await put(client, place, GOOD[kind], kind, filename="Café 3.pdf")
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["content_type"], made["size"]) == (kind, len(GOOD[kind]))
    assert made["filename"].startswith("Café 3.pdf")
    transaction = (await client.get(place.removesuffix("/receipt"))).json()
    assert transaction["receipt"] == made

    got = await client.get(place)
    assert got.content == GOOD[kind]
    assert got.headers["content-type"] == kind
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["content-disposition"].startswith("attachment;")
    assert "filename*=UTF-8''Caf%C3%A9%203.pdf" in got.headers["content-disposition"]
    assert got.headers["cache-control"] == "private, no-cache"


async def test_it_lies_where_only_the_service_can_read_it_under_a_name_of_our_own(
    act_as: ActAs, books: Books, place: str, settings: Settings
) -> None:
    await put(act_as(books.scope), place, PDF, "application/pdf", filename="../../../etc/passwd")
    (path,) = stored(settings)
    folder = settings.home / "receipts"
    assert path.parent == folder / str(books.scope.organization_id)
    assert len(path.name) == 32
    assert "passwd" not in str(path)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder, path.parent, path)]
    assert modes == [0o700, 0o700, 0o600]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../../etc/passwd", "passwd.pdf"),
        ("..\\..\\windows\\win.ini", "win.ini.pdf"),
        ("invoice.pdf", "invoice.pdf"),
        ("INVOICE.PDF", "INVOICE.PDF"),
        ("evil.html", "evil.html.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe.pdf"),
        ('a"\r\nSet-Cookie: x=1;.pdf', "aSet-Cookie x=1;.pdf"),
        ("...", "receipt.pdf"),
        ("", "receipt.pdf"),
        ("x" * 400, "x" * 150 + ".pdf"),
    ],
)
async def test_a_name_is_made_harmless(
    act_as: ActAs, books: Books, place: str, sent: str, shown: str
) -> None:
    client = act_as(books.scope)
    answer = await put(client, place, PDF, "application/pdf", filename=sent)
    assert answer.json()["filename"] == shown
    got = await client.get(place)
    assert "set-cookie" not in got.headers
    assert "\n" not in got.headers["content-disposition"]


@pytest.mark.parametrize(
    ("content", "kind", "pointer"),
    [
        (b"", "application/pdf", "#"),
        (PDF, None, "Content-Type"),
        (PDF, "text/html", "Content-Type"),
        (PDF, "application/octet-stream", "Content-Type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "Content-Type"),
        (PDF, "image/png", "#"),
        (GOOD["image/png"], "application/pdf", "#"),
        (SCRIPT, "image/png", "#"),
        (b"<html>" + PDF, "application/pdf", "#"),
        (b" " + PDF, "application/pdf", "#"),
        (b"\0" * 64, "image/jpeg", "#"),
        (b"https://example.com/receipt.pdf", "application/pdf", "#"),
        (b"PK\x03\x04" + b"\0" * 30, "application/pdf", "#"),
        (b"RIFF\x1a\0\0\0AVI LIST", "image/webp", "#"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "image/heic", "#"),
        (b"\0\0\0\0\0\0JFIF\0\x01", "image/jpeg", "#"),
    ],
)
async def test_what_is_not_what_it_says_is_refused(
    act_as: ActAs,
    books: Books,
    place: str,
    settings: Settings,
    *,
    content: bytes,
    kind: str | None,
    pointer: str,
) -> None:
    client = act_as(books.scope)
    assert_problem(await put(client, place, content, kind), 422, "invalid-input", pointer)
    assert_problem(await client.get(place), 404, "not-found")
    assert stored(settings) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG + _chunk(b"tEXt", b"Comment\0" + SCRIPT) + END, "image/png"),
        (GOOD["image/png"] + SCRIPT, "image/png"),
        (GOOD["image/jpeg"] + b"PK\x03\x04" + b"\0" * 30, "image/jpeg"),
        (PDF + SCRIPT, "application/pdf"),
    ],
)
async def test_what_hides_in_a_document_is_never_served_as_itself(
    act_as: ActAs, books: Books, place: str, content: bytes, kind: str
) -> None:
    client = act_as(books.scope)
    assert (await put(client, place, content, kind, filename="x.html")).status_code == 200
    got = await client.get(place)
    assert got.headers["content-type"] == kind
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["content-disposition"].startswith("attachment;")
    assert ".html." in got.headers["content-disposition"], "its name ends as what it is"


async def test_a_content_type_may_have_parameters(act_as: ActAs, books: Books, place: str) -> None:
    answer = await put(act_as(books.scope), place, PDF, "Application/PDF; charset=binary")
    assert answer.json()["content_type"] == "application/pdf"


async def test_the_limit_is_that_of_receipts_and_of_no_other_route(
    act_as: ActAs, books: Books, place: str
) -> None:
    client = act_as(books.scope)
    large = PDF + b"\0" * (10 * 2**20 - len(PDF))
    assert (await put(client, place, large, "application/pdf")).status_code == 200
    answer = await put(client, place, large + b"\0", "application/pdf")
    assert_problem(answer, 413, "content-too-large")
    elsewhere = await client.put(place.removesuffix("/receipt"), content=large)
    assert_problem(elsewhere, 413, "content-too-large")


async def test_a_smaller_limit_can_be_set(settings: Settings, place: str) -> None:
    async with serving(settings, receipt_max_bytes=10) as client:
        answer = await put(client, place, PDF, "application/pdf")
        assert_problem(answer, 413, "content-too-large")


async def test_another_one_takes_its_place_and_its_file_goes(
    act_as: ActAs, books: Books, place: str, settings: Settings, engine: AsyncEngine
) -> None:
    client = act_as(books.scope)
    first = (await put(client, place, PDF, "application/pdf")).json()
    (old,) = stored(settings)
    answer = await put(client, place, GOOD["image/png"], "image/png")
    assert answer.json()["id"] == first["id"]
    assert (await client.get(place)).content == GOOD["image/png"]
    (new,) = await until_stored(settings, 1)
    assert new != old
    ((entry, payload),) = await entries_of(engine, books.scope, answer)
    assert entry.action == "update"
    assert payload.before is not None
    assert payload.before["sha256"] == first["sha256"]

    assert (await client.delete(place)).status_code == 204
    assert_problem(await client.get(place), 404, "not-found")
    assert_problem(await client.delete(place), 404, "not-found")
    assert await until_stored(settings, 0) == []


async def test_it_is_a_part_of_its_transaction(act_as: ActAs, books: Books, place: str) -> None:
    client = act_as(books.scope)
    transaction = place.removesuffix("/receipt")
    versions = [(await client.get(transaction)).json()["version"]]
    await put(client, place, PDF, "application/pdf")
    versions.append((await client.get(transaction)).json()["version"])
    await client.delete(place)
    versions.append((await client.get(transaction)).json()["version"])
    assert len(set(versions)) == 3
    await put(client, place, PDF, "application/pdf")
    await client.delete(transaction)
    assert_problem(await client.get(place), 404, "not-found")


async def test_a_dry_run_writes_no_file(
    act_as: ActAs, books: Books, place: str, settings: Settings
) -> None:
    client = act_as(books.scope)
    tried = await put(client, place, PDF, "application/pdf", dry_run="true")
    assert tried.status_code == 200
    assert tried.json()["size"] == len(PDF)
    assert stored(settings) == []
    await put(client, place, PDF, "application/pdf")
    await put(client, place, GOOD["image/png"], "image/png", dry_run="true")
    tried = await client.delete(place, params={"dry_run": "true"})
    assert tried.status_code == 204
    await asyncio.sleep(0.1)
    assert (await client.get(place)).content == PDF


async def test_a_repetition_stores_nothing_again(
    act_as: ActAs, books: Books, place: str, settings: Settings
) -> None:
    client = act_as(books.scope)
    headers = {"Idempotency-Key": "once", "Content-Type": "application/pdf"}
    first = await client.put(place, content=PDF, headers=headers)
    again = await client.put(place, content=PDF, headers=headers)
    assert again.json() == first.json()
    assert len(stored(settings)) == 1
    other = await client.put(place, content=PDF + b" ", headers=headers)
    assert_problem(other, 422, "invalid-input", "Idempotency-Key")


async def test_what_is_taken_back_leaves_no_file(
    act_as: ActAs, books: Books, place: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(session: Any, *_: Any, **__: Any) -> None:
        await session.execute(text("SELECT 1 / 0"))

    monkeypatch.setattr(service, "record", fail)
    answer = await put(act_as(books.scope), place, PDF, "application/pdf")
    assert answer.status_code >= 400
    assert await until_stored(settings, 0) == []


async def test_a_store_that_is_away_is_said_to_be(
    act_as: ActAs, books: Books, place: str, settings: Settings
) -> None:
    client = act_as(books.scope)
    (settings.home / "receipts").write_text("in the way")
    answer = await put(client, place, PDF, "application/pdf")
    assert_problem(answer, 503, "unavailable")
    assert_problem(await client.get(place), 404, "not-found")


async def test_a_file_that_is_lost_is_not_found(
    act_as: ActAs, books: Books, place: str, settings: Settings
) -> None:
    client = act_as(books.scope)
    await put(client, place, PDF, "application/pdf")
    stored(settings)[0].unlink()
    assert "lost" in assert_problem(await client.get(place), 404, "not-found")
    assert (await put(client, place, PDF, "application/pdf")).status_code == 200


async def test_any_file_system_of_fsspec_will_do(
    settings: Settings, act_as: ActAs, books: Books, place: str
) -> None:
    @asynccontextmanager
    async def elsewhere() -> AsyncIterator[httpx.AsyncClient]:
        authorization = act_as(books.scope).headers["Authorization"]
        async with serving(settings, receipts_url="memory://receipts") as client:
            client.headers["Authorization"] = authorization
            yield client

    async with elsewhere() as client:
        assert (await put(client, place, PDF, "application/pdf")).status_code == 200
        assert (await client.get(place)).content == PDF
    assert stored(settings) == []


async def test_others_read_and_write_it_as_they_do_its_account(
    act_as: ActAs, books: Books, place: str, engine: AsyncEngine
) -> None:
    await put(act_as(books.scope), place, PDF, "application/pdf")
    people = {role: await make_member(engine, books.scope.organization_id, role) for role in Role}
    member = act_as(people[Role.MEMBER])
    assert_problem(await member.get(place), 404, "not-found")
    assert_problem(await put(member, place, PDF, "application/pdf"), 404, "not-found")
    assert_problem(await member.delete(place), 404, "not-found")
    async with organization_session(engine, books.scope.organization_id) as session:
        for role in (Role.MEMBER, Role.VIEWER):
            await share_account(session, books.account.id, people[role].user_id)
    for role in (Role.ANALYST, Role.VIEWER):
        client = act_as(people[role])
        assert (await client.get(place)).content == PDF
        assert_problem(await put(client, place, PDF, "application/pdf"), 403, "forbidden")
        assert_problem(await client.delete(place), 403, "forbidden")
    assert (await put(member, place, PDF, "application/pdf")).status_code == 200


async def test_another_organizations_is_not_there(
    act_as: ActAs, books: Books, place: str, engine: AsyncEngine, settings: Settings
) -> None:
    await put(act_as(books.scope), place, PDF, "application/pdf")
    theirs = await open_books(engine, await make_member(engine, await make_organization(engine)))
    client = act_as(theirs.scope)
    for where in (place, f"/api/transactions/{NOBODYS}/receipt"):
        for answer in (
            await client.get(where),
            await put(client, where, PDF, "application/pdf"),
            await client.delete(where),
        ):
            assert_problem(answer, 404, "not-found")
    assert len(stored(settings)) == 1

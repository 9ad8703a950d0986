"""A backup of an instance while it runs, and what a restore makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from alembic import command
from sqlalchemy.engine import URL

from api.app import create_app
from backend.cli.archive import BackupDamaged, Manifest, new_archive, unpack
from backend.cli.backup import SECRETS, BackupRefused, back_up
from backend.cli.database import prepare_database, running_database
from backend.cli.home import AlreadyRunning, only_instance
from backend.cli.restore import RestoreRefused, restore_backup
from backend.db.bootstrap import bootstrap, connect
from backend.db.dumps import DumpFailed, _place
from backend.db.engine import create_engine, organization_session
from backend.db.migrate import alembic_config
from backend.identity.passwords import hash_password
from backend.scope import Scope
from backend.settings import Settings
from backend.warehouse.generation import published, resolve, verify
from orchestration.run import run_refresh
from tests import factories, server
from tests.orchestration.small_ledger import instance_with_ledger
from tests.warehouse.hand_made import publish_hand_made

EMAIL, PASSWORD = "owner@example.com", "a long password of theirs"
DATASETS = ("fct_transactions", "fct_cost_events", "dim_tags", "dim_budgets")


@dataclass(frozen=True, slots=True)
class Original:
    """An instance with two generations, the receipt `receipt` and an owner who logs in."""

    settings: Settings
    file: Path
    generations: list[str]
    receipt: Path
    answers: dict[str, object]


@pytest.fixture(scope="module")
def original(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    folder = tmp_path_factory.mktemp("backup")
    with instance_with_ledger(server_url, folder / "home") as settings:
        owner = asyncio.run(_add_owner(settings))
        run_refresh(settings)
        asyncio.run(_add_tag(settings, owner, "since the first generation"))
        run_refresh(settings)
        receipt = settings.home / "receipts" / str(owner.organization_id) / uuid4().hex
        receipt.parent.mkdir(parents=True)
        receipt.write_bytes(b"a receipt")
        file = folder / "outlay.tar"
        answers = asyncio.run(_back_up_while_it_serves(settings, file))
        generations = [generation.id for generation in published(settings.warehouse_dir)]
        yield Original(settings, file, generations, receipt, answers)


@pytest.fixture
def home() -> Iterator[Path]:
    with server.passable_folder() as folder:
        yield folder


async def _add_owner(settings: Settings) -> Scope:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    try:
        organization = await factories.make_organization(engine)
        owner = await factories.make_member(
            engine, organization, email=EMAIL, password_hash=await hash_password(PASSWORD)
        )
        async with organization_session(engine, organization) as session:
            account = await factories.add_account(session, owner.user_id)
            await factories.add_transaction(session, account.id)
        return owner
    finally:
        await engine.dispose()


async def _add_tag(settings: Settings, owner: Scope, name: str) -> None:
    engine = create_engine(settings.role_url("outlay_app", driver="asyncpg"), pool_size=1)
    try:
        async with organization_session(engine, owner.organization_id) as session:
            await factories.add_tag(session, name=name)
    finally:
        await engine.dispose()


async def _back_up_while_it_serves(settings: Settings, file: Path) -> dict[str, object]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        before = await _ask_all(settings)
        await asyncio.to_thread(back_up, settings, file)
        assert await _ask_all(settings) == before
        return before


async def _ask_all(settings: Settings) -> dict[str, object]:
    """What the owner is answered who logs in with their password."""
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        login = await client.post("/api/auth/token", json={"email": EMAIL, "password": PASSWORD})
        assert login.status_code == 200, login.text
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        answers: dict[str, object] = {}
        paths = [f"/api/analytics/datasets/{dataset}/query" for dataset in DATASETS]
        paths += ["/api/transactions", "/api/tags", "/api/accounts", "/api/analytics/generations"]
        for generation in published(settings.warehouse_dir):
            paths.append(f"/api/analytics/reconciliation?as_of={generation.id}")
            paths.append(f"/api/analytics/datasets/dim_tags/query?as_of={generation.id}")
        for path in paths:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            answers[path] = answer.json()
        return answers


async def _security(url: URL) -> dict[str, list[tuple[object, ...]]]:
    """All that says who may read and do what in a database."""
    queries = {
        "walls": "SELECT relname, relrowsecurity, relforcerowsecurity, relowner::regrole::text, "
        "relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check "
        "FROM pg_policies",
        "functions": "SELECT oid::regprocedure::text, proowner::regrole::text, prosecdef, "
        "proacl::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "columns": "SELECT attrelid::regclass::text, attname, attacl::text FROM pg_attribute "
        "WHERE attacl IS NOT NULL AND attrelid::regclass::text !~ '^pg_'",
        "schema": "SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'",
    }
    connection = await connect(url)
    try:
        return {
            name: [tuple(row) for row in await connection.fetch(f"{query} ORDER BY 1, 2")]
            if name != "schema"
            else [tuple(row) for row in await connection.fetch(query)]
            for name, query in queries.items()
        }
    finally:
        await connection.close()


async def _visible_tags(settings: Settings, organization: UUID | None) -> int:
    connection = await connect(settings.role_url("outlay_app"))
    try:
        if organization is not None:
            await connection.execute(
                "SELECT set_config('outlay.organization_id', $1, false)", str(organization)
            )
        return int(await connection.fetchval("SELECT count(*) FROM tags"))
    finally:
        await connection.close()


def test_a_running_instance_comes_back_elsewhere_as_it_was(original: Original, home: Path) -> None:
    settings = Settings(home=home)  # with a PostgreSQL of its own
    assert original.file.stat().st_mode & 0o777 == 0o600

    restore_backup(settings, original.file)

    assert not list(home.glob("restore-*"))
    kept = published(settings.warehouse_dir)
    assert [generation.id for generation in kept] == original.generations
    assert len(kept) == 2
    assert all(verify(settings.warehouse_dir / generation.id) for generation in kept)
    assert (settings.warehouse_dir.stat().st_mode & 0o777) == 0o700
    receipt = home / original.receipt.relative_to(original.settings.home)
    assert receipt.read_bytes() == b"a receipt"
    organization = UUID(original.receipt.parent.name)
    with running_database(settings):
        assert asyncio.run(_ask_all(settings)) == original.answers
        theirs = asyncio.run(_security(original.settings.admin_url()))
        ours = asyncio.run(_security(settings.admin_url()))
        for part, expected in theirs.items():
            assert ours[part] == expected, part
        assert asyncio.run(_visible_tags(settings, None)) == 0, "no context, no rows"
        assert asyncio.run(_visible_tags(settings, organization)) == 1
        asyncio.run(asyncio.to_thread(prepare_database, settings))  # as the next start does

        generation = run_refresh(settings)

        before = kept[-1]
        assert (before.kind, generation.kind) == ("incremental", "full")
        assert generation.source.system_identifier != before.source.system_identifier
        assert generation.tables == before.tables
        assert generation.reconciliation == before.reconciliation


def test_with_force_it_takes_the_place_of_what_was_there(
    original: Original, settings: Settings
) -> None:
    """On the server that was given: a database of the same server is another one afterwards."""
    lost = settings.warehouse_dir / publish_hand_made(settings.warehouse_dir).id

    with pytest.raises(RestoreRefused, match="--force"):
        restore_backup(settings, original.file)
    assert resolve(settings.warehouse_dir) == lost

    restore_backup(settings, original.file, force=True)

    assert not lost.exists()
    assert asyncio.run(_ask_all(settings)) == original.answers
    left = {name for name in asyncio.run(_databases(settings)) if name.startswith("test_")}
    assert not [name for name in left if name.endswith(("_restoring", "_replaced"))]
    again = run_refresh(settings)
    assert (again.kind, again.source.system_identifier) == (
        "full",
        published(original.settings.warehouse_dir)[-1].source.system_identifier,
    )


async def _databases(settings: Settings) -> list[str]:
    connection = await connect(settings.admin_url())
    try:
        return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]
    finally:
        await connection.close()


def test_an_older_schema_is_brought_up_to_date_and_a_newer_one_refused(
    server_url: str, settings: Settings, tmp_path: Path
) -> None:
    with _empty_database(server_url) as url:
        older = server.settings_for(tmp_path / "older", url)
        owner = older.role_url("outlay_owner", driver="asyncpg")
        command.upgrade(alembic_config(owner), "0007")
        back_up(older, tmp_path / "older.tar")
    restore_backup(settings, tmp_path / "older.tar", force=True)
    command.check(alembic_config(settings.role_url("outlay_owner", driver="asyncpg")))

    manifest = unpack(tmp_path / "older.tar", _folder(tmp_path / "unpacked"))
    assert manifest.revision == "0007"
    newer = tmp_path / "newer.tar"
    _archive(newer, tmp_path / "unpacked", manifest.model_copy(update={"revision": "9999"}))
    with pytest.raises(RestoreRefused, match="newer"):
        restore_backup(settings, newer, force=True)


@contextmanager
def _empty_database(server_url: str) -> Iterator[str]:
    url = asyncio.run(server.clone(server_url, template="template0"))
    asyncio.run(bootstrap(server.settings_for(Path("/nowhere"), url)))
    yield url
    asyncio.run(server.drop(url))


def test_nothing_is_touched_while_an_instance_runs_or_the_database_is_in_use(
    original: Original, settings: Settings
) -> None:
    with (
        only_instance(settings.home),
        pytest.raises(AlreadyRunning, match="runs already"),
    ):
        restore_backup(settings, original.file, force=True)

    async def while_connected() -> None:
        connection = await connect(settings.role_url("outlay_app"))
        try:
            with pytest.raises(RestoreRefused, match="1 connections"):
                await asyncio.to_thread(restore_backup, settings, original.file, force=True)
        finally:
            await connection.close()

    asyncio.run(while_connected())


def test_a_login_that_does_not_see_all_rows_is_refused_in_words(
    settings: Settings, tmp_path: Path
) -> None:
    url = settings.role_url("outlay_owner").render_as_string(hide_password=False)
    limited = server.settings_for(settings.home, url)
    with pytest.raises(DumpFailed, match="BYPASSRLS"):
        back_up(limited, tmp_path / "outlay.tar")
    assert not list(tmp_path.glob("*outlay.tar*")), "no half of a file"


def test_a_file_that_is_there_is_not_overwritten(original: Original) -> None:
    with pytest.raises(BackupRefused, match="already"):
        back_up(original.settings, original.file)


def test_signing_keys_are_left_out_unless_asked_for(
    settings: Settings, tmp_path: Path, home: Path
) -> None:
    kept = settings.home / "secrets.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"jwt": "the key of their tokens", "app_password": "theirs"}))
    back_up(settings, tmp_path / "without.tar")
    back_up(settings, tmp_path / "with.tar.gz", with_secrets=True)

    assert not unpack(tmp_path / "without.tar", _folder(tmp_path / "1")).has_secrets
    assert not (tmp_path / "1" / SECRETS).exists()
    assert unpack(tmp_path / "with.tar.gz", _folder(tmp_path / "2")).has_secrets
    assert json.loads((tmp_path / "2" / SECRETS).read_text()) == {"jwt": "the key of their tokens"}

    target = settings.model_copy(update={"home": home})
    restore_backup(target, tmp_path / "with.tar.gz", force=True)
    restored = json.loads((home / "secrets.json").read_text())
    assert restored["jwt"] == "the key of their tokens"
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = _folder(tmp_path / "source")
    (source / "one").write_bytes(b"1" * 3000)
    (source / "folder").mkdir()
    (source / "folder" / "two").write_bytes(b"2" * 5000)
    _archive(tmp_path / "whole.tar", source, _manifest())
    return tmp_path / "whole.tar"


def _manifest() -> Manifest:
    return Manifest.model_validate(
        {
            "app_version": "0",
            "revision": "0001",
            "postgres": "18",
            "created_at": "2025-01-01T00:00:00Z",
            "generations": [],
            "receipts": 0,
            "has_secrets": False,
            "parts": {},
        }
    )


def _archive(file: Path, source: Path, manifest: Manifest) -> None:
    with new_archive(file) as tar:
        for path in sorted(source.rglob("*")):
            if path.is_file() and path.name != "manifest.json":
                tar.add(path, str(path.relative_to(source)))
        tar.finish(manifest.model_copy(update={"parts": tar.parts}))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_every_damaged_byte_and_every_cut_is_noticed(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    unpack(archive, _folder(tmp_path / "good"))
    content = whole.index(b"1" * 100), whole.index(b"2" * 100)
    damaged = tmp_path / "damaged.tar"
    for number, place in enumerate((0, 150, *content, content[1] + 4000)):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupDamaged):
            unpack(damaged, _folder(tmp_path / f"flipped{number}"))
    end = whole.index(b'"parts"')
    for number, length in enumerate((0, 100, 512, 2000, content[1] + 10, end)):
        damaged.write_bytes(whole[:length])
        with pytest.raises(BackupDamaged):
            unpack(damaged, _folder(tmp_path / f"cut{number}"))


def test_a_damaged_compressed_one_is_noticed_or_whole_all_the_same(
    archive: Path, tmp_path: Path
) -> None:
    """Gzip has bytes that mean nothing, such as a time."""
    _archive(tmp_path / "whole.tar.gz", tmp_path / "source", _manifest())
    whole = (tmp_path / "whole.tar.gz").read_bytes()
    assert len(whole) < archive.stat().st_size / 2
    noticed = 0
    for place in range(0, len(whole), 7):
        damaged = tmp_path / "damaged.tar.gz"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        folder = _folder(tmp_path / f"flipped{place}")
        try:
            unpack(damaged, folder)
        except BackupDamaged:
            noticed += 1
        else:
            assert (folder / "folder" / "two").read_bytes() == b"2" * 5000
    assert noticed > len(whole) / 7 * 0.9


@pytest.mark.parametrize("name", ["../outside", "/outside", "folder/../../outside"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "content").write_text("content")
    with new_archive(tmp_path / "bad.tar") as tar:
        tar.add(tmp_path / "content", name)
        tar.finish(_manifest())
    with pytest.raises(BackupDamaged, match="does not belong"):
        unpack(tmp_path / "bad.tar", _folder(tmp_path / "inside"))
    assert not (tmp_path / "outside").exists()


def test_a_dump_never_shows_the_password_to_who_lists_processes(settings: Settings) -> None:
    assert settings.admin_url().password == server.SUPERUSER_PASSWORD
    assert server.SUPERUSER_PASSWORD not in _place(settings.admin_url())


def test_a_damaged_file_leaves_no_trace(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"no backup at all" * 100)
    with pytest.raises(BackupDamaged):
        restore_backup(Settings(home=home / "new"), tmp_path / "bad.tar")
    assert [path.name for path in (home / "new").iterdir()] == ["up.lock"]

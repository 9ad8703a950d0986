"""Files of exports: whole or not there, and none is left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from backend.analytics.export_files import file_of, organizations, remove, sweep, written

LATER = datetime.now(UTC) + timedelta(days=1)


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = file_of(tmp_path / "exports", uuid4(), uuid4())
    with written(path) as file:
        file.write(b"x")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"x"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_of_a_file_that_failed_nothing_is_left(tmp_path: Path) -> None:
    path = file_of(tmp_path / "exports", uuid4(), uuid4())

    def interrupted() -> None:
        with written(path) as file:
            file.write(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(path.parent.iterdir()) == []


def test_removing_takes_parts_along(tmp_path: Path) -> None:
    organization, export, other = uuid4(), uuid4(), uuid4()
    for identity in (export, other):
        with written(file_of(tmp_path, organization, identity)) as file:
            file.write(b"x")
    path = file_of(tmp_path, organization, export)
    path.with_name(f"{path.name}.4711.part").write_bytes(b"of a worker that was killed")
    for _ in range(2):
        remove(tmp_path, organization, export)
    assert [p.name for p in path.parent.iterdir()] == [str(other)]


def test_old_files_that_nobody_knows_are_swept(tmp_path: Path) -> None:
    organization = uuid4()
    known, unknown, part = uuid4(), uuid4(), uuid4()
    for identity in (known, unknown):
        with written(file_of(tmp_path, organization, identity)) as file:
            file.write(b"x")
    folder = tmp_path / str(organization)
    (folder / f"{part}.1.part").write_bytes(b"x")
    (folder / "README").write_text("not ours")
    (tmp_path / "README").write_text("not ours")
    assert organizations(tmp_path) == [organization]
    assert sweep(tmp_path, organization, frozenset({known}), datetime.now(UTC)) == 0, "too young"
    assert sweep(tmp_path, organization, frozenset({known}), LATER) == 2
    assert {p.name for p in folder.iterdir()} == {"README", str(known)}

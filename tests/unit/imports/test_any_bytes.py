"""Whatever is uploaded, it is read or refused: nothing else ever comes of it."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from backend.imports.identities import identify
from backend.imports.reading import read
from backend.imports.sniffing import FileFormat
from tests.unit.imports.test_focus import ROW, as_parquet
from tests.unit.imports.test_samples import SAMPLES

FILES = {path.name: path.read_bytes() for path in SAMPLES.iterdir() if path.suffix != ".md"}
FILES["focus.parquet"] = as_parquet(ROW, ROW)
PIECES = [b"", b"\0", b"<", b">", b'"', b"\n", b"\xff\xfe", b";", b"&x;", b"-", b"9" * 40, b"</"]


def take(content: bytes, format_: FileFormat | None) -> None:
    with suppress(InvalidInput):
        reading = read(content, format_, None, "EUR", preview=True)
        if reading.movements is not None:
            identify(reading.movements, UUID(int=1))


@pytest.mark.parametrize("name", FILES)
@given(st.data())
@settings(max_examples=40)
def test_a_damaged_file(name: str, data: st.DataObject) -> None:
    content = FILES[name]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = start + data.draw(st.integers(0, 30))
        content = content[:start] + data.draw(st.sampled_from(PIECES)) + content[end:]
    take(content, None)


@given(st.binary(max_size=300), st.sampled_from([None, *FileFormat]))
def test_any_bytes(content: bytes, format_: FileFormat | None) -> None:
    take(content, format_)


@given(st.lists(st.lists(st.text(max_size=12), max_size=5), max_size=8))
def test_any_table(rows: list[list[str]]) -> None:
    take("\n".join(",".join(row) for row in rows).encode(), FileFormat.CSV)

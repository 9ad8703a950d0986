"""Files say the same in every format, and a spreadsheet runs nothing of what is in them."""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.warehouse import column_types
from backend.warehouse.column_types import ColumnType, Kind
from backend.warehouse.compiled import Compiled, OutputColumn
from backend.warehouse.formats import Format, json_array, json_statement, statement, writer
from backend.warehouse.record_batches import BATCH_ROWS
from tests.warehouse.compiled_cases import CASES, write_case_tables
from tests.warehouse.files import FILES, as_json, as_text, made, read, read_csv

TEXT = ColumnType("VARCHAR", Kind.TEXT)
TEXTS = ColumnType("VARCHAR[]", Kind.TEXT, is_list=True)

HOSTILE = [
    "",
    " ",
    "plain",
    'quo"te, and comma',
    "two\r\nlines\nand\rmore",
    "emoji 🧾 ünï",
    "nul \x00 inside",
    "\x00",
    "\u2028 and \u2029",
    "null",
    "x" * 2**20,
    "'already",
    '"',
    "{",
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("formats") / "outlay.duckdb"
    write_case_tables(path)
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def texts(*values: str | None) -> Compiled:
    """Rows of a number and a text; both begin a line in one of two queries."""
    sql = "SELECT unnest(range(len($texts))) AS n, unnest($texts) AS t"
    columns = (OutputColumn("n", column_types.INTEGER), OutputColumn("t", TEXT))
    return Compiled(sql, {"texts": list(values)}, columns)


@pytest.mark.parametrize("case", CASES)
def test_every_format_says_what_the_json_page_says(
    case: str, connection: duckdb.DuckDBPyConnection
) -> None:
    query = CASES[case].compiled()
    page = connection.execute(json_statement(query), dict(query.parameters)).fetchall()
    expected = json.loads(json_array(page))
    assert read(Format.NDJSON, made(connection, query, Format.NDJSON)) == expected
    assert read(Format.CSV, made(connection, query, Format.CSV)) == as_text(expected)
    for format_ in (Format.ARROW, Format.PARQUET):
        assert as_json(read(format_, made(connection, query, format_))) == expected


def test_a_line_of_ndjson_is_a_row_of_the_page(connection: duckdb.DuckDBPyConnection) -> None:
    query = next(iter(CASES.values())).compiled()
    page = connection.execute(json_statement(query), dict(query.parameters)).fetchall()
    lines = made(connection, query, Format.NDJSON).decode().split("\n")
    assert lines == [*(row[0] for row in page), ""]


@pytest.mark.parametrize("format_", FILES)
def test_no_rows_are_a_valid_file(format_: Format, connection: duckdb.DuckDBPyConnection) -> None:
    file = made(connection, texts(), format_)
    assert read(format_, file) == []
    if format_ is Format.CSV:
        assert file == b'"n","t"\r\n'
    if format_ is Format.ARROW:
        assert pa.ipc.open_stream(file).schema.names == ["n", "t"]


@pytest.mark.parametrize("format_", [Format.NDJSON, Format.ARROW, Format.PARQUET])
def test_any_text_survives(format_: Format, connection: duckdb.DuckDBPyConnection) -> None:
    values = [*HOSTILE, None, *"=+-@", "\t", "\r"]
    rows = read(format_, made(connection, texts(*values), format_))
    assert [row["t"] for row in rows] == values


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_any_text_survives_in_csv(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    file = made(connection, texts(text, None, ""), Format.CSV)
    assert cells(file) == [text, "", ""]
    assert read_csv(file)["t"].to_pylist() == [text, None, ""]


def cells(file: bytes) -> list[str]:
    """The texts of the last column, as Python's reader has them."""
    csv.field_size_limit(2**24)
    lines = io.StringIO(file.decode(), newline="")
    return [row[-1] for row in csv.reader(lines, strict=True)][1:]


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\tplain",
    "  =1",
    "\x00=1",
    "\ufeff=1",
    "\u200b\u00a0@x",
    "\u3164=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "﹦1",
    '=HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0",
    "-",
]


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_becomes_a_text(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    assert cells(made(connection, texts(text), Format.CSV)) == [f"'{text}"]


@pytest.mark.parametrize("text", ["a=1", "1-2", "'=1", "'-1", "it's", "#1", "a@b", "—", "/x"])
def test_other_texts_stay_as_they_are(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    assert cells(made(connection, texts(text), Format.CSV)) == [text]


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20﹦﹢﹣﹫"
any_text = st.text(max_size=8) | st.text(
    st.sampled_from(SIGNS + " \t\r\n\x00\"',;\u00a0\u200b\u202e\ufeff\u3000aß1"), max_size=6
)


@given(st.lists(st.none() | any_text, min_size=1, max_size=8))
@example([None])
@example(["", None, ""])
def test_csv_keeps_every_text_and_runs_none(values: list[str | None]) -> None:
    with duckdb.connect() as connection:
        file = made(connection, texts(*values), Format.CSV)
    found = cells(file)
    assert len(found) == len(values)
    for value, cell in zip(values, found, strict=True):
        assert not may_be_formula(cell)
        assert cell in {value or "", f"'{value}"}
        if not may_be_formula(value or ""):
            assert cell == (value or "")
    is_missing = read_csv(file)["t"].is_null().to_pylist()
    assert is_missing == [value is None for value in values]


def may_be_formula(text: str) -> bool:
    """Said in another way than ours: what a spreadsheet that skips and widens might see."""
    begins = text.lstrip(
        "".join(c for c in text if c.isspace() or unicodedata.category(c) in OTHER)
    )
    plain = unicodedata.normalize("NFKC", begins[:1])
    return text[:1] in {"\t", "\r", "\n"} or plain[:1] in set("=+-@")


OTHER = {"Cc", "Cf", "Co", "Zs", "Zl", "Zp"}


def test_numbers_are_never_escaped(connection: duckdb.DuckDBPyConnection) -> None:
    columns = (
        OutputColumn("amount", ColumnType("DECIMAL(18,4)", Kind.DECIMAL, 4)),
        OutputColumn("tiny", ColumnType("DECIMAL(38,12)", Kind.DECIMAL, 12)),
        OutputColumn("count", ColumnType("HUGEINT", Kind.INTEGER)),
        OutputColumn("ratio", column_types.NUMBER),
        OutputColumn("day", column_types.DATE),
        OutputColumn("at", ColumnType("TIMESTAMP WITH TIME ZONE", Kind.TIMESTAMP)),
        OutputColumn("ok", ColumnType("BOOLEAN", Kind.BOOLEAN)),
    )
    sql = (
        "SELECT -1234567.5::DECIMAL(18,4) AS amount, -0.000000000001::DECIMAL(38,12) AS tiny, "
        "(-170141183460469231731687303715884105727)::HUGEINT AS count, -0.5::DOUBLE AS ratio, "
        "DATE '2025-03-10' AS day, TIMESTAMPTZ '2025-03-10 13:00:00+01' AS at, true AS ok"
    )
    file = made(connection, Compiled(sql, {}, columns), Format.CSV)
    assert file.decode().split("\r\n")[1] == (
        "-1234567.5000,-0.000000000001,-170141183460469231731687303715884105727,-0.5,"
        "2025-03-10,2025-03-10T12:00:00.000000Z,true"
    )


def test_texts_in_lists_are_made_safe_too(connection: duckdb.DuckDBPyConnection) -> None:
    columns = (OutputColumn("l", TEXTS),)
    sql = "SELECT unnest([['=1', 'a\"b', NULL], [], NULL]) AS l"
    file = made(connection, Compiled(sql, {}, columns), Format.CSV)
    assert read(Format.CSV, file) == [{"l": '["\'=1","a\\"b",null]'}, {"l": "[]"}, {"l": None}]


def test_values_in_lists_are_as_those_outside(connection: duckdb.DuckDBPyConnection) -> None:
    columns = (
        OutputColumn("d", ColumnType("DECIMAL(18,2)[]", Kind.DECIMAL, 2, is_list=True)),
        OutputColumn("t", ColumnType("TIMESTAMP WITH TIME ZONE[]", Kind.TIMESTAMP, is_list=True)),
        OutputColumn("f", ColumnType("DOUBLE[]", Kind.NUMBER, is_list=True)),
    )
    sql = (
        "SELECT [1.5::DECIMAL(18,2), NULL] AS d, [TIMESTAMPTZ '2025-03-10 13:00:00+01'] AS t, "
        "[1.5::DOUBLE, 'inf'::DOUBLE] AS f"
    )
    query = Compiled(sql, {}, columns)
    expected = {"d": ["1.50", None], "t": ["2025-03-10T12:00:00.000000Z"], "f": [1.5, None]}
    assert read(Format.NDJSON, made(connection, query, Format.NDJSON)) == [expected]
    [row] = read(Format.PARQUET, made(connection, query, Format.PARQUET))
    assert row == {
        "d": [Decimal("1.50"), None],
        "t": [datetime(2025, 3, 10, 12, tzinfo=UTC)],
        "f": [1.5, math.inf],
    }


def test_hostile_names_of_columns_are_made_safe() -> None:
    columns = [OutputColumn(name, TEXT) for name in ("=a", "b", 'c"', " +d")]
    header = writer(Format.CSV, columns, {}).begin()
    assert header == b'"\'=a","b","c""","\' +d"\r\n'


@pytest.mark.parametrize("format_", [Format.ARROW, Format.PARQUET])
def test_types_units_and_the_generation_are_in_the_file(
    format_: Format, connection: duckdb.DuckDBPyConnection
) -> None:
    columns = (
        OutputColumn("id", ColumnType("UUID", Kind.UUID)),
        OutputColumn("amount", ColumnType("DECIMAL(18,4)", Kind.DECIMAL, 4), "currency"),
        OutputColumn("day", column_types.DATE),
        OutputColumn("at", ColumnType("TIMESTAMP WITH TIME ZONE", Kind.TIMESTAMP)),
        OutputColumn("small", ColumnType("UTINYINT", Kind.INTEGER)),
        OutputColumn("huge", ColumnType("HUGEINT", Kind.INTEGER)),
        OutputColumn("tags", ColumnType("UUID[]", Kind.UUID, is_list=True)),
    )
    sql = (
        "SELECT uuid() AS id, 1.5::DECIMAL(18,4) AS amount, DATE '2025-03-10' AS day, "
        "TIMESTAMPTZ '2025-03-10 12:00:00+00' AS at, 3::UTINYINT AS small, "
        "4::HUGEINT AS huge, [uuid()] AS tags, 'hidden' AS hidden"
    )
    file = made(connection, Compiled(sql, {}, columns), format_)
    table = (
        pa.ipc.open_stream(file).read_all()
        if format_ is Format.ARROW
        else pq.read_table(io.BytesIO(file))
    )
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "string",
        "amount": "decimal128(38, 4)",
        "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]",
        "small": "int64",
        "huge": "decimal128(38, 0)",
        "tags": str(pa.list_(table.schema.field("tags").type.value_field)),
    }
    assert table.schema.field("tags").type.value_type == pa.string()
    assert table.schema.metadata[b"generation"] == b"g1"
    assert table.schema.field("amount").metadata[b"unit"] == b"currency"
    [row] = table.to_pylist()
    assert (row["amount"], row["day"]) == (Decimal("1.5000"), date(2025, 3, 10))
    assert row["at"] == datetime(2025, 3, 10, 12, tzinfo=UTC)


def many(rows: int) -> Compiled:
    sql = "SELECT range AS n, 'Vendor ' || range AS t FROM range($rows)"
    columns = (OutputColumn("n", column_types.INTEGER), OutputColumn("t", TEXT))
    return Compiled(sql, {"rows": rows}, columns)


@pytest.mark.parametrize("format_", FILES)
def test_files_of_many_batches_are_whole_and_in_order(
    format_: Format, connection: duckdb.DuckDBPyConnection
) -> None:
    rows = 20 * BATCH_ROWS + 1
    found = read(format_, made(connection, many(rows), format_))
    assert [int(row["n"]) for row in found] == list(range(rows))
    assert found[-1]["t"] == f"Vendor {rows - 1}"


def test_parquet_is_written_while_it_is_made(connection: duckdb.DuckDBPyConnection) -> None:
    query = many(40 * BATCH_ROWS)
    file = writer(Format.PARQUET, query.columns, {})
    assert file.begin() == b"PAR1"
    sizes = [
        len(file.batch(batch))
        for batch in connection.sql(
            statement(query, Format.PARQUET), params=dict(query.parameters)
        ).to_arrow_reader(BATCH_ROWS)
    ]
    assert sum(size > 0 for size in sizes) == 2  # row groups; the rest waits for the end
    assert file.end()

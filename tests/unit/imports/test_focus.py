"""FOCUS rows, from CSV and from Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import InvalidInput
from backend.imports import focus, parquet
from backend.imports.focus import read_focus
from backend.imports.parquet import open_parquet
from backend.imports.tables import MAX_CELLS, MAX_NAME

ROW: dict[str, Any] = {
    "BilledCost": Decimal("1.500000000001"),
    "EffectiveCost": Decimal("0.800000000001"),
    "BillingCurrency": "USD",
    "BillingPeriodStart": datetime(2025, 3, 1, tzinfo=UTC),
    "BillingPeriodEnd": datetime(2025, 4, 1, tzinfo=UTC),
    "ChargePeriodStart": datetime(2025, 3, 10, 23, tzinfo=UTC),
    "ChargePeriodEnd": datetime(2025, 3, 11, tzinfo=UTC),
    "ChargeCategory": "Usage",
    "ServiceName": "Queue",
    "ProviderName": "AWS",
    "InvoiceId": "a column of 1.2",
    "x_Own": 7,
    "Tags": [("team", "a")],
}


def as_parquet(*rows: dict[str, Any], **columns: pa.Array) -> bytes:
    table = pa.table(
        {
            name: pa.array(
                [row[name] for row in rows],
                pa.map_(pa.string(), pa.string()) if name == "Tags" else None,
            )
            for name in rows[0]
        }
        | columns
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def as_csv(*rows: dict[str, Any]) -> bytes:
    def cell(value: Any) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    lines = [",".join(rows[0]), *(",".join(map(cell, row.values())) for row in rows)]
    return "\n".join(lines).encode()


def test_parquet_keeps_every_digit_and_every_column() -> None:
    (row,) = read_focus(as_parquet(ROW)).rows
    assert row.line == 1
    assert row.values["billed_cost"] == Decimal("1.500000000001")
    assert row.values["charge_period_start"] == datetime(2025, 3, 10, 23, tzinfo=UTC)
    assert json.loads(row.values["tags"]) == {"team": "a"}
    raw = json.loads(row.values["raw"])
    assert raw.keys() == ROW.keys()
    assert (raw["x_Own"], raw["InvoiceId"]) == ("7", "a column of 1.2")


def test_csv_says_the_same() -> None:
    text = {n: v.isoformat() if isinstance(v, datetime) else v for n, v in ROW.items()}
    (row,) = read_focus(as_csv(text | {"Tags": '{"team": "a"}'})).rows
    (other,) = read_focus(as_parquet(ROW)).rows
    different = {"raw", "row_digest"}
    assert {n: v for n, v in row.values.items() if n not in different} == {
        n: v for n, v in other.values.items() if n not in different
    }


def test_more_than_twelve_decimals_are_rounded_and_the_row_keeps_them() -> None:
    (row,) = read_focus(as_csv(ROW | {"BilledCost": "1.23456789012345e-05"})).rows
    assert row.values["billed_cost"] == Decimal("0.000012345679")
    assert json.loads(row.values["raw"])["BilledCost"] == "1.23456789012345e-05"


def test_a_provider_is_named_as_later_versions_do() -> None:
    renamed = {("ServiceProviderName" if n == "ProviderName" else n): v for n, v in ROW.items()}
    (row,) = read_focus(as_csv(renamed)).rows
    assert row.values["provider"] == "AWS"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("BilledCost", "lots", "Not an amount."),
        ("EffectiveCost", "NULL", "The cell is empty."),
        ("EffectiveCost", "1e20", "The amount has more than 16 digits before the point."),
        ("EffectiveCost", "NaN", "Not an amount."),
        ("BillingCurrency", "EURO", "Not a currency code of ISO 4217."),
        ("ChargePeriodStart", "yesterday", "Not an instant, such as 2024-09-01T00:00:00Z."),
        ("ChargePeriodEnd", "2025-03-10T23:00:00Z", "The period ends before it starts."),
        ("ProviderName", "", "The cell is empty."),
        ("ServiceName", "a\0b", "The text holds a control character."),
        ("x_Own", "a\0b", "The text holds a control character."),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_read(column: str, value: str, reason: str) -> None:
    costs = read_focus(as_csv(ROW, ROW | {column: value}, ROW))
    assert [row.line for row in costs.rows] == [2, 4]
    assert [(f.line, f.column, f.reason) for f in costs.faults] == [(3, column, reason)]


def test_equal_rows_are_told_apart_and_recognised_again() -> None:
    first, second = [row.values["row_digest"] for row in read_focus(as_csv(ROW, ROW)).rows]
    assert first != second
    assert [r.values["row_digest"] for r in read_focus(as_csv(ROW)).rows] == [first]


def test_tags_that_are_none_do_not_cost_the_row() -> None:
    costs = read_focus(as_csv(ROW | {"Tags": "{not json"}))
    assert costs.rows[0].values["tags"] is None
    assert costs.notes == ["Tags that are no JSON object were kept in the raw row: 1."]


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        read_focus(content)
    return refused.value.errors[0].detail


def test_missing_columns_are_named() -> None:
    few = {name: ROW[name] for name in ("BilledCost", "ServiceName")}
    assert refusal(as_csv(few)).startswith(
        "Columns of FOCUS are missing: EffectiveCost, BillingCurrency, BillingPeriodStart"
    )


def test_a_file_of_a_mark_and_no_line_is_empty() -> None:
    assert refusal(b"\xef\xbb\xbf\n") == "The file is empty."


def test_a_damaged_parquet_file_is_refused() -> None:
    content = as_parquet(ROW)
    assert refusal(content[:-10]) == "It is cut off: a Parquet file ends with PAR1."
    spoiled = content[: len(content) // 2] + b"\xff" * 200 + content[len(content) // 2 :]
    assert refusal(spoiled[:4] + b"\0" * 400 + content[-8:]) == "This Parquet file is damaged."


def test_a_parquet_bomb_is_refused_before_it_is_unpacked() -> None:
    """A few kilobytes of dictionary-encoded pages stand for a gigabyte of text."""
    count, text = 20_000, "x" * 60_000
    column = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))
    bomb = as_parquet(*[ROW] * count, x_Bomb=column)
    assert len(bomb) < 2**20
    assert refusal(bomb) == "It holds more than can be imported: split the file."


def test_a_parquet_file_opens_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(connection: Any, path: str) -> Any:
        with pytest.raises(duckdb.PermissionException):
            connection.execute("SELECT * FROM read_csv('/etc/hostname')")
        with pytest.raises(duckdb.Error):
            connection.execute("SET enable_external_access = true")
        seen.append(path)
        return parquet.Opened([], 0, iter(()))

    monkeypatch.setattr(parquet, "_read", spy)
    with open_parquet(as_parquet(ROW)):
        assert seen


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_a_name_is_no_text_that_every_row_repeats(write: Callable[..., bytes]) -> None:
    assert read_focus(write(ROW | {"x" * MAX_NAME: "1"})).rows
    assert refusal(write(ROW | {"x" * (MAX_NAME + 1): "1"})) == (
        "The name of column 14 has 201 characters; 200 at most are read."
    )


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_names_that_rows_repeat_too_often_are_refused_before_any_row(
    write: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of commas is a few hundred bytes, and a hundred thousand once it has its names."""
    monkeypatch.setattr(focus, "_values", lambda _: pytest.fail("A row was read."))
    names = {f"x_{n}".ljust(MAX_NAME, "y"): "" for n in range(400)}
    assert refusal(write(*[ROW | names] * 1700)) == (
        "It holds more than can be imported: split the file."
    )


@pytest.mark.parametrize("letter", ["\1", "\N{PILE OF POO}"])
def test_rows_that_grow_when_they_are_kept_are_refused(
    letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An escape takes six letters, and one wide letter makes all others as wide."""
    row = ROW | {"x_Own": letter * 1000}
    kept = len(read_focus(as_csv(row)).rows[0].values["raw"])
    monkeypatch.setattr(focus, "_MAX_KEPT_BYTES", 4 * kept if ord(letter) < 32 else kept)
    assert read_focus(as_csv(ROW)).rows
    assert refusal(as_csv(*[row] * 5)) == "It holds more than can be imported: split the file."


def test_a_parquet_file_of_more_cells_than_a_text_may_have_is_refused() -> None:
    """Columns of nulls take no room: here, a few kilobytes for six million cells."""
    width, count = 480, MAX_CELLS // 480
    nulls = {f"x_{n}": pa.nulls(count, pa.string()) for n in range(width)}
    bomb = as_parquet(*[ROW] * count, **nulls)
    assert refusal(bomb) == "More than 5,000,000 cells: split the file."


def test_damage_that_only_a_later_row_shows_is_told_alike() -> None:
    with pytest.raises(InvalidInput) as refused, open_parquet(as_parquet(ROW)):
        raise duckdb.Error
    assert refused.value.errors[0].detail == "This Parquet file is damaged."

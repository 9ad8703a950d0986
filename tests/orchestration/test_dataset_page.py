"""The page of all datasets, and the gate that keeps it fresh and whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.dataset_page import main
from tests.warehouse.hand_made import META, TABLES, make_manifest

Check = Callable[[dict[str, Any]], int]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "datasets.md"


@pytest.fixture
def write(tmp_path: Path, page: Path) -> Check:
    return lambda manifest: run(tmp_path, page, manifest)


@pytest.fixture
def check(tmp_path: Path, page: Path) -> Check:
    """Changes no file."""

    def checked(manifest: dict[str, Any]) -> int:
        before = page.read_bytes() if page.exists() else None
        code = run(tmp_path, page, manifest, "--check")
        assert (page.read_bytes() if page.exists() else None) == before
        return code

    return checked


def run(folder: Path, page: Path, manifest: dict[str, Any], *arguments: str) -> int:
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    return main([*arguments], page, path)


def node(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest["nodes"][f"model.outlay.{name}"]
    return found


def test_a_page_that_was_just_made_is_fresh(write: Check, check: Check, page: Path) -> None:
    assert write(make_manifest()) == 0
    assert check(make_manifest()) == 0
    first = page.read_text()
    shuffled = make_manifest()
    shuffled["nodes"] = dict(reversed(shuffled["nodes"].items()))
    assert write(shuffled) == 0
    assert page.read_text() == first


def test_it_tells_all_of_every_dataset(write: Check, page: Path) -> None:
    manifest = make_manifest()
    node(manifest, "fct_transactions")["columns"]["vendor"]["description"] = "A | B <or\nnobody>."
    write(manifest)
    text = page.read_text()
    for dataset, columns in TABLES.items():
        section = text.partition(f"\n## {dataset}\n")[2].partition("\n## ")[0]
        assert all(f"| `{column}` |" in section for column in columns), dataset
        assert all(f"| `{name}` |" in section for name in META[dataset].get("measures", {}))
        assert all(f"`{name}.…`" in section for name in META[dataset].get("joins", {}))
        assert "see" in section
        assert "```json" in section
    assert "| A \\| B &lt;or nobody>. |" in text
    assert "What did we spend?" in text
    assert (
        "*Owner, admin, manager, analyst see:* All rows of your organization. *Others see, for "
        "example:* Rows of your organization that you own, plus rows of 2 budgets shared with you. "
        "For them these are empty: `parent_id`, `path`."
    ) in text
    assert (
        "marts (fct_transactions) ← staging (stg_transactions) ← source (raw.transactions)" in text
    )


def test_a_missing_and_a_stale_page_are_caught(
    write: Check, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(make_manifest()) == 1
    write(make_manifest())
    changed = make_manifest()
    node(changed, "dim_tags")["columns"]["colour"]["description"] = "Colour to show it in."
    assert check(changed) == 1
    told = capsys.readouterr().err
    assert "+| `colour` | text |  | yes | Colour to show it in. |" in told
    assert "docs/datasets.md is stale: run 'make docs'" in told


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda m: node(m, "dim_tags")["columns"]["name"].update(description=" "),
            "dim_tags: columns.name: has no description",
        ),
        (lambda m: node(m, "dim_tags").update(description=""), "dim_tags: description: is missing"),
        (
            lambda m: node(m, "dim_tags")["config"]["meta"].pop("dataset"),
            "dim_tags: dataset: the mart declares neither true nor false",
        ),
        (
            lambda m: node(m, "dim_tags")["columns"]["name"].update(data_type="txt"),
            "dim_tags: columns.name.data_type: 'txt' is no type",
        ),
        (
            lambda m: node(m, "dim_tags")["columns"]["name"].pop("data_type"),
            "dim_tags: columns.name.data_type: '' is no type",
        ),
    ],
    ids=["column", "dataset", "undeclared", "type", "untyped"],
)
def test_what_is_not_described_is_named_and_nothing_is_written(  # noqa: PLR0917  # fixtures
    spoil: Callable[[dict[str, Any]], Any],
    message: str,
    write: Check,
    check: Check,
    page: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(make_manifest())
    before = page.read_text()
    manifest = make_manifest()
    spoil(manifest)
    assert check(manifest) == write(manifest) == 1
    assert capsys.readouterr().err == f"Dataset {message}\n" * 2
    assert page.read_text() == before


def test_a_mart_that_is_no_dataset_is_named_as_such(write: Check, page: Path) -> None:
    write(make_manifest())
    assert "Marts that are no datasets: none." in page.read_text()
    manifest = make_manifest()
    node(manifest, "dim_date")["config"]["meta"] = {"dataset": False}
    assert write(manifest) == 0
    assert "Marts that are no datasets: `dim_date`." in page.read_text()
    assert "## dim_date" not in page.read_text()

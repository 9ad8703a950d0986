"""What a mart is made of, as far back as the extracted tables."""

from __future__ import annotations

from typing import Any

from backend.warehouse.datasets import load_datasets
from backend.warehouse.lineage import Edge, Lineage, LineageReader, Node, together
from tests.warehouse.hand_made import TABLES, make_manifest

DATASETS = load_datasets(make_manifest(), TABLES)


def names(lineage: Lineage) -> list[str]:
    return [node.name for node in lineage.nodes]


def test_the_nearest_come_first_and_each_once() -> None:
    lineage = DATASETS["fct_monthly_trends"].lineage
    assert names(lineage) == [
        "fct_monthly_trends", "fct_transactions", "stg_transactions", "raw.transactions"
    ]  # fmt: skip
    assert [node.layer for node in lineage.nodes] == ["marts", "marts", "staging", "source"]
    assert lineage.edges == (
        Edge("fct_transactions", "fct_monthly_trends"),
        Edge("stg_transactions", "fct_monthly_trends"),
        Edge("stg_transactions", "fct_transactions"),
        Edge("raw.transactions", "stg_transactions"),
    )


def test_a_node_has_its_words_and_its_tests() -> None:
    [tags] = DATASETS["dim_tags"].lineage.nodes
    assert tags == Node("dim_tags", "marts", "Hand-made dim_tags.", ("unique tag_id",))
    assert (
        DATASETS["fct_transactions"].lineage.nodes[-1].description == "Movements as they were read."
    )


def manifest_with_tests(**severities: str) -> dict[str, Any]:
    manifest = make_manifest()
    for name, severity in severities.items():
        manifest["nodes"][f"test.outlay.{name}"] = {
            "resource_type": "test",
            "name": name,
            "attached_node": "model.outlay.stg_transactions",
            "config": {"severity": severity},
        }
    return manifest


def test_only_tests_that_stop_a_build_count() -> None:
    manifest = manifest_with_tests(adds_up="ERROR", looks_odd="warn")
    manifest["unit_tests"]["unit_test.outlay.x"] = {
        "name": "a_refund_is_negative",
        "depends_on": {"nodes": ["model.outlay.stg_transactions"]},
    }
    node = LineageReader(manifest).of("model.outlay.stg_transactions").nodes[0]
    assert node.tests == ("adds_up", "a_refund_is_negative")


def test_what_the_manifest_does_not_hold_is_left_out() -> None:
    manifest = make_manifest()
    stage = manifest["nodes"]["model.outlay.stg_transactions"]
    stage["depends_on"]["nodes"].append("seed.other.gone")
    assert names(LineageReader(manifest).of("model.outlay.stg_transactions")) == [
        "stg_transactions", "raw.transactions"
    ]  # fmt: skip


def test_a_circle_ends() -> None:
    manifest = make_manifest()
    manifest["nodes"]["model.outlay.stg_transactions"]["depends_on"]["nodes"] = [
        "model.outlay.fct_transactions"
    ]
    lineage = LineageReader(manifest).of("model.outlay.fct_transactions")
    assert names(lineage) == ["fct_transactions", "stg_transactions"]
    assert len(lineage.edges) == 2


def test_of_several_marts_what_they_share_is_there_once() -> None:
    both = together([DATASETS["fct_transactions"].lineage, DATASETS["fct_monthly_trends"].lineage])
    assert sorted(names(both)) == sorted(names(DATASETS["fct_monthly_trends"].lineage))
    assert sorted(map(str, both.edges)) == sorted(
        map(str, DATASETS["fct_monthly_trends"].lineage.edges)
    )

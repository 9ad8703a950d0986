"""What a mart is made of: the models and tables upstream of it, as dbt's manifest knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.warehouse.manifest import tests_by_node

SOURCE = "source"  # the layer of the extracted tables; models have the name of their schema


@dataclass(frozen=True, slots=True)
class Node:
    """`tests` are those that passed before anything was published."""

    name: str
    layer: str
    description: str
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """`downstream` is made of `upstream`; both are names of nodes."""

    upstream: str
    downstream: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """The mart first, then what it is made of, the nearest first."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


class LineageReader:
    """The graph of one manifest."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._known = {**manifest.get("nodes", {}), **manifest.get("sources", {})}
        self._tests = tests_by_node(manifest)

    def of(self, unique_id: str) -> Lineage:
        nodes = {unique_id: self._node(unique_id)}
        edges = []
        reached = [unique_id]
        for downstream in reached:  # grows while it is walked
            for upstream in self._upstream(downstream):
                if upstream not in nodes:
                    nodes[upstream] = self._node(upstream)
                    reached.append(upstream)
                edges.append(Edge(nodes[upstream].name, nodes[downstream].name))
        return Lineage(tuple(nodes.values()), tuple(edges))

    def _upstream(self, unique_id: str) -> list[str]:
        depends_on = self._known[unique_id].get("depends_on", {}).get("nodes", [])
        return [each for each in dict.fromkeys(depends_on) if each in self._known]

    def _node(self, unique_id: str) -> Node:
        found = self._known[unique_id]
        description = (found.get("description") or "").strip()
        if found["resource_type"] == SOURCE:
            return Node(f"{found['source_name']}.{found['name']}", SOURCE, description)
        return Node(found["name"], found["schema"], description, self._tests[unique_id])


def together(lineages: Iterable[Lineage]) -> Lineage:
    """Of several marts, what they share once."""
    each = list(lineages)
    nodes = dict.fromkeys(node for lineage in each for node in lineage.nodes)
    edges = dict.fromkeys(edge for lineage in each for edge in lineage.edges)
    return Lineage(tuple(nodes), tuple(edges))

"""Choices that are operations on the edges of a small graph, as in NAS-Bench-201: rows that are written otherwise, but are the same
network, are found by what the graph computes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry import nearest


@dataclass  # not frozen: OmegaConf would refuse what a yaml says of it inside a mapping
class GraphConf:
    """`table.graph`: a graph from node 0 to the last one, each node the sum of what its edges bring."""

    edges: dict[str, Any] = field(default_factory=dict)  # choice column -> the nodes it leads from and to
    nothing: str | None = None  # the operation that brings nothing
    as_is: str | None = None  # the one that brings what the node before is

    def __post_init__(self) -> None:
        for name, given in (("nothing", self.nothing), ("as_is", self.as_is)):
            if given is not None and not self.edges:
                raise ValueError(f"table.graph.{name}: {given} given, but no table.graph.edges; docs/tables.md shows some")
        for column, ends in self.edges.items():
            two = isinstance(ends, list | tuple) and len(ends) == 2 and all(isinstance(end, int) for end in ends)
            if not two or not 0 <= ends[0] < ends[1]:
                raise ValueError(
                    f"table.graph.edges.{column}: given {ends}; allowed: two nodes, from 0, the one that it leads from first"
                )

    def check(self, columns: Mapping[str, list[Any]]) -> None:
        """ValueError where it names what is no choice column, or an operation that none of its edges has."""
        for column in self.edges:
            if column not in columns:
                raise ValueError(f"table.graph.edges: no choice column '{column}'; {nearest(column, list(columns))}")
        known = sorted({str(option) for column in self.edges for option in columns[column]})
        for name, given in (("nothing", self.nothing), ("as_is", self.as_is)):
            if given is not None and given not in known:
                raise ValueError(f"table.graph.{name}: no edge has '{given}'; {nearest(given, known)}")

    def twins(self, columns: Iterable[str], keys: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Rows that compute what another row computes, and that one: of all that are the same network the one with the most edges
        that bring nothing, then as they are; of equals the first. Choices off the graph must be the same."""
        if not self.edges:
            return {}
        columns = list(columns)
        on = [columns.index(column) for column in self.edges]
        off = [place for place in range(len(columns)) if place not in on]
        alike: dict[Any, list[tuple[Any, ...]]] = {}

        def operations(key: tuple[Any, ...]) -> list[str]:
            return [str(key[place]) for place in on]  # as words, for where a table numbers its operations

        for key in keys:
            computed = self._computed(operations(key))
            alike.setdefault((computed, tuple(key[place] for place in off)), []).append(key)

        def plainness(key: tuple[Any, ...]) -> tuple[int, int]:
            return operations(key).count(str(self.nothing)), operations(key).count(str(self.as_is))

        plainest = {key: max(same, key=plainness) for same in alike.values() for key in same}
        return {key: found for key, found in plainest.items() if found != key}

    def _computed(self, operations: list[str]) -> str:
        """What the last node is, written so that two graphs that compute the same are written alike."""
        ends = list(self.edges.values())
        last = max(end for _, end in ends)
        nodes = {0: "input"}
        for node in range(1, last + 1):
            terms = sorted(
                nodes[start] if operation == self.as_is else f"{operation!r}({nodes[start]})"
                for (start, end), operation in zip(ends, operations, strict=True)
                if end == node and operation != self.nothing and nodes[start]
            )
            nodes[node] = f"[{' + '.join(terms)}]" if len(terms) > 1 else "".join(terms)
        return nodes[last]

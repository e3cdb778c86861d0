"""Tables whose choices are edges of a graph: rows that compute the same are one network to a search, however they are written."""

import itertools
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluators.table import load_table
from evaluators.tables.graph import GraphConf
from evaluators.tables.mapping import RungConf, TableConf
from search.surrogate.features import encoding

EDGES = {"a": [0, 1], "b": [0, 2], "c": [1, 2]}
OPERATIONS = ["conv", "none", "skip"]
KEYS = list(itertools.product(OPERATIONS, repeat=3))


def graph(**changes):
    return GraphConf(**{"edges": EDGES, "nothing": "none", "as_is": "skip", **changes})


def table(folder: Path, **changes):
    frame = pd.DataFrame(KEYS, columns=list(EDGES)).assign(score=range(len(KEYS)), latency=1.0)
    frame.to_csv(folder / "cells.csv", index=False)
    given = {"choices": list(EDGES), "rungs": [RungConf(1, ["score"])], "measurements": {"latency_ms": "latency"}}
    return load_table("cells", TableConf(str(folder / "cells.csv"), **given, graph=graph(**changes)))


@pytest.mark.parametrize(
    ("row", "same"),
    [
        (("conv", "skip", "none"), ("none", "skip", "none")),  # what leads nowhere is as good as nothing
        (("none", "conv", "conv"), ("none", "conv", "none")),  # and so is what comes from nowhere
        (("skip", "none", "conv"), ("none", "conv", "none")),  # what hands on its input stands for it
        (("conv", "none", "skip"), ("none", "conv", "none")),  # before a convolution or behind it
    ],
)
def test_rows_that_compute_the_same_have_one_that_stands_for_them(row, same):
    twins = graph().twins(EDGES, KEYS)
    assert twins[row] == same
    assert same not in twins


def test_two_convolutions_in_a_row_or_side_by_side_are_networks_of_their_own():
    twins = graph().twins(EDGES, KEYS)
    rows = [("conv", "none", "conv"), ("skip", "conv", "conv"), ("conv", "skip", "skip"), ("none", "none", "none")]
    assert len({twins.get(row, row) for row in rows}) == len(rows)
    assert not set(twins) & set(twins.values())


def test_operations_may_be_numbers():
    numbered = [tuple(OPERATIONS.index(operation) for operation in key) for key in KEYS]
    found = graph(nothing="1", as_is="2").twins(EDGES, numbered)
    named = {
        tuple(OPERATIONS[number] for number in row): tuple(OPERATIONS[number] for number in same) for row, same in found.items()
    }
    assert named == graph().twins(EDGES, KEYS)


def test_choices_off_the_graph_tell_networks_apart():
    keys = [(*key, depth) for key in KEYS for depth in (1, 2)]
    assert all(row[-1] == other[-1] for row, other in graph().twins([*EDGES, "depth"], keys).items())


def test_a_model_sees_one_network_and_costs_see_how_it_is_written(tmp_path):
    space = table(tmp_path).space
    assert len(space.twins) == len(graph().twins(EDGES, KEYS)) > 0
    code = encoding(space)
    rows, others = code(list(space.twins)), code(list(space.twins.values()))
    assert (code.coordinates(rows)[0] == code.coordinates(others)[0]).all()
    assert (code.counts(rows) == code.counts(others)).all()
    assert np.abs(code.dummies(rows) - code.dummies(others)).sum(1).min() > 0
    assert (code.plain(code.plain(rows)) == code.plain(rows)).all()
    assert pickle.loads(pickle.dumps(space)).twins == space.twins


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"edges": {**EDGES, "d": [1, 2]}}, "table.graph.edges: no choice column 'd'"),
        ({"nothing": "nune"}, "table.graph.nothing: no edge has 'nune'; known: conv, none, skip. Did you mean 'none'"),
        ({"as_is": "id"}, "table.graph.as_is: no edge has 'id'"),
        ({"edges": {}}, "table.graph.nothing: none given, but no table.graph.edges"),
        ({"edges": {**EDGES, "c": [2, 1]}}, "table.graph.edges.c: given"),
        ({"edges": {**EDGES, "c": "1-2"}}, "table.graph.edges.c: given 1-2; allowed: two nodes"),
    ],
)
def test_what_is_wrong_with_a_graph_is_told(tmp_path, changes, told):
    with pytest.raises(ValueError, match=told):
        table(tmp_path, **changes)

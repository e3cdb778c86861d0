"""The pure parts of benchmarks/strategies.py: what is judged, and by what."""

import itertools
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.strategies import PEERS, Bench, Truth, bench_of, contenders, measure, searched, studied, told, undominated, within
from evaluators.tables.mapping import RungConf, TableConf


@pytest.fixture
def bench(tmp_path):
    """A hundred members: accuracy 80 + a, latency 10 + 10 a + b, so that the front is b = 0."""
    rows = [
        {"a": a, "b": b, "early": 70 + a, "late": 80 + a, "late2": 80 + a, "ms": 10 + 10 * a + b}
        for a, b in itertools.product(range(10), range(10))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "bench.csv", index=False)
    rungs = [RungConf(1, ["early"]), RungConf(10, ["late", "late2"])]
    conf = TableConf(str(tmp_path / "bench.csv"), ["a", "b"], rungs, {"latency_ms": "ms"})
    return Bench("bench", conf, 80.0)


def test_the_front_of_two_objectives():
    assert undominated([(0.0, 5.0), (1.0, 4.0), (1.0, 6.0), (0.0, 7.0), (2.0, 4.0), (1.0, 4.0)]) == [(1.0, 4.0), (0.0, 5.0)]


def test_the_share_of_all_members_is_one_and_that_of_none_nothing(bench):
    judge, space = Truth.of(bench), bench.table.space
    assert judge.share(list(space.enumerate())) == pytest.approx(1)
    assert judge.share([]) == 0
    assert judge.share([space.fill({"a": a, "b": 0}) for a in range(10)]) == pytest.approx(1)
    assert 0 < judge.share([space.fill({"a": 5, "b": 9})]) < 1


@pytest.mark.parametrize(("one_rung", "epochs"), [(False, [12, 200]), (True, [200])])
def test_the_last_rung_may_be_the_only_one(one_rung, epochs):
    wanted = {"config_dir": None, "latency": "latency_raspi4_ms", "reference": 80.0, "one_rung": one_rung}
    found = bench_of(Namespace(table="nasbench201", file=Path("table.csv"), **wanted)).conf
    assert list(found.epochs) == epochs
    assert found.measurements["latency_ms"] == "latency_raspi4_ms"


def test_a_reference_that_nobody_beats_is_refused(bench):
    with pytest.raises(ValueError, match="--reference: 95 given"):
        Truth.of(Bench("bench", bench.conf, 95.0))


def test_the_reference_is_the_worst_that_is_no_outlier_but_on_a_table_that_has_its_own(bench, tmp_path):
    frame = pd.read_csv(tmp_path / "bench.csv")
    frame.loc[frame["a"] == 0, ["late", "late2"]] = 10.0  # failed: a tenth of all
    frame.to_csv(tmp_path / "bench.csv", index=False)
    assert Truth.of(Bench("failed", bench.conf, None)).reference[0] == -81
    given = {"file": Path("table.csv"), "config_dir": None, "latency": None, "one_rung": False, "reference": None}
    assert bench_of(Namespace(table="nasbench201", **given)).reference == 80


def test_searches_train_what_is_nearest_to_what_they_suggest_in_a_part_of_a_table(bench, tmp_path):
    frame = pd.read_csv(tmp_path / "bench.csv")
    frame[(frame["a"] + frame["b"]) % 5 == 0].to_csv(tmp_path / "bench.csv", index=False)
    part = Bench("part", bench.conf, 80.0)
    assert len(studied(part, "optuna-nsga2", 0, 12)) == 12


@pytest.mark.parametrize("name", ["random", "optuna-tpe"])
def test_a_search_spends_its_budget_on_full_trainings(bench, name):
    spending = studied(bench, name, 0, 12) if name in PEERS else searched(bench, name, 0, 12, 3)
    assert [charge for charge, _ in spending] == list(range(1, 13))
    assert len({arch.id for _, arch in spending}) == 12
    assert len(within(spending, 5)) == 5


def test_a_result_has_a_share_for_each_budget_and_a_curve_that_rises(bench):
    result = measure(bench, "random", 1, (5.0, 10.0), 1)
    assert result.shares[0] <= result.shares[1] == result.curve[-1]
    assert list(result.curve) == sorted(result.curve)


def test_searches_are_chosen_and_left_out_by_name():
    assert list(contenders("optuna-tpe,random", "")) == ["random", "optuna-tpe"]
    assert "gp" not in list(contenders("", "gp,nsga2"))
    assert set(contenders("", "")) >= {"random", "nsga2", *PEERS[:3]}
    with pytest.raises(ValueError, match="Did you mean 'optuna-tpe'"):
        list(contenders("optuna-tp", ""))


def test_median_and_quartiles_are_told():
    assert told([1.0, 2.0, 3.0, 4.0, 5.0]) == "3.000 [2.000 4.000]"

"""Tables of recorded trainings: what a mapping reads out of a file, the space that its choices make, and what a job yields."""

import itertools
import pickle
import random
from pathlib import Path

import pandas as pd
import pytest

from evaluators.api import Job, Outcome, RungResult
from evaluators.table import RecordedTrainings, load_table
from evaluators.tables.mapping import RungConf, TableConf
from search.records import Records
from search.strategy import STRATEGIES
from search.strategy._optuna import distributions, suggestions
from space import Arch, RuleError

OPERATIONS, DEPTHS = ["conv", "none", "pool"], [1, 2, 4]


def grid(**columns):
    """Nine rows: every operation with every depth; two seeds at the last rung, `columns` replace or add some."""
    pairs = list(itertools.product(OPERATIONS, DEPTHS))
    table = {
        "op.first": [operation for operation, _ in pairs],
        "depth": [depth for _, depth in pairs],
        "early": [50 + n for n in range(9)],
        "late0": [80.0 + n for n in range(9)],
        "late1": [80.5 + n for n in range(9)],
        "hours": [100.0 * (n + 1) for n in range(9)],
        "latency": [9.0 - n for n in range(9)],
    }
    return pd.DataFrame(table | columns)


def mapping(file, **changes):
    rungs = [RungConf(2, ["early"]), RungConf(10, ["late0", "late1"], "hours")]
    given = {"choices": ["op*", "depth"], "rungs": rungs, "measurements": {"latency_ms": "latency"}}
    return TableConf(**{"file": str(file), **given, **changes})


@pytest.fixture
def written(tmp_path, request):
    """Writes a frame as csv and gives the mapping of it."""

    def write(frame=None, name="table.csv", **changes):
        frame = grid() if frame is None else frame
        frame.to_csv(tmp_path / name, index=False)
        return mapping(tmp_path / name, **changes)

    return write


def scattered():
    """64 rows of four choices, of which two always differ in two or more: the choices add up to a multiple of four."""
    rows = [row for row in itertools.product(range(4), repeat=4) if sum(row) % 4 == 0]
    frame = pd.DataFrame(rows, columns=["a", "b", "c", "depth"])
    far = (frame - 2).abs().sum(axis=1)
    return frame.assign(early=50 - far, late0=90 - far, late1=90 - far, hours=1.0, latency=frame.sum(axis=1) + 1)


def job(arch, *, seed=0, rung=2):
    return Job(arch, seed, rung, Path("unused"))


def test_a_full_factorial_becomes_a_space_with_types_from_the_cells(written):
    space = load_table("grid", written()).space
    assert {hole.name: hole.options for hole in space.holes()} == {"op_first": ("conv", "none", "pool"), "depth": (1, 2, 4)}
    assert (space.size().count, len(list(space.enumerate())), len({arch.id for arch in space.enumerate()})) == (9, 9, 9)
    assert space.baseline.arch == {"op_first": "conv", "depth": 1}
    member = space.fill({"op_first": "pool", "depth": 4})
    assert len(list(space.changes(member))) == 4
    assert Arch.from_yaml(member.to_yaml()) == member
    assert all(change.arch in space and change.arch != member for change in space.changes(member))


def differing(one, other):
    return sum(one.arch[name] != other.arch[name] for name in one.arch)


def test_neighbours_are_the_one_step_changes_of_a_full_factorial_and_the_nearest_rows_of_a_part_of_it(written):
    whole = load_table("grid", written()).space
    around = list(whole.neighbours(whole.baseline, random.Random(0)))
    assert {arch.id for arch in around} == {change.arch.id for change in whole.changes(whole.baseline)}
    pool = load_table("scattered", written(scattered(), choices=["a", "b", "c", "depth"])).space
    start = pool.fill({"a": 1, "b": 0, "c": 3, "depth": 0})
    assert list(pool.changes(start)) == []
    around, again = (list(pool.neighbours(start, random.Random(seed))) for seed in (0, 1))
    assert {arch.id for arch in around} == {arch.id for arch in pool.enumerate()} - {start.id}
    far = [differing(start, arch) for arch in around]
    assert far == sorted(far) == [differing(start, arch) for arch in again]
    assert around != again  # those as near in random order


def test_what_a_sampler_suggests_is_taken_for_the_nearest_row(written):
    pool = load_table("scattered", written(scattered(), choices=["a", "b", "c", "depth"])).space
    recorded = {"a": 1, "b": 0, "c": 3, "depth": 0}
    assert pool.nearest(recorded, random.Random(0)) is pool.fill(recorded)
    found = {pool.nearest({**recorded, "depth": 1}, random.Random(seed)).id for seed in range(50)}
    off_by_one = [arch for arch in pool.enumerate() if sum(arch.arch[n] != v for n, v in {**recorded, "depth": 1}.items()) == 1]
    assert found == {arch.id for arch in off_by_one}


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_every_suggestion_of_a_sampler_becomes_a_row(written, name):
    pool = load_table("scattered", written(scattered(), choices=["a", "b", "c", "depth"])).space
    study = STRATEGIES[name](rungs=[2, 10]).study(pool, Records(()), 0)
    found = list(suggestions(study, pool, distributions(pool), 20, random.Random(0)))
    assert [arch in pool for arch in found] == [True] * 20


def test_what_is_mutated_becomes_a_row_near_by_where_none_is_one_step_apart(written):
    pool = load_table("scattered", written(scattered(), choices=["a", "b", "c", "depth"])).space
    start = pool.fill({"a": 1, "b": 0, "c": 3, "depth": 0})
    found = [STRATEGIES["mutate"](rungs=[2, 10]).changed([start], pool, Records(()), random.Random(seed)) for seed in range(20)]
    assert {differing(start, arch) for arch in found} == {2}
    assert len({arch.id for arch in found}) > 5


def test_training_losses_are_replayed_where_they_were_noted(written):
    frame = grid(loss=[2.0 - 0.1 * n if n else None for n in range(9)])
    rungs = [RungConf(2, ["early"], None, ["loss"]), RungConf(10, ["late0", "late1"], "hours")]
    conf = written(frame, rungs=rungs)
    table = load_table("grid", conf)
    read = [list(RecordedTrainings("grid", conf)(job(arch, rung=1)))[1] for arch in itertools.islice(table.space.enumerate(), 2)]
    first, second = (result.measurements for result in read)
    assert "train_loss" not in first  # an empty cell
    assert second == {"accuracy": 51.0, "train_loss": 1.9, "train_s": 40.0}
    assert table.numbers != load_table("grid", written(frame)).numbers


def test_a_pool_has_only_its_rows_as_members(written):
    whole = load_table("grid", written()).space
    pool = load_table("grid", written(grid().iloc[[0, 1, 5]], name="pool.csv")).space
    assert [tuple(arch.arch.values()) for arch in pool.enumerate()] == [("conv", 1), ("conv", 2), ("none", 4)]
    rng = random.Random(0)
    assert {pool.sample(rng).id for _ in range(50)} == {arch.id for arch in pool.enumerate()}
    alone = pool.fill({"op_first": "none", "depth": 4})
    assert list(pool.changes(alone)) == []
    assert [change.name for change in pool.changes(pool.baseline)] == ["depth"]
    outside = whole.fill({"op_first": "none", "depth": 1})
    assert outside not in pool
    with pytest.raises(RuleError, match="no row of the table has op_first=none, depth=1"):
        pool.fill({"op_first": "none", "depth": 1})
    with pytest.raises(ValueError, match="no row of the table has op_first=none, depth=1"):
        pool.choices(outside)
    with pytest.raises(ValueError, match="op_first: given 'pol'; allowed: conv, none"):
        pool.fill({"op_first": "pol", "depth": 1})
    with pytest.raises(ValueError, match="Did you mean 'depth'"):
        pool.fill({"op_first": "none", "dpth": 1})
    again = pickle.loads(pickle.dumps(pool))
    assert [arch.id for arch in again.enumerate()] == [arch.id for arch in pool.enumerate()]
    assert (again.baseline, again.name, again.size()) == (pool.baseline, pool.name, pool.size())


def test_a_job_yields_what_is_recorded_and_seeds_take_turns(written):
    conf = written()
    space, evaluate = load_table("grid", conf).space, pickle.loads(pickle.dumps(RecordedTrainings("grid", conf)))
    second = space.fill({"op_first": "conv", "depth": 2})
    free, late = RungResult(0, {"latency_ms": 8.0}), RungResult(2, {"accuracy": 81.0, "train_s": 200.0})
    assert list(evaluate(job(second, rung=0))) == [free, Outcome("ok")]
    assert list(evaluate(job(second))) == [free, late, Outcome("ok")]
    early = RungResult(1, {"accuracy": 51.0, "train_s": 40.0})  # a fifth of the epochs, a fifth of the time
    assert list(evaluate(job(second, rung=1))) == [free, early, Outcome("ok")]
    scores = [list(evaluate(job(second, seed=seed)))[1].measurements["accuracy"] for seed in range(4)]
    assert scores == [81.0, 81.5, 81.0, 81.5]


def test_rungs_of_one_training_are_all_yielded_each_with_its_own_time(written):
    conf = written(separate=False)
    events = list(RecordedTrainings("grid", conf)(job(load_table("grid", conf).space.baseline)))
    assert [event.rung for event in events[:-1]] == [0, 1, 2]
    assert [event.measurements["train_s"] for event in events[1:-1]] == [20.0, 80.0]


def test_missing_seeds_are_skipped_and_a_row_without_any_fails(written):
    frame = grid(late0=["", "", *range(82, 89)], late1=["", 81.5, *range(83, 90)])
    conf = written(frame)
    none, one = list(load_table("grid", conf).space.enumerate())[:2]
    evaluate = RecordedTrainings("grid", conf)
    assert [list(evaluate(job(one, seed=seed)))[1].measurements["accuracy"] for seed in range(3)] == [81.5] * 3
    *measured, outcome = evaluate(job(none))
    assert [event.rung for event in measured] == [0]
    assert outcome.kind == "failed"
    assert "row 1 has no score after 10 epochs" in outcome.reason
    assert len(load_table("grid", conf).scores(2)) == 8


def test_limits_are_kept_before_training_and_do_not_hold_for_the_baseline(written):
    conf = written()
    evaluate = RecordedTrainings("grid", conf, {"latency_ms": 7.5})
    space = load_table("grid", conf).space
    *measured, outcome = evaluate(job(space.fill({"op_first": "conv", "depth": 2})))
    assert [event.rung for event in measured] == [0]
    assert outcome == Outcome("infeasible", "latency_ms 8 is over its limit 7.5 by 0.5 (6.7 %)")
    assert list(evaluate(job(space.baseline)))[-1] == Outcome("ok")


def test_a_row_for_each_seed(written):
    frame = pd.concat([grid(seed=7, late0=[90 + n for n in range(9)]), grid(seed=3).iloc[:5]])
    conf = written(frame, seed="seed", rungs=[RungConf(10, ["late0"], "hours")])
    table = load_table("grid", conf)
    first, last = table.space.baseline, list(table.space.enumerate())[-1]
    evaluate = RecordedTrainings("grid", conf)
    assert [list(evaluate(job(first, seed=n, rung=1)))[1].measurements["accuracy"] for n in range(3)] == [80.0, 90.0, 80.0]
    assert [list(evaluate(job(last, seed=n, rung=1)))[1].measurements["accuracy"] for n in range(2)] == [98.0, 98.0]
    with pytest.raises(ValueError, match=r"rows 1 and 10 .*and the seed 7; leave one out"):
        load_table("grid", written(pd.concat([grid(seed=7), grid(seed=7)]), name="twice.csv", seed="seed", rungs=conf.rungs))


def test_an_empty_choice_is_the_option_absent(written):
    frame = grid()
    frame["op.first"] = [None if operation == "none" else operation for operation in frame["op.first"]]
    space = load_table("grid_absent", written(frame)).space
    assert {hole.name: hole.options for hole in space.holes()}["op_first"] == ("absent", "conv", "pool")


@pytest.mark.parametrize("name", ["table.csv.gz", "table.parquet"])
def test_other_kinds_of_file_say_the_same(tmp_path, written, name):
    frame = grid(late0=[None, *[81.0 + n for n in range(8)]])
    plain = load_table("grid", written(frame))
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="needs pyarrow")
        frame.to_parquet(tmp_path / name)
    else:
        frame.to_csv(tmp_path / name, index=False)
    other = load_table("grid", mapping(tmp_path / name))
    assert other.rows == plain.rows


def test_the_baseline_is_the_first_row_with_the_values_given(written):
    assert load_table("grid", written(baseline={"op.first": "pool"})).space.baseline.arch == {"op_first": "pool", "depth": 1}
    with pytest.raises(ValueError, match=r"table\.baseline\.depth: given 3; known: 1, 2, 4"):
        load_table("grid", written(baseline={"depth": 3}))
    with pytest.raises(ValueError, match=r"table\.baseline: no choice column 'dpth'.*Did you mean 'depth'"):
        load_table("grid", written(baseline={"dpth": 3}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"choices": ["opp*"]}, r"table\.choices: no column 'opp\*'"),
        ({"choices": ["depht"]}, "Did you mean 'depth'"),
        ({"rungs": [RungConf(2, ["earl"])]}, r"table\.rungs\[0\]\.accuracy: no column 'earl'.*Did you mean 'early'"),
        ({"rungs": [RungConf(2, ["early"], "hour")]}, r"table\.rungs\[0\]\.seconds: no column 'hour'.*Did you mean 'hours'"),
        ({"measurements": {"latency_ms": "latncy"}}, r"table\.measurements\.latency_ms: no column 'latncy'"),
        ({"rungs": [RungConf(2, ["early"], None, ["los"])]}, r"table\.rungs\[0\]\.loss: no column 'los'; known: op.first"),
        ({"rungs": [RungConf(2, ["depth"])]}, "column 'depth' is one of table.choices too"),
        ({"measurements": {"latency_ms": "op.first"}}, "column 'op.first', row 1: given 'conv'; allowed: a number"),
        ({"choices": ["depth"]}, r"rows 1 and 4 have the same choices \(depth=1\); leave one out or.*table\.seed="),
        ({"seed": "sed", "rungs": [RungConf(2, ["early"])]}, r"table\.seed: no column 'sed'"),
    ],
)
def test_faults_of_mapping_and_table_name_the_column_and_the_file(written, changes, said):
    with pytest.raises(ValueError, match=rf"{said}.*\(.*table\.csv\)"):
        load_table("faulty", written(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"choices": []}, r"table\.choices: none given"),
        ({"rungs": []}, r"table\.rungs: none given"),
        ({"rungs": [RungConf(2, ["early"]), RungConf(2, ["late0"])]}, r"epochs \[2, 2\] given"),
        ({"rungs": [RungConf(2, [])]}, r"table\.rungs\[0\]\.accuracy: no column"),
        ({"rungs": [RungConf(2, ["late0", "late1"], None, ["early"])]}, r"table\.rungs\[0\]\.loss: 1 given beside 2 of accuracy"),
        ({"metric": {"accuracy": "mx"}}, "Did you mean 'max'"),
        ({"metric": {}}, "one name and its direction"),
        ({"measurements": {"accuracy": "early"}}, "measured by training"),
        ({"seed": "seed"}, r"table\.rungs\[1\]\.accuracy: 2 columns given beside table\.seed=seed"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        mapping("unread.csv", **changes)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (grid().iloc[:0], "has no rows"),
        (grid(late0="", late1=""), "column 'late0': no number in any row"),
        (grid(hours=[-1.0, *[1.0] * 8]), "column 'hours', row 1: given -1"),
        (grid(op_first=["x"] * 9), "would both be the choice 'op_first'"),
    ],
)
def test_a_faulty_table_is_refused(written, frame, said):
    with pytest.raises(ValueError, match=said):
        load_table("faulty", written(frame))


@pytest.mark.parametrize(("name", "said"), [("none.csv", "is no file"), ("table.xlsx", "the ending '.xlsx' is not known")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, said):
    if name.startswith("table"):
        (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match=rf"table\.file: .*{said}"):
        load_table("faulty", mapping(tmp_path / name))


def test_two_tables_of_one_name_with_other_choices_are_refused(written):
    load_table("same", written())
    with pytest.raises(ValueError, match="table 'same': this process knows another table of that name"):
        load_table("same", written(grid(depth=["a", "b", "c"] * 3), name="other.csv"))


def test_a_job_that_is_no_row_is_a_bug_not_an_exception(written):
    conf = written()
    arch = Arch(load_table("grid", conf).space.network, {"op_first": "conv", "depth": 3})
    assert [event.kind for event in RecordedTrainings("grid", conf)(job(arch))] == ["bug"]

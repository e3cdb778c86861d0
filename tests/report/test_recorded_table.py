"""The trainings of runs as a recorded table, searched again."""

import random

import pytest
import yaml

from config import compose, typed
from config import load as load_run
from evaluators.table import RecordedTrainings, load_table
from report.commands import main
from report.recorded_table import recorded
from report.run import load
from search.replay import replay
from search.strategy import STRATEGIES


def written(tmp_path, *runs, name):
    main(["table", *(str(run) for run in runs), "--to", str(tmp_path / "out"), "--name", name])
    with compose([f"+table={name}"], config_dir=tmp_path / "out") as conf:
        return typed(conf.table)


def test_every_full_training_comes_out_as_it_was_read(full, tmp_path):
    mapping = written(tmp_path, full, name="every")
    table, run = load_table("every", mapping), load(full)
    whole = [trial for trial in run.trials if trial.kind == "ok" and trial.rung == 3]
    assert len(table.rows.by_key) == len({trial.arch.id for trial in whole})
    assert mapping.epochs == [1, 3, 9]
    assert not mapping.separate
    strategy = STRATEGIES["grid"](trials=100, rungs=mapping.epochs, objectives={"miou": "max", "latency_ms": "min"}, baseline=False)
    done = replay(table.space, strategy, RecordedTrainings("every", mapping))
    once = [trial for trial in whole if sum(other.arch == trial.arch for other in whole) == 1]  # of others costs are means
    found = {(r.measurements["latency_ms"], r.measurements["params_m"]) for r in done.records}
    assert found >= {(trial.measurements["latency_ms"], trial.measurements["params_m"]) for trial in once}
    assert len(once) > 20
    known = {round(trial.rungs[rung]["miou"], 12) for trial in whole for rung in (1, 2, 3)}
    assert {round(result.measurements["miou"], 12) for r in done.records for result in r.results if result.rung} <= known


def test_seeds_are_told_apart_equals_are_taken_once_and_what_stopped_is_left_out(writer, variant_of, tmp_path, capsys):
    one, other = writer("one"), writer("other", seed=1)
    members = [variant_of(random.Random(n)) for n in range(3)]
    for member in members[:2]:
        one.trial(member, latency=50, miou=0.3)
        other.trial(member, latency=50, miou=0.2, seed=1)
    other.trial(members[0], latency=50, miou=0.3)
    other.trial(members[2], latency=40, miou=0.1, rungs=1)
    mapping = written(tmp_path, one.directory, other.directory, name="seeds")
    assert "4 trainings" in (told := capsys.readouterr().out)
    assert "1 that stopped at an earlier rung" in told
    (first, *_) = (row := load_table("seeds", mapping).rows.by_key).values()
    assert len(row) == 2
    assert [training.score for training in first.rungs[-1]] == [0.3, 0.2]


def test_training_losses_come_along(writer, variant_of, tmp_path):
    run = writer()
    for n in range(2):
        number = run.ask(variant_of(random.Random(n)))
        run.rung(number, 0, latency_ms=50.0)
        for rung in (1, 2, 3):
            run.rung(number, rung, miou=0.1 * rung, train_loss=3.0 - rung - 0.1 * n, train_s=1.0)
        run.end(number, "ok", "")
    rows = load_table("losses", written(tmp_path, run.directory, name="losses")).rows.by_key.values()
    assert [[rung[0].loss for rung in row.rungs] for row in rows] == [[2.0, 1.0, 0.0], [1.9, 0.9, pytest.approx(-0.1)]]


def test_what_only_another_option_lacks_is_no_choice(full):
    choices = recorded([load(full)]).mapping["choices"]
    assert "stage1.mixer" in choices
    assert "stage1.mixer.attention.heads" not in choices  # one value, wherever there is attention


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({}, {"objectives": {"miou": "max", "params_m": "min"}}, "not one table"),
        ({"objectives": {"latency_ms": "min"}}, {"objectives": {"latency_ms": "min"}}, "comes from training"),
    ],
)
def test_runs_that_make_no_table_are_refused(writer, variant_of, first, second, said):
    runs = [writer("one", **first), writer("other", **second)]
    for run in runs:
        for n in range(2):
            run.trial(variant_of(random.Random(n)), latency=50, miou=0.3)
    with pytest.raises(ValueError, match=said):
        recorded([load(run.directory) for run in runs])


def test_a_mapping_of_ones_own_is_not_lost_and_what_was_written_is_replaced(full, tmp_path, capsys):
    for _ in range(2):
        written(tmp_path, full, name="again")
    assert "+table=again search=mutate launch=serial\n" in capsys.readouterr().out
    own = tmp_path / "out" / "table" / "own.yaml"
    own.write_text("file: mine.csv\n")
    with pytest.raises(ValueError, match="is there already"):
        written(tmp_path, full, name="own")
    assert own.read_text() == "file: mine.csv\n"


def test_the_command_that_is_told_searches_by_the_same_objectives(writer, variant_of, tmp_path, capsys):
    run = writer("costs", objectives={"miou": "max", "macs_g": "min"})
    for n in range(2):
        run.trial(variant_of(random.Random(n)), latency=50, miou=0.3)
    written(tmp_path, run.directory, name="costs")
    told = capsys.readouterr().out.rstrip()
    assert told.endswith("launch=serial '~search.objectives.latency_ms' search.objectives.macs_g=min")
    with compose(
        ["+table=costs", "search=mutate", "~search.objectives.latency_ms", "search.objectives.macs_g=min"],
        config_dir=tmp_path / "out",
    ) as conf:
        assert dict(load_run(conf).strategy.objectives) == {"miou": "max", "macs_g": "min"}


def test_rungs_that_are_trainings_of_their_own_stay_so(writer, variant_of, tmp_path):
    run = writer("apart")
    conf = yaml.safe_load((run.directory / "config.yaml").read_text())
    rungs = [{"epochs": n, "accuracy": ["a"]} for n in (1, 3, 9)]
    (run.directory / "config.yaml").write_text(
        yaml.safe_dump({**conf, "schedule": None, "table": {"rungs": rungs, "separate": True}})
    )
    for n in range(2):
        run.trial(variant_of(random.Random(n)), latency=50, miou=0.3)
    found = load(run.directory)
    assert recorded([found]).mapping["separate"]
    assert found.epochs(3) == found.epochs(3, before=1) == 9


def test_too_little_to_search_and_a_name_that_is_none(writer, variant_of, tmp_path):
    run = writer("one")
    run.trial(variant_of(random.Random(0)), latency=50, miou=0.3)
    with pytest.raises(ValueError, match="fewer than two networks"):
        main(["table", str(run.directory), "--to", str(tmp_path)])
    with pytest.raises(ValueError, match="--name: 'my table' given"):
        main(["table", str(run.directory), "--to", str(tmp_path), "--name", "my table"])

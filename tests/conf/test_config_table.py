"""+table=...: the same run as a space's, over recorded trainings; what has no meaning beside a table is refused."""

import csv
import itertools

import pytest
import yaml
from commands import finished
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from config import CONF, compose, explain, load, typed
from evaluators.table import RecordedTrainings
from evaluators.tables.mapping import TableConf
from evaluators.tables.recorded_space import RecordedSpace
from search.command_line import run_name
from search.kept_conf import keep_conf


@pytest.fixture
def project(tmp_path):
    """A configuration folder with the mapping of a small table, and the table."""
    (tmp_path / "conf" / "table").mkdir(parents=True)
    rungs = [{"epochs": 1, "accuracy": ["early"]}, {"epochs": 4, "accuracy": ["late"], "seconds": "time"}]
    mapping = {"defaults": ["table_schema", "_self_"], "file": "???", "choices": ["a", "b"], "rungs": rungs}
    mapping |= {"measurements": {"latency_ms": "ms"}}
    (tmp_path / "conf" / "table" / "small.yaml").write_text(yaml.safe_dump(mapping))
    with (tmp_path / "small.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "early", "late", "time", "ms", "ms2"])
        writer.writerows([a, b, 50 + a, 60 + a + b, 7, 10 - a, b + 1] for a, b in itertools.product(range(4), range(5)))
    return tmp_path


def command(project, *overrides):
    return ["+table=small", f"table.file={project / 'small.csv'}", f"results={project / 'results'}", *overrides]


def loaded(project, *overrides, file=True):
    given = [item for item in command(project, *overrides) if file or not item.startswith("table.file")]
    with compose(given, config_dir=project / "conf") as conf:
        return load(conf)


def test_a_table_whose_numbers_changed_is_another_search(project, tmp_path):
    run = loaded(project)
    assert [set(rung) for rung in run.conf["table"]["rungs"]] == [{"epochs", "accuracy", "seconds"}] * 2  # no losses: as ever
    older = {**run.conf, "table": {key: value for key, value in run.conf["table"].items() if key != "numbers"}}
    for begun in (older, run.conf):
        keep_conf(tmp_path, begun, defaults={})
        keep_conf(tmp_path, run.conf, defaults=run.defaults)
    text = (project / "small.csv").read_text()
    (project / "small.csv").write_text(text.replace("50,", "50.25,", 1))
    (project / "conf" / "table" / "small.yaml").write_text(
        (project / "conf" / "table" / "small.yaml").read_text().replace("- late", "- late\n  loss:\n  - ms2")
    )
    assert [rung.get("loss") for rung in loaded(project).conf["table"]["rungs"]] == [None, ["ms2"]]
    with pytest.raises(ValueError, match=r"table\.numbers: it began with [0-9a-f]{8}, now [0-9a-f]{8}\nGive this search a run"):
        keep_conf(tmp_path, loaded(project).conf, defaults=run.defaults)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"schedule": {"rungs": [1]}}, "schedule"),
        ({"defaults": [{"override /task": "detection"}]}, "task"),
        ({"init": "a.pt"}, "init"),
    ],
)
def test_an_experiment_that_trains_is_refused_beside_a_table(project, said, key):
    (project / "conf" / "experiment").mkdir()
    file = project / "conf" / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\n" + yaml.safe_dump({**said, "search": {"seed": 3}}))
    with pytest.raises(ValueError, match=rf"{key} \({file}\): there is nothing to train or to time beside \+table=small"):
        loaded(project, "experiment=mine")
    file.write_text("# @package _global_\n" + yaml.safe_dump({"search": {"seed": 3}}))
    assert loaded(project, "experiment=mine").strategy.seed == 3


@pytest.mark.parametrize("file", sorted((CONF / "table").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_mapping_is_typed_and_composes(file):
    assert yaml.safe_load(file.read_text())["defaults"][0] == "table_schema"
    with compose([f"+table={file.stem}", "table.file=somewhere.csv"]) as conf:
        assert isinstance(typed(conf.table), TableConf)


def test_a_table_is_a_space_and_an_evaluator(project):
    run = loaded(project, "search=random", "search.limits.latency_ms=9")
    assert isinstance(run.space, RecordedSpace)
    assert (run.strategy.rungs, run.strategy.separate, dict(run.strategy.objectives)) == (
        [1, 4],
        True,
        {"accuracy": "max", "latency_ms": "min"},
    )
    assert isinstance(run.evaluation, RecordedTrainings)
    assert run.evaluation.limits == {"latency_ms": 9}
    assert run.directory.parent == project / "results" / "small"
    assert "replaying 20 recorded architectures, all combinations" in run.note


def test_what_is_kept_says_the_choices_and_nothing_of_training(project, tmp_path):
    run = loaded(project)
    assert run.conf["space"]["network"] == "table_small"
    assert run.conf["space"]["arch"]["a"] == {"choice": [0, 1, 2, 3]}
    assert not {"task", "data", "schedule", "latency", "init"} & {*run.conf, *run.conf["choices"]}
    keep_conf(tmp_path, run.conf, defaults=run.defaults)
    keep_conf(tmp_path, loaded(project, "search.trials=99").conf, defaults=run.defaults)
    with pytest.raises(ValueError, match=r"table\.measurements\.latency_ms: it began with ms, now ms2"):
        keep_conf(tmp_path, loaded(project, "table.measurements.latency_ms=ms2").conf, defaults=run.defaults)


def test_a_metric_by_another_name_is_the_accuracy(project):
    mapping = project / "conf" / "table" / "small.yaml"
    mapping.write_text(mapping.read_text() + "metric: {error: min}\n")
    run = loaded(project)
    assert dict(run.strategy.objectives) == {"error": "min", "latency_ms": "min"}


@pytest.mark.parametrize("given", [["+table.metric.error=min"], ["~table.metric.accuracy", "+table.metric.error=min"]])
def test_a_metric_is_named_on_the_command_line(project, given):
    assert dict(loaded(project, *given).strategy.objectives) == {"error": "min", "latency_ms": "min"}


def test_archs_of_a_table_are_read_from_their_files(project):
    winner = project / "winner.yaml"
    winner.write_text(loaded(project).space.fill({"a": 3, "b": 4}).to_yaml())
    run = loaded(project, "search=archs", f"search.archs=[{winner}]")
    assert run.strategy.members == [run.space.fill({"a": 3, "b": 4})]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+space=segformer_b0", "both \\+space and \\+table"),
        ("schedule=smoke", "schedule=smoke: there is nothing to train"),
        ("task=classification", "task=classification: there is nothing to train"),
        ("latency.max_s=1", "latency.max_s=1: there is nothing to train or to time"),
        ("init=parent", "init=parent: there is nothing to train"),
        ("search.objectives.macs_g=min", "unknown measurement 'macs_g'; known: accuracy, latency_ms"),
        ("search.limits.accuracy=3", "known only after training"),
        ("table.measurements.latency_ms=mss", r"no column 'mss'.*Did you mean 'ms2?'.*small\.csv"),
        ("table.choices=[a]", r"rows 1 and 2 have the same choices \(a=0\)"),
        ("table.separate=perhaps", "perhaps"),
        ("table.epochs=3", "epochs"),
    ],
)
def test_bad_values_are_refused_before_anything_is_spent(project, override, said):
    with pytest.raises((ValueError, HydraException, OmegaConfBaseException), match=said):
        loaded(project, override)


def test_a_mapping_without_file_or_types_is_told(project):
    with pytest.raises(ValueError, match=r"table\.file: not given.*small\.yaml"):
        loaded(project, file=False)
    mapping = project / "conf" / "table" / "small.yaml"
    mapping.write_text(mapping.read_text().replace("- table_schema\n", ""))
    with pytest.raises(ValueError, match=r"begin the file with defaults: \[table_schema, _self_\]"):
        loaded(project)


def test_without_space_or_table_both_are_offered():
    with (
        pytest.raises(ValueError, match=r"\+space=<name>; known: .*segformer.*\+table=<name>; known: .*nasbench201"),
        compose([]) as conf,
    ):
        load(conf)


def test_a_misspelt_table_gets_the_nearest_guess():
    with pytest.raises(HydraException) as error, compose(["+table=nasbench21"]):
        pass
    assert "'nasbench201'?" in explain(error.value, ["+table=nasbench21"])


def test_the_file_is_no_part_of_the_name_of_a_run():
    assert run_name(["+table=small", "table.file=/data/small.csv", "search.budget=25 full"]) == "default"
    assert run_name(["+table=small", "table.measurements.latency_ms=ms2"]) != "default"


def test_a_replay_runs_stops_and_goes_on_as_any_other(project):
    def run(*overrides, code=0):
        return finished("run_search", f"--config-dir={project / 'conf'}", *command(project, *overrides), code=code)

    options = ("search=random", "launch=serial", "run=one")
    run(*options, "search.trials=3")
    assert "continuing a run of 3 trials" in run(*options, "search.trials=6")
    folder = project / "results" / "small" / "one"
    assert all((folder / name).stat().st_size for name in ("config.yaml", "front.csv", "front.png", "report.html"))
    assert list((folder / "arches").glob("*.yaml"))
    assert "nothing to train" in run(*options, "schedule=smoke", code=1)


def test_a_misspelt_part_of_a_rung_is_named(project):
    given = command(project, "table.rungs=[{epochs: 1, accuracy: [early], los: [ms]}]")
    with pytest.raises((HydraException, OmegaConfBaseException)) as error:
        loaded(project, given[-1])
    assert "unknown key 'los'; known: epochs, accuracy, seconds, loss. Did you mean 'loss'?" in explain(error.value, given)

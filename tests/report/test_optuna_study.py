"""A run as a study, read back by Optuna."""

import random

import optuna
import pytest

from report.commands import main
from report.run import load

STATES = {"ok": "COMPLETE", "infeasible": "PRUNED", "failed": "FAIL"}


def storage(path):
    if path.suffix == ".db":
        return f"sqlite:///{path}"
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


@pytest.mark.parametrize("ending", ["db", "journal"])
def test_optuna_reads_it_back(full, tmp_path, ending, capsys):
    path = tmp_path / f"study.{ending}"
    for _ in range(2):  # written again, it is replaced
        main(["optuna", str(full), "--to", str(path)])
    study = optuna.load_study(study_name="segformer/default", storage=storage(path))
    run = load(full)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.state.name for trial in study.trials] == [STATES[trial.kind] for trial in run.trials]
    for theirs, ours in zip(study.trials, run.trials, strict=True):
        assert theirs.user_attrs["arch_id"] == ours.arch.id
        assert theirs.user_attrs.get("reason", "") == ours.reason
        assert ours.kind != "ok" or theirs.values == [ours.measurements["miou"], ours.measurements["latency_ms"]]
        assert theirs.params.get("stage1.mixer") in (None, ours.arch.arch["stage1"]["mixer"]["name"])
    assert study.best_trials


def test_an_ending_of_no_storage_is_refused(full, tmp_path):
    with pytest.raises(ValueError, match=r"unknown ending '\.csv'"):
        main(["optuna", str(full), "--to", str(tmp_path / "study.csv")])


def test_one_objective_has_its_rungs(writer, variant_of, tmp_path):
    run = writer("single", objectives={"miou": "max"})
    run.trial(variant_of(random.Random(0)), latency=50, miou=0.3)
    main(["optuna", str(run.directory), "--to", str(tmp_path / "one.db")])
    (trial,) = optuna.load_study(study_name="segformer/single", storage=storage(tmp_path / "one.db")).trials
    assert list(trial.intermediate_values) == [1, 2, 3]

"""docs/library.py runs on a recorded run, and its frames hold what the run says."""

import runpy
from pathlib import Path

from report.frame import curves_frame, front_frame, trials_frame
from report.front import compare
from report.run import load

SCRIPT = Path(__file__).parents[2] / "docs" / "library.py"


def test_the_documented_lines_run(full, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(SCRIPT))["main"](full)
    assert (tmp_path / "front.png").is_file()
    assert "(1, 5," in capsys.readouterr().out


def test_frames_hold_the_run(full):
    run = load(full)
    assert list(trials_frame(run).index) == [trial.number for trial in run.trials]
    assert list(front_frame(run)["trial"]) == [network.trials[0] for network in compare(run).front]
    assert len(curves_frame(run)) == sum(rung > 0 for trial in run.trials for rung in trial.rungs)

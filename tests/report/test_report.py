"""What a run directory shows, from whole runs to the barest ones. The page is read as text; how it looks is looked at."""

import csv
import json
import re
import runpy
import sys
from pathlib import Path

import pytest

import report
from report.front import compare
from report.run import load
from space import Arch

ROOT = Path(__file__).parents[2]


def arch(name):
    return Arch.from_yaml(ROOT / "conf" / "arch" / f"{name}.yaml")


def page(run_dir):
    return report.write(run_dir).read_text(encoding="utf-8")


def without_plotly(text):
    return re.sub(r"<script>.{1000000,}?</script>", "", text, flags=re.DOTALL)


def embedded(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_a_whole_run_shows_everything(full):
    text = page(full)
    shown = without_plotly(text)
    for told in (
        "segformer_b2",
        "boostformer",
        "The winners against the baseline",
        "Better in every objective",
        "Kendall",
        "torch 2.9.0",
    ):
        assert told in shown
    assert "params_m 84.6 is over its limit" in shown
    assert "the loss was not finite" in shown
    assert shown.count("latency disturbed</span>") == 1
    assert "unfinished" not in shown
    assert len(embedded(text)["points"]) == len(compare(load(full)).networks)
    assert (full / "front.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_the_pictures_of_the_dashboard(full):
    shown = without_plotly(page(full))
    for title in ("What the search found, and when", "How training went", "What was chosen, and what came of it"):
        assert title in shown
    stills = [json.loads(text) for text in re.findall(r'class="still".*?<script type="application/json">(.*?)</script>', shown)]
    assert [still["data"][0]["type"] for still in stills] == ["scatter", "scatter", "parcoords"]
    assert "What failed or was over a limit" in shown
    assert "Which choices went with the result" in shown


def test_the_page_needs_no_network(full):
    shown = without_plotly(page(full))
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", shown)
    assert "Plotly.react" in shown


def test_winners_are_files_that_read_back_to_their_ids(full):
    report.write(full)
    front = compare(load(full)).front
    assert [network.rank for network in front] == list(range(1, len(front) + 1))
    files = sorted((full / "arches").iterdir())
    assert [Arch.from_yaml(file).id for file in files] == [network.arch.id for network in front]
    assert [file.name for file in files] == [f"{n.rank:02d}_{n.id8}.yaml" for n in front]


def test_files_of_an_earlier_front_are_removed_and_others_left(full):
    folder = full / "arches"
    folder.mkdir()
    (folder / "99_01234567.yaml").write_text("old")
    (folder / "mine.yaml").write_text("kept")
    report.write(full)
    assert not (folder / "99_01234567.yaml").exists()
    assert (folder / "mine.yaml").read_text() == "kept"


def test_csv_has_the_front_with_changes_in_percent(full):
    report.write(full)
    rows = list(csv.DictReader((full / "front.csv").read_text().splitlines()))
    known = next(row for row in rows if row["arch_id"] == arch("boostformer").id)
    assert float(known["latency_ms_change_percent"]) == pytest.approx(-38.0)
    assert float(known["miou_change_percent"]) == pytest.approx((0.308 / 0.30 - 1) * 100, abs=1e-3)
    assert "stage1.embed: conv -> pool" in known["changes"]


def test_an_unfinished_run_says_so_and_how_to_go_on(writer):
    run = writer()
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    run.ask(arch("boostformer"))
    shown = without_plotly(page(run.directory))
    assert "This run is unfinished" in shown
    assert "python run_search.py +space=segformer search.trials=40" in shown
    assert "Unfinished. 2 trials: 1 finished, 1 open." in report.summary(run.directory)
    assert "Continue with: python run_search.py +space=segformer search.trials=40" in report.summary(run.directory)


def test_a_run_that_has_only_begun(writer):
    run = writer()
    shown = page(run.directory)
    assert "No network has been measured in every objective yet" in shown
    assert "0 trials" in report.summary(run.directory)
    assert (run.directory / "front.png").exists()


def test_a_log_without_its_configuration_is_judged_by_what_was_measured_first(writer):
    run = writer()
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    (run.directory / "config.yaml").unlink()
    assert [(goal.name, goal.direction) for goal in load(run.directory).goals] == [("miou", "max"), ("latency_ms", "min")]


def test_a_start_from_trained_weights_is_shown_with_what_it_means(writer):
    run = writer()
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    assert "Begun with" not in page(run.directory)
    number = run.ask(arch("boostformer"), rung=3)
    run.rung(number, 0, params_m=17.58, latency_ms=62.0, latency_ratio=0.62)
    run.rung(number, 1, miou=0.2, init_percent=71.1, inherited_epochs=3, init="71.1 % of 2 M parameters; fresh: <head>")
    run.rung(number, 3, miou=0.31)
    run.end(number, "ok", "")
    shown = without_plotly(page(run.directory))
    assert "71 %" in shown
    assert "Networks that inherited have the epochs of their forebears" in shown
    assert 'title="71.1 % of 2 M parameters; fresh: &lt;head&gt;">began with trained weights' in shown
    assert "Begun with" not in report.summary(run.directory)  # a console has no room for it


def test_one_trial_is_its_own_front(writer):
    run = writer()
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    run.finish()
    report.write(run.directory)
    assert [n.arch.id for n in compare(load(run.directory)).front] == [arch("segformer_b2").id]
    assert "segformer_b2" in report.summary(run.directory)


def test_nothing_trained(writer):
    run = writer()
    number = run.ask(arch("segformer_b2"))
    run.rung(number, 0, params_m=27.46, latency_ms=100.0)
    run.end(number, "failed", "out of memory: no more was said")
    run.finish()
    shown = without_plotly(page(run.directory))
    assert "out of memory" in shown
    assert "27.46 M" in shown
    assert not list((run.directory / "arches").iterdir())


def test_a_bug_is_shown(writer):
    run = writer()
    run.event("bug", number=run.ask(arch("segformer_b2")), reason="Traceback <module>")
    assert "Traceback &lt;module&gt;" in without_plotly(page(run.directory))


def test_three_objectives(writer):
    run = writer(objectives={"miou": "max", "latency_ms": "min", "params_m": "min"})
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    run.trial(arch("boostformer"), latency=120.0, miou=0.2, params=17.58)
    run.trial(arch("segformer_b1"), latency=130.0, miou=0.19, params=18.0)
    run.finish()
    text = page(run.directory)
    assert embedded(text)["goals"] == ["miou", "latency_ms", "params_m"]
    assert {n.arch.id for n in compare(load(run.directory)).front} == {arch("segformer_b2").id, arch("boostformer").id}


def test_cost_objectives_alone_need_no_training(writer):
    run = writer(objectives={"latency_ms": "min", "params_m": "min"})
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3, rungs=0)
    run.trial(arch("boostformer"), latency=62.0, miou=0.3, params=17.58, rungs=0)
    report.write(run.directory)
    assert [n.arch.id for n in compare(load(run.directory)).front] == [arch("boostformer").id]


def test_texts_of_a_run_cannot_become_markup(writer):
    run = writer()
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    run.end(run.ask(arch("boostformer")), "failed", "</script><script>alert(1)</script>")
    assert "<script>alert(1)" not in page(run.directory)


def test_a_second_writing_is_the_same(full):
    first = page(full)
    assert page(full) == first


def test_the_command_rewrites_and_prints(writer, capsys, monkeypatch):
    run = writer()
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.3)
    monkeypatch.setattr(sys, "argv", ["report", str(run.directory)])
    runpy.run_module("report", run_name="__main__", alter_sys=True)
    assert "segformer_b2" in capsys.readouterr().out
    assert (run.directory / "report.html").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: .*no trials\.jsonl here; expected the directory of a run"):
        runpy.run_module("report", run_name="__main__", alter_sys=True)


def test_a_misspelt_command_gets_the_nearest_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", "srve"])
    with pytest.raises(SystemExit, match=r"^error: srve: no such folder, and no command; .*Did you mean 'serve'\?"):
        runpy.run_module("report", run_name="__main__", alter_sys=True)

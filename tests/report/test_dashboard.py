"""The dashboard without a browser: what is read, drawn and told."""

import json
from dataclasses import replace

import pytest

from report.dashboard.server import check_free
from report.dashboard.watch import Watch, run_dirs
from report.follow import Follower
from report.run import load

pytest.importorskip("dash", reason="Dash is not installed: pip install dash")

from report.choices_picture import parallel_picture
from report.dashboard.drawing import rows
from report.dashboard.panel import panel
from report.dashboard.table import Asked, ordered, selected, trial_columns
from report.dashboard.versus import contest_of, fronts_picture, versus_table
from report.pictures import BUDGETS, curves_picture, front_picture, progress_picture


@pytest.fixture
def view(full):
    watch = Watch([full])
    return watch.view(watch.keys()[0])


def told(component):
    return json.dumps(component, default=lambda inner: inner.to_plotly_json())


def test_a_log_read_in_pieces_is_the_log_read_whole(full):
    whole = (full / "trials.jsonl").read_bytes()
    growing = full.parent / "growing"
    growing.mkdir()
    (growing / "config.yaml").write_bytes((full / "config.yaml").read_bytes())
    follower, log = Follower(growing), growing / "trials.jsonl"
    for end in (*range(0, len(whole), 9973), len(whole)):  # in the middle of lines too
        log.write_bytes(whole[:end])
        follower.look()
    assert not follower.look()
    read, expected = follower.run(), load(full)
    assert read.trials == expected.trials
    assert read.finished == expected.finished


def test_a_log_that_was_replaced_is_read_anew(full):
    follower = Follower(full)
    follower.look()
    lines = (full / "trials.jsonl").read_text().splitlines(keepends=True)
    (full / "trials.jsonl").write_text("".join(lines[:6]))
    assert follower.look()
    assert len(follower.run().trials) == 1


def test_a_damaged_line_is_named(full):
    with (full / "trials.jsonl").open("a") as log:
        log.write("{torn}\n")
    with pytest.raises(ValueError, match=r"trials\.jsonl:\d+: not an event"):
        Follower(full).look()


def test_the_front_names_its_groups_and_has_bars(view):
    drawn = {trace["name"]: trace for trace in front_picture(view, "latency_ms", "miou", 1)["data"]}
    assert {"front", "dominated", "baseline", "known members", "chosen"} <= drawn.keys()
    assert drawn["baseline"]["customdata"] == [0]
    assert any(drawn["front"]["error_x"]["array"])
    assert drawn["front"]["mode"] == "lines+markers"
    assert {t["name"]: t for t in front_picture(view, "params_m", "loss", None)["data"]}["front"]["mode"] == "markers"


def test_the_page_comes_with_its_first_pictures(full):
    from report.dashboard.app import make_app

    watch = Watch([full])
    page = make_app(watch).layout().to_plotly_json()["props"]["children"]
    found = {each.id["picture"]: each.figure["data"] for part in page for each in part._traverse() if hasattr(each, "figure")}
    view = watch.view(watch.keys()[0])
    assert found == {
        "front": front_picture(view, *view.first_axes, None)["data"],
        "progress": progress_picture(view, "trials")["data"],
    }
    version = next(part.data for part in page if getattr(part, "id", "") == "version")
    assert version == watch.versions()


@pytest.mark.parametrize("over", BUDGETS)
def test_hypervolume_never_shrinks(view, over):
    (line,) = progress_picture(view, over)["data"]
    assert line["x"] == sorted(line["x"])
    assert line["y"] == sorted(line["y"])


def test_pictures_of_a_run_that_has_just_begun(writer):
    run = writer()
    watch = Watch([run.directory])
    view = watch.view(watch.keys()[0])
    for drawn in (front_picture(view, "latency_ms", "miou", None), progress_picture(view, "trials")):
        assert drawn["layout"]["annotations"]
    assert parallel_picture(view, [], "miou")["layout"]["annotations"]
    assert curves_picture(view, "miou", None)["layout"]["annotations"]
    assert "Click a trial" in told(panel(view, None))


def test_the_table_sorts_and_filters(view):
    shown = {column.key: column for column in trial_columns(view)}
    trials = selected(view, Asked())
    values = [shown["miou"].value(trial) for trial in ordered(trials, shown["miou"], False)]
    measured = [value for value in values if value is not None]
    assert measured == sorted(measured, reverse=True)
    assert values[len(measured) :] == [None] * (len(values) - len(measured))
    assert {view.standing(trial) for trial in selected(view, Asked(kind="infeasible"))} == {"infeasible"}
    assert len(selected(view, Asked(words="finite epoch"))) == 1


def test_the_baselines_latency_is_the_runs_in_every_table(view):
    latency = next(column for column in trial_columns(view) if column.key == "latency_ms")
    zero, other = view.run.trials[:2]
    assert latency.value(zero) == view.comparison.baseline.measurements["latency_ms"]
    assert latency.value(other) == other.measurements["latency_ms"]
    read = replace(zero, measurements={**zero.measurements, "latency_ms": 1e9})  # one disturbed moment
    assert latency.value(read) == latency.value(zero)


def test_a_panel_has_drawing_curve_and_commands(view):
    number = view.comparison.front[0].trials[0]
    text = told(panel(view, number))
    assert "space.input_size=[512,512]" in text
    for expected in ("stage1", "search=archs", "schedule=full", "baseline", "Curve"):
        assert expected in text


def test_differences_are_marked_block_by_block():
    baseline = {"width": 8, "stage1": {"depth": 3, "mixer": {"name": "attention", "heads": 2}, "ffn": {"name": "mix", "ratio": 4}}}
    arch = {"width": 8, "stage1": {"depth": 1, "mixer": {"name": "pool", "size": 3}, "ffn": {"name": "mix", "ratio": 2}}}
    first, stage = rows(arch, baseline)
    assert (first.name, first.boxes[0].before) == ("network", None)
    assert (stage.repeats, stage.repeated_before) == (1, 3)
    assert [box.before for box in stage.boxes] == ["attention (heads 2)", "ratio 4"]
    assert all(box.before is None for row in rows(arch, None) for box in row.boxes)
    assert rows({"width": 8}, baseline)[-1].boxes[0].gone


def test_runs_against_each_other(full, writer):
    other = writer("other")
    (other.directory / "trials.jsonl").write_bytes((full / "trials.jsonl").read_bytes())
    watch = Watch([full.parent])
    assert watch.keys() == ["default", "other"]
    views = [watch.view(key) for key in ("default", "other")]
    assert len(fronts_picture(views, "latency_ms", "miou")["data"]) == 2
    shown = told(versus_table(contest_of(views)))
    assert "100 %" in shown
    assert "epochs until the row had" in shown


def test_a_folder_without_runs_is_refused(tmp_path, full):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="no run here or below"):
        run_dirs(tmp_path / "nothing")
    with pytest.raises(ValueError, match="Did you mean 'default'"):
        run_dirs(full.parent / "defualt")


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_such_port(port):
    with pytest.raises(ValueError, match="--port"):
        check_free("127.0.0.1", port)

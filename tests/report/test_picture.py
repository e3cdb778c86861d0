"""front.png: what stands in it and that it stays inside. The parts are read from matplotlib; how it looks is looked at."""

from pathlib import Path

import matplotlib.figure
import pytest

from report.front import compare
from report.picture import write_png
from report.run import load
from space import Arch

ROOT = Path(__file__).parents[2]
NAMES = ("segformer_b2", "boostformer", "segformer_b1")


def arch(name):
    return Arch.from_yaml(ROOT / "conf" / "arch" / f"{name}.yaml")


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws a run and returns the matplotlib figure."""
    kept = []
    saved = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda self, path: (kept.append(self), saved(self, path)))

    def draw(run, title="run"):
        names = {arch(name).id: name + "_with_a_long_name" for name in NAMES}
        write_png(compare(load(run.directory)), tmp_path / "front.png", title=title, names=names)
        return kept[-1]

    return draw


def run_of(writer, *trials, **search):
    run = writer(**search)
    for name, latency, miou in trials:
        run.trial(arch(name), latency=latency, miou=miou)
    return run


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_a_generated_name_stays_inside_the_picture(writer, drawn):
    title = "yolox / " + "data.train-count-64-latency.max-s-2-schedule.rungs-1-" * 3 + "453773e9"
    figure = drawn(run_of(writer, ("segformer_b2", 100.0, 0.3)), title)
    assert figure.axes[0].get_title(loc="left").replace("\n", "").startswith("yolox /")
    (left, bottom), (right, top) = figure.get_tightbbox().get_points()
    width, height = figure.get_size_inches()
    assert 0 <= left < right <= width
    assert 0 <= bottom < top <= height


@pytest.mark.parametrize("direction", ["min", "max"])
def test_no_label_runs_over_an_edge(writer, drawn, direction):
    trials = [("segformer_b2", 100.0, 0.3), ("boostformer", 40.0, 0.25), ("segformer_b1", 160.0, 0.35)]
    figure = drawn(run_of(writer, *trials, objectives={"miou": "max", "latency_ms": direction}))
    frame = figure.axes[0].get_window_extent()
    boxes = [label.get_window_extent() for label in figure.axes[0].texts]
    assert boxes
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_the_legend_has_other_networks_only_where_there_are_any(writer, drawn):
    dominated = [("segformer_b2", 100.0, 0.3), ("boostformer", 60.0, 0.32)]
    figure = drawn(run_of(writer, *dominated))
    assert legend(figure) == ["front", "baseline (segformer_b2_with_a_long_name)"]
    more = writer("more")
    for name, latency, miou in [*dominated, ("segformer_b1", 120.0, 0.2)]:
        more.trial(arch(name), latency=latency, miou=miou)
    assert "other networks" in legend(drawn(more))


def test_axes_say_which_way_is_better(writer, drawn):
    figure = drawn(run_of(writer, ("segformer_b2", 100.0, 0.3)))
    assert figure.axes[0].get_ylabel() == "mIoU, more is better"
    assert figure.axes[0].get_xlabel() == "Latency (ms), less is better"

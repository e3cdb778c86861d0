"""What is claimed against the baseline: strict gains only, none that noise makes, none where nothing was learned."""

from pathlib import Path

import pytest
import yaml

from report.cell import cell
from report.front import compare
from report.headlines import headlines
from report.html import picture, trial_row
from report.run import load
from report.table import columns, summary_text
from report.verdict import gained, tone, unlearned_text
from space import Arch

ROOT = Path(__file__).parents[2]


def arch(name):
    return Arch.from_yaml(ROOT / "conf" / "arch" / f"{name}.yaml")


def timed(low, high):
    return {"latency_ratio_low": low, "latency_ratio_high": high}


def compared(run, *, miou, latency, low, high, base=0.30):
    """A baseline and one other network."""
    run.trial(arch("segformer_b2"), latency=100.0, miou=base, **timed(0.98, 1.02))
    run.trial(arch("boostformer"), latency=latency, miou=miou, **timed(low, high))
    run.finish()
    return compare(load(run.directory))


def titles(comparison):
    return [headline.title for headline in headlines(comparison, {})]


@pytest.mark.parametrize(
    ("miou", "latency", "low", "high", "lead"),
    [
        (0.32, 60.0, 0.5, 0.7, "Better in every objective"),
        (0.30, 60.0, 0.5, 0.7, "No worse anywhere, lower latency"),
        (0.3001, 60.0, 0.5, 0.7, "No worse anywhere, lower latency"),
        (0.32, 98.0, 0.9, 1.1, "No worse anywhere, higher mIoU"),
        (0.32, 100.0, 1.0, 1.0, "No worse anywhere, higher mIoU"),
    ],
)
def test_a_title_claims_no_more_than_there_is(writer, miou, latency, low, high, lead):
    assert titles(compared(writer(), miou=miou, latency=latency, low=low, high=high))[0] == lead


@pytest.mark.parametrize(("miou", "latency"), [(0.2999, 60.0), (0.32, 100.5)])
def test_worse_by_however_little_is_worse(writer, miou, latency):
    found = compared(writer(), miou=miou, latency=latency, low=latency / 100 - 0.01, high=latency / 100 + 0.01)
    assert all(gained(network, found) == () for network in found.networks)
    assert not any(title.startswith(("Better", "No worse")) for title in titles(found))


def test_a_latency_that_may_as_well_be_the_baselines_is_not_claimed(writer):
    found = compared(writer(), miou=0.29, latency=98.0, low=0.9, high=1.1)
    assert titles(found) == ["Highest mIoU"]
    other = next(n for n in found.networks if n.trials == (1,))
    shown = cell("latency_ms", other, found)
    assert (shown["change"], shown["tone"]) == ("-2.0 %", "")
    assert "-10.0 % to +10.0 %, so neither faster nor slower is known" in shown["sure"]


def test_a_lower_reading_with_a_higher_ratio_is_no_lower_latency(writer):
    run = writer()
    run.trial(arch("segformer_b2"), latency=200.0, miou=0.30)
    number = run.ask(arch("boostformer"), rung=3)
    run.rung(number, 0, latency_ms=90.0, latency_ratio=1.2, **timed(1.1, 1.3))
    run.rung(number, 3, miou=0.31)
    run.end(number, "ok", "")
    assert titles(compare(load(run.directory))) == ["Highest mIoU"]


def test_the_baseline_is_not_compared_with_itself(writer):
    found = compared(writer(), miou=0.32, latency=120.0, low=1.1, high=1.3)
    assert {cell(name, found.baseline, found)["change"] for name in ("miou", "latency_ms")} == {""}
    assert titles(found) == ["Highest mIoU", "Lowest latency"]


def test_where_nothing_was_learned_the_reader_is_told(writer):
    run = writer()
    found = compared(run, miou=0.0, latency=60.0, low=0.5, high=0.7, base=0.0)
    assert titles(found) == ["No worse anywhere, lower latency"]
    told = " ".join(summary_text(load(run.directory), found, {}).split())
    assert "Nothing was learned yet: every network scores 0 in mIoU" in told
    assert "Train longer" in told


def test_a_gain_from_nothing_is_one(writer):
    found = compared(writer(), miou=0.02, latency=60.0, low=0.5, high=0.7, base=0.0)
    shown = cell("miou", next(n for n in found.networks if n.trials == (1,)), found)
    assert (shown["change"], shown["tone"]) == ("+2.0 points", "good")
    assert unlearned_text(found) == ""


def test_one_footnote_says_what_latencies_are(writer):
    run = writer()
    found = compared(run, miou=0.31, latency=60.0, low=0.5, high=0.7)
    assert summary_text(load(run.directory), found, {}).count("Latency: the ratio to the baseline, read in turns with it") == 1


@pytest.fixture
def counting(writer):
    """A run whose first metric, MAE, is better when small: a front of two, the baseline dominated."""
    run = writer(objectives={"mae": "min", "latency_ms": "min"})
    for name, latency, mae in (("segformer_b2", 100.0, 20.0), ("boostformer", 60.0, 15.0), ("segformer_b1", 40.0, 18.0)):
        number = run.ask(arch(name), rung=1)
        ratio = {"latency_ratio": latency / 100, **timed(latency / 100 - 0.01, latency / 100 + 0.01)}
        run.rung(number, 0, params_m=latency / 4, latency_ms=latency, baseline_latency_ms=100.0, **ratio)
        run.rung(number, 1, mae=mae, mse=mae * 1.5, loss=1.0)
        run.end(number, "ok", "")
    run.finish()
    return run.directory


def test_less_is_better_where_the_metric_says_so(counting):
    found = compare(load(counting))
    assert [n.measurements["mae"] for n in found.front] == [15.0, 18.0]
    shown = {headline.title: headline.network.measurements["mae"] for headline in headlines(found, {})}
    assert shown == {"Better in every objective": 18.0, "Lowest MAE": 15.0}
    assert (cell("mae", found.front[0], found)["change"], tone("mae", found.front[0], found)) == ("-25.0 %", "good")
    assert unlearned_text(found) == ""


def test_the_tables_and_the_picture_of_a_metric_that_is_better_when_small(counting):
    run = load(counting)
    found = compare(run)
    assert columns(found) == ["params_m", "latency_ms", "mae"]
    assert "15.00 -25.0 %" in summary_text(run, found, {})
    assert ("15.0", "15.00") in [(str(value), text) for value, text in trial_row(run.trials[1], run, found, {})["values"]]
    drawn = picture(run, found, {})
    assert (drawn["up"], drawn["across"]) == ("mae", "latency_ms")
    assert {axis["name"]: axis["better"] for axis in drawn["axes"]}["mae"] == "min"


def test_a_log_without_its_configuration_takes_the_metrics_own_direction(counting):
    (counting / "config.yaml").unlink()
    assert [(goal.name, goal.direction) for goal in load(counting).goals] == [("mae", "min"), ("latency_ms", "min")]


def test_the_runs_direction_goes_for_a_metric_nobody_knows(writer):
    run = writer(objectives={"dice": "max", "latency_ms": "min"})
    for name, dice in (("segformer_b2", 0.5), ("boostformer", 0.6)):
        number = run.ask(arch(name), rung=1)
        run.rung(number, 0, latency_ms=100.0, latency_ratio=1.0)
        run.rung(number, 1, dice=dice)
        run.end(number, "ok", "")
    run_read = load(run.directory)
    found = compare(run_read)
    assert tone("dice", found.front[0], found) == "good"
    assert {axis["name"]: axis["better"] for axis in picture(run_read, found, {})["axes"]}["dice"] == "max"
    assert yaml.safe_load((run.directory / "config.yaml").read_text())["search"]["objectives"]["dice"] == "max"

"""Comparing networks: seeds averaged, only equally trained ones ranked, changes against the baseline."""

import random
from pathlib import Path

import numpy as np
import pytest

import report
from report.changes import changes
from report.fidelity import agreements, interval, warning
from report.figures import figure, percent
from report.front import compare
from report.headlines import headlines
from report.run import load
from report.table import summary_text
from space import Arch

ROOT_ARCH = {"stage1": {"depth": 3, "mixer": {"name": "attention", "heads": 1, "kv": "conv"}, "embed": "conv"}}


def named(name):
    return Arch.from_yaml(Path(__file__).parents[2] / "conf" / "arch" / f"{name}.yaml")


def told(arch):
    return [str(change) for change in changes(arch, ROOT_ARCH)]


def test_changes_name_the_dotted_place():
    assert told(ROOT_ARCH) == []
    assert told({"stage1": ROOT_ARCH["stage1"] | {"depth": 2}}) == ["stage1.depth: 3 -> 2"]
    assert told({"stage1": ROOT_ARCH["stage1"] | {"mixer": {"name": "pool", "size": 3}}}) == [
        "stage1.mixer: attention -> pool (size 3)"
    ]
    assert told({"stage1": ROOT_ARCH["stage1"] | {"mixer": "identity"}}) == ["stage1.mixer: attention -> identity"]


def test_a_sub_choice_carries_its_option():
    inner = {"name": "attention", "heads": 1, "kv": {"name": "pool", "size": 7}}
    assert told({"stage1": ROOT_ARCH["stage1"] | {"mixer": inner}}) == ["stage1.mixer.attention.kv: conv -> pool (size 7)"]


def test_repeats_that_come_and_go():
    before = {"layer1": {"window": 8}, "layer2": {"window": 4}}
    after = {"layer1": {"window": 8}, "layer3": {"window": 2}}
    assert [str(change) for change in changes(after, before)] == ["layer2: (window 4) -> none", "layer3: none -> (window 2)"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("params_m", 27.461974, "27.46 M"),
        ("macs_g", 62.337, "62.34 G"),
        ("latency_ms", 12.345, "12.3 ms"),
        ("latency_ms", 2953.2, "2953 ms"),
        ("latency_ms", 0.8312, "0.831 ms"),
        ("latency_ms", 99.96, "100 ms"),
        ("miou", 0.34712, "0.347"),
        ("miou", None, "-"),
        ("energy_g", 3.0, "3.00 G"),
        ("latency_device", "Example", "Example"),
    ],
)
def test_figures_are_written_one_way(name, value, text):
    assert figure(name).text(value) == text


def test_percent_has_a_sign_unless_it_is_nothing():
    assert [percent(12.34), percent(-12.34), percent(-0.01), percent(None)] == ["+12.3 %", "-12.3 %", "0.0 %", "-"]


def test_seeds_are_averaged_and_their_deviation_kept(writer):
    run = writer()
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3)
    run.trial(named("boostformer"), latency=60.0, miou=0.30, seed=1)
    run.trial(named("boostformer"), latency=60.0, miou=0.32, seed=2)
    network = next(n for n in compare(load(run.directory)).networks if n.trials == (1, 2))
    assert network.measurements["miou"] == pytest.approx(0.31)
    assert network.deviation["miou"] == pytest.approx(0.0141, abs=1e-4)
    assert network.gains["miou"] == pytest.approx(3.333, abs=1e-3)


def test_only_the_furthest_rung_is_ranked(writer):
    run = writer()
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3)
    run.trial(named("boostformer"), latency=10.0, miou=0.9, rungs=1)
    front = compare(load(run.directory)).front
    assert [network.arch.id for network in front] == [named("segformer_b2").id]


def test_a_continued_trial_is_one_trial(writer):
    run = writer()
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3, rungs=1)
    again = run.ask(named("segformer_b2"), rung=2, continues=0)
    run.rung(again, 2, miou=0.4)
    run.end(again, "ok", "")
    (trial,) = load(run.directory).trials
    assert (trial.number, trial.rung, trial.kind, trial.measurements["miou"]) == (0, 2, "ok", 0.4)
    assert trial.measurements["latency_ms"] == 100.0
    assert set(trial.rungs) == {0, 1, 2}


def test_latency_change_comes_from_the_ratio_read_in_turns(writer):
    run = writer()
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3)
    number = run.ask(named("boostformer"), rung=1)
    run.rung(number, 0, latency_ms=90.0, latency_ratio=0.6, baseline_latency_ms=150.0)
    run.rung(number, 1, miou=0.3)
    run.end(number, "ok", "")
    network = next(n for n in compare(load(run.directory)).networks if n.trials == (1,))
    assert network.gains["latency_ms"] == pytest.approx(-40)


def test_one_disturbed_moment_does_not_stand_for_the_baseline(writer):
    run = writer()
    run.trial(named("segformer_b2"), latency=400.0, miou=0.3)  # timed while workers were starting; 100 ms beside itself and others
    for name in ("boostformer", "segformer_b1"):
        run.trial(named(name), latency=90.0, miou=0.3)
    baseline = compare(load(run.directory)).baseline
    assert baseline.measurements["latency_ms"] == 100.0
    assert "latency_low_ms" not in baseline.measurements
    alone = writer("alone")
    alone.trial(named("segformer_b2"), latency=400.0, miou=0.3)
    assert compare(load(alone.directory)).baseline.measurements["latency_ms"] == 400.0


def test_latencies_and_their_percentages_agree_from_the_second_trial_on(writer):
    """A noisy first minute: beside itself the baseline took 0.7 times what it took."""
    run = writer()
    run.trial(named("segformer_b2"), latency=70.0, miou=0.3)
    run.trial(named("boostformer"), latency=80.0, miou=0.4)
    found = compare(load(run.directory))
    faster = next(n for n in found.networks if n.trials == (1,))
    assert (found.baseline.measurements["latency_ms"], faster.measurements["latency_ms"]) == (100.0, 80.0)
    assert faster.gains["latency_ms"] == pytest.approx(-20)
    assert found.front == (next(n for n in found.front if n.arch.id == faster.arch.id),)


def test_rank_correlation_needs_enough_networks(full, writer):
    found = agreements(load(full))
    assert {(a.measurement, a.rung, a.last) for a in found} == {("miou", 1, 3), ("miou", 2, 3)}
    assert all(a.tau == pytest.approx(1) and a.count > 30 for a in found)
    few = writer("few")
    few.trial(named("segformer_b2"), latency=100.0, miou=0.3)
    assert agreements(load(few.directory)) == ()


def test_headlines_lead_with_what_beats_the_baseline(full):
    comparison = compare(load(full))
    first, *others = headlines(comparison, {})
    assert first.title == "Better in every objective"
    assert first.network.gains["miou"] > 0 > first.network.gains["latency_ms"]
    assert [other.title for other in others] == ["Highest mIoU", "Lowest latency"]


def test_a_failed_baseline_leaves_nothing_to_compare_with(writer):
    run = writer()
    run.end(run.ask(named("segformer_b2")), "failed", "out of memory")
    run.trial(named("boostformer"), latency=60.0, miou=0.3)
    found = load(run.directory)
    comparison = compare(found)
    assert comparison.baseline is None
    assert headlines(comparison, {}) == ()
    assert "0.300" in summary_text(found, comparison, {})


def test_a_first_rung_that_ranks_at_random_is_warned_of(writer, variant_of):
    run, rng = writer(), random.Random(1)
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3, rungs=2)
    for k in range(24):
        number = run.ask(variant_of(rng), rung=2)
        run.rung(number, 0, latency_ms=50.0 + k)
        run.rung(number, 1, miou=rng.random())
        run.rung(number, 2, miou=k / 100)
        run.end(number, "ok", "")
    (found,) = agreements(load(run.directory))
    assert found.low < found.tau < found.high
    assert found.low < 0.2
    assert not found.reliable
    told = warning(load(run.directory), (found,))
    assert told.startswith("Rung 1 does not rank networks reliably. mIoU: tau ")
    assert "promoted" not in told
    text = summary_text(load(run.directory), compare(load(run.directory)), {})
    assert "Rung 1 does not rank networks reliably" in text
    assert "does not rank networks reliably.</b>" in report.write(run.directory).read_text(encoding="utf-8")
    for _ in range(3):
        run.trial(variant_of(rng), latency=200.0, miou=0.1, rungs=1)
    assert "promoted: alike by selection" in warning(load(run.directory), agreements(load(run.directory)))


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_training_loss_that_ranks_where_the_accuracy_does_not_is_told(writer, variant_of, direction):
    better = 1 if direction == "max" else -1
    run, rng = writer(objectives={"miou": direction, "latency_ms": "min"}), random.Random(1)
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3, rungs=2)
    for k in range(24):
        number = run.ask(variant_of(rng), rung=2)
        run.rung(number, 0, latency_ms=50.0 + k)
        run.rung(number, 1, miou=rng.random(), train_loss=2 - better * k / 100)
        run.rung(number, 2, miou=k / 100, train_loss=1.0)
        run.end(number, "ok", "")
    by_accuracy, by_loss = agreements(load(run.directory))
    assert (by_accuracy.by_loss, by_loss.by_loss) == (False, True)
    assert by_loss.tau == pytest.approx(1)
    told = warning(load(run.directory), (by_accuracy, by_loss))
    assert "Rung 1 does not rank networks reliably. mIoU: tau " in told
    assert "Its training loss does, which search=paredown and search=promote go by as well. " in told
    assert "go by as well. Training loss, for mIoU: tau 1.00 with rung 2" in told
    assert "Do not stop" not in told
    assert "Training loss, for mIoU" in report.write(run.directory).read_text(encoding="utf-8")


def test_the_interval_of_tau_narrows_with_the_trials_and_holds_the_value():
    rng = np.random.default_rng(3)
    widths = []
    for count in (20, 200, 2000):
        early = rng.standard_normal(count)
        low, high = interval(early, early + rng.standard_normal(count))
        assert low < 0.5 < high  # the tau of two normals of correlation 1/sqrt(2)
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]
    assert interval(np.arange(9.0), np.arange(9.0)) == (1.0, 1.0)


def test_too_few_to_say(writer, variant_of):
    run, rng = writer(), random.Random(2)
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3)
    for _ in range(6):
        run.trial(variant_of(rng), latency=90.0, miou=0.2, rungs=1)
    assert "6 networks" in warning(load(run.directory), agreements(load(run.directory)))
    text = summary_text(load(run.directory), compare(load(run.directory)), {})
    assert "too few to say" in " ".join(text.split())


def seeded(run, arch, latency, mean, spread, seeds=3):
    for seed in range(seeds):
        run.trial(arch, latency=latency, miou=mean + spread * (seed - 1), seed=seed)


def test_the_probability_that_a_member_of_the_front_is_undominated(writer):
    run = writer()
    seeded(run, named("segformer_b2"), 100.0, 0.300, 0.02)
    seeded(run, named("boostformer"), 60.0, 0.299, 0.02)  # far faster, and as good within the noise
    seeded(run, named("segformer_b1"), 40.0, 0.10, 0.02)  # far worse than both, and fastest
    comparison = compare(load(run.directory))
    sure = {network.arch.id: network.undominated for network in comparison.front}
    assert sure[named("segformer_b1").id] == 1.0
    assert sure[named("segformer_b2").id] == pytest.approx(0.5, abs=0.06)
    assert sure[named("boostformer").id] == 1.0
    assert "undominated" in summary_text(load(run.directory), comparison, {})
    assert any("undominated with" in card.place for card in headlines(comparison, {}))
    assert "&gt; 99 %" in report.write(run.directory).read_text(encoding="utf-8")
    assert "undominated" in (run.directory / "front.csv").read_text().splitlines()[0]


def test_without_seeds_nothing_is_said_of_it(full):
    comparison = compare(load(full))
    assert not comparison.sure
    assert "undominated" not in summary_text(load(full), comparison, {}).lower()


def test_what_is_only_measured_is_listed_and_not_on_the_front(writer):
    run = writer()
    run.trial(named("segformer_b2"), latency=100.0, miou=0.3)
    run.trial(named("boostformer"), latency=10.0, miou=0.0, rungs=0)
    found = load(run.directory)
    assert [trial.kind for trial in found.trials] == ["ok", "measured"]
    assert [network.arch.id for network in compare(found).front] == [named("segformer_b2").id]
    assert "1 finished, 1 measured only" in summary_text(found, compare(found), {})
    again = run.ask(named("boostformer"), rung=1, continues=1)
    run.rung(again, 1, miou=0.1)
    run.end(again, "ok", "")
    assert load(run.directory).trials[1].kind == "ok"

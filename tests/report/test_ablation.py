"""An ablation's files, verdicts and page, from plans and logs written by hand."""

import copy
import csv
import itertools
import random
from pathlib import Path

import pytest
import yaml

import report
from report.ablation import ablation_of
from report.certain_change import WORDS, Change, judged
from report.latex import tex
from report.run import load
from search.effects import Effect, Ratio
from space import Arch

GAINS = {"stage1": 2.0, "stage2": 0.0, "stage4": -3.0}
"""Points that an arm of a stage without attention gains."""


def arch_of(name):
    return Arch.from_yaml(Path(__file__).parents[2] / "conf" / "arch" / f"{name}.yaml")


@pytest.fixture
def reference():
    return arch_of("boostformer")


def shallow(reference, stage):
    """The reference with one block in a stage."""
    changed = copy.deepcopy(dict(reference.arch))
    changed[stage]["depth"] = 1
    return Arch.make("segformer", changed)


@pytest.fixture
def sweep(writer, reference):
    """Writes an ablation of three arms: sweep(seeds=3, kind="leave_one_out", broken=(stage, seed), plan={...})."""

    def write(*, seeds=3, kind="leave_one_out", broken=(), plan=None, finished=True):
        run, rng = writer(f"{kind}-{seeds}-{random.random()}"), random.Random(0)
        baseline = arch_of("segformer_b2")
        run.trial(baseline, latency=100.0, miou=0.3, latency_ratio_low=0.99, latency_ratio_high=1.01)
        shifts, arms = [rng.gauss(0, 0.02) for _ in range(seeds)], {stage: shallow(reference, stage) for stage in GAINS}
        for seed, shift in enumerate(shifts):
            run.trial(reference, latency=60.0, miou=0.3 + shift, params=17.58, seed=seed, **ends(0.6))
            for number, (stage, arm) in enumerate(arms.items()):
                if (stage, seed) in broken:
                    run.end(run.ask(arm, seed=seed), "failed", "nan: the loss was not finite")
                    continue
                miou = 0.3 + shift + GAINS[stage] / 100 + rng.gauss(0, 0.001)
                run.trial(arm, latency=48.0, miou=miou, params=15.0 + number, seed=seed, **ends(0.48))
        before = [reference.id, *(arm.id for arm in arms.values())]
        told = [
            {"name": f"{stage}.depth -> 1", "id": arm.id, "changes": [f"{stage}.depth -> 1"], "why": "",
             "compared": before[n] if kind == "ladder" else reference.id}
            for n, (stage, arm) in enumerate(arms.items())
        ]  # fmt: skip
        head = {"plan": kind, "title": "boostformer & its <depths>", "reference": {"name": "boostformer", "id": reference.id}}
        head |= {"against": {"name": "segformer_b2", "id": baseline.id}, "seeds": list(range(seeds)), "level": 0.95, "until": None}
        content = head | {"arms": told, "left_out": [{"name": "stage3.depth -> 1", "why": "rule 'x' cannot hold"}]} | (plan or {})
        (run.directory / "plan.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        if finished:
            run.finish()
        return run.directory

    return write


def ends(ratio):
    return {"latency_ratio_low": ratio * 0.98, "latency_ratio_high": ratio * 1.02}


def rows(directory):
    return {row["arm"]: row for row in csv.DictReader((directory / "ablation.csv").read_text().splitlines())}


def test_the_verdicts_follow_the_intervals_and_the_order_the_effects(sweep):
    found = ablation_of(load(sweep()))
    assert found.goal == "miou"
    assert [(row.arm.name, row.verdict) for row in found.shown] == [
        ("stage1.depth -> 1", "helps"),
        ("stage2.depth -> 1", "costs nothing"),
        ("stage4.depth -> 1", "hurts"),
    ]
    helps = found.shown[0].changes
    assert helps["miou"].absolute == pytest.approx(2.0, abs=0.3)
    assert helps["miou"].low < 2.0 < helps["miou"].high
    assert helps["params_m"].exact
    assert helps["params_m"].absolute == pytest.approx(15.0 - 17.58)
    assert helps["latency_ms"].percent == pytest.approx(-20.0)
    assert helps["latency_ms"].percent_low < -20 < helps["latency_ms"].percent_high < 0


def test_all_files_are_written_and_the_page_holds_them(sweep):
    directory = sweep()
    page = report.write(directory).read_text(encoding="utf-8")
    line = rows(directory)["stage1.depth -> 1"]
    assert (line["n"], line["verdict"]) == ("3", "helps")
    assert float(line["miou_p_holm"]) < 0.05
    assert float(line["miou_own_low"]) < float(line["miou_change"]) < float(line["miou_own_high"])
    assert float(line["params_m_change"]) == pytest.approx(15.0 - 17.58)
    assert "| boostformer | 3 |" in (directory / "ablation.md").read_text()
    latex = (directory / "ablation.tex").read_text()
    assert r"\toprule" in latex
    assert r"boostformer \& its \textless{}depths\textgreater{}" in latex
    assert (directory / "ablation.png").read_bytes().startswith(b"\x89PNG")
    assert page.count('class="drawn" src="data:image/png;base64,') == 1
    assert "boostformer &amp; its &lt;depths&gt;" in page
    assert "rule &#39;x&#39; cannot hold" in page
    told = report.summary(directory)
    assert "helps" in told
    assert "Left out, stage3.depth -> 1: rule 'x' cannot hold." in told


def test_a_ladder_keeps_its_order_and_shows_both_changes(sweep):
    directory = sweep(kind="ladder")
    report.write(directory)
    found = ablation_of(load(directory))
    assert [row.arm.name for row in found.shown] == [f"{stage}.depth -> 1" for stage in GAINS]
    last = found.shown[-1]
    assert last.changes["miou"].absolute == pytest.approx(-3.0, abs=0.4)  # against stage2's 0
    assert found.shown[1].changes["miou"].absolute == pytest.approx(-2.0, abs=0.4)
    assert found.shown[1].totals["miou"].absolute == pytest.approx(0.0, abs=0.4)
    assert "miou_change_cumulative" in rows(directory)["stage2.depth -> 1"]


def test_one_seed_says_that_no_interval_is_possible(sweep):
    directory = sweep(seeds=1)
    report.write(directory)
    assert {row.verdict for row in ablation_of(load(directory)).rows} == {"no interval"}
    assert "No interval is possible" in report.summary(directory)
    assert rows(directory)["stage1.depth -> 1"]["miou_low"] == ""


def test_a_failed_training_is_left_out_of_its_pair_and_told(sweep):
    found = ablation_of(load(sweep(broken=[("stage1", 1)])))
    row = next(row for row in found.rows if row.arm.name.startswith("stage1"))
    assert row.changes["miou"].effect.n == 2
    assert row.changes["miou"].effect.alone == (1,)
    assert "seed 1 failed: nan: the loss was not finite" in row.state


def test_a_run_that_has_only_begun_shows_its_arms(sweep):
    directory = sweep(seeds=0, finished=False, plan={"seeds": [0]})
    page = report.write(directory).read_text(encoding="utf-8")
    assert "stage1.depth -&gt; 1" in page
    assert {row.verdict for row in ablation_of(load(directory)).rows} == {"not known"}
    assert "Continue with" in report.summary(directory)


def test_a_plan_that_lacks_something_is_refused_by_name(sweep):
    directory = sweep()
    (directory / "plan.yaml").write_text("plan: ladder\n")
    with pytest.raises(ValueError, match=r"plan\.yaml: reference, arms missing"):
        report.write(directory)


def test_a_second_writing_is_the_same(sweep):
    directory = sweep()
    first = report.write(directory).read_text()
    assert report.write(directory).read_text() == first


def effect(mean, half, p_holm):
    return Effect(3, mean, mean - half, mean + half, p_holm, p_holm, pooled=True)


@pytest.mark.parametrize(
    ("mean", "half", "p_holm", "latency", "word"),
    [
        (0.02, 0.01, 0.01, (1.1, 1.0, 1.2), "helps"),
        (-0.02, 0.01, 0.01, (0.9, 0.8, 0.95), "hurts"),
        (0.001, 0.004, 0.5, (0.9, 0.8, 0.95), "costs nothing"),
        (0.001, 0.004, 0.5, (0.9, 0.8, 1.05), "no difference that matters"),  # faster is not shown
        (0.02, 0.03, 0.5, (0.9, 0.8, 0.95), "no difference shown"),  # cheaper, but a loss of a point is open
        (0.02, 0.01, 0.06, (1.1, 1.0, 1.2), "no difference shown"),  # alone, not in its family
    ],
)
def test_a_verdict_claims_no_more_than_the_interval(mean, half, p_holm, latency, word):
    changes = {"miou": Change.trained("miou", effect(mean, half, p_holm), 0.3), "latency_ms": Change.timed(Ratio(*latency), 60.0)}
    given = {"level": 0.95, "until": None, "family": 5}
    found, told = judged(changes, "miou", {"miou": "max", "latency_ms": "min"}, **given)
    assert found == word
    assert found in WORDS
    if word == "no difference shown":
        assert "left open" in told
    mirrored = {"mae": Change.trained("mae", effect(-mean * 100, half * 100, p_holm), 100.0), "latency_ms": changes["latency_ms"]}
    if word in ("helps", "hurts"):
        assert judged(mirrored, "mae", {"mae": "min"}, **given)[0] == word


def test_tex_escapes_what_latex_reads():
    assert tex("a_b & 5 % {x} -> y") == r"a\_b \& 5 \% \{x\} $\rightarrow$ y"


def factorial_plan(levels, ids, reference):
    arms = [
        {
            "name": ", ".join(cell),
            "id": ids[cell],
            "changes": [],
            "compared": ids[reference],
            "levels": dict(zip(levels, cell, strict=True)),
        }
        for cell in itertools.product(*levels.values())
        if cell != reference
    ]
    factors = [{"name": name, "levels": list(options)} for name, options in levels.items()]
    return {"plan": "factorial", "title": "mixers", "arms": arms, "factors": factors, "resolution": "full", "aliases": []}


def test_a_factorial_shows_its_effects_and_interactions(writer, reference):
    levels = {"stage1.mixer": ("pool", "depthwise"), "stage2.depth": ("1", "2", "4")}
    run, rng, ids = writer("factorial"), random.Random(0), {}
    for cell in itertools.product(*levels.values()):
        changed = copy.deepcopy(dict(reference.arch))
        changed["stage1"]["mixer"] = {"name": cell[0]} | ({"size": 3} if cell[0] == "pool" else {})
        changed["stage2"]["depth"] = int(cell[1])
        made = Arch.make("segformer", changed)
        ids[cell] = made.id
        for seed in range(3):
            miou = 0.3 + 0.02 * (cell[0] == "depthwise") + 0.01 * seed + rng.gauss(0, 0.001)
            run.trial(made, latency=60.0, miou=miou, seed=seed)
    plan = factorial_plan(levels, ids, ("pool", "4"))
    head = {"reference": {"name": "boostformer", "id": ids["pool", "4"]}, "seeds": [0, 1, 2], "level": 0.95}
    (run.directory / "plan.yaml").write_text(yaml.safe_dump(plan | head))
    page = report.write(run.directory).read_text(encoding="utf-8")
    assert "Effects of the factors" in page
    assert page.count('class="drawn" src="data:image/png;base64,') == 2
    assert (run.directory / "interactions.png").exists()
    assert "stage1.mixer x stage2.depth" in (run.directory / "ablation.md").read_text()

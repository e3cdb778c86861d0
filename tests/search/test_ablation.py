"""search=ablation: paired seeds, more of them where it is undecided, plans on paper, and trainings of earlier runs."""

import io
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import yaml
from rich.console import Console
from test_strategies import played
from toy import Evaluate, measurements, strategy, toy_space

from evaluators.api import Job, Outcome, RungResult
from search.kept_conf import keep_conf
from search.launch.serial import Serial
from search.plan_sheet import announced, keep_plan
from search.plans import Named, made, requested
from search.progress import Progress
from search.records import Log, read
from search.reuse import Reusing, reusing
from search.spending import epochs
from space import Arch

SPACE = toy_space()


def member(**given):
    return Arch.make("toy_search", given)


PLAIN, POOLED = Named("plain", member()), Named("pooled", member(a=2, b=3, mixer={"name": "pool", "size": 5}))
CONF = {"space": {"network": "toy_search", "arch": {}}, "schedule": {"rungs": [1, 3]}, "search": {"seed": 0}, "init": None}


def ablation(**options):
    given = {"plan": "add_one_in", "ends": [PLAIN, POOLED], "seeds": [0, 1], **options}
    return strategy("ablation", **given)


@dataclass
class Known:
    """An interval as it is to be."""

    low: float | None
    high: float | None


def asked(records):
    return [(record.proposal.arch, record.proposal.seed) for record in records]


def test_the_reference_and_every_arm_under_one_seed_before_the_next():
    records = played(ablation())
    arms = [arm.arch for arm in ablation().planned(SPACE).arms]
    assert asked(records) == [(arch, seed) for seed in (0, 1) for arch in (PLAIN.arch, *arms)]
    assert ablation().total(SPACE) == len(records) == 8


def test_the_baseline_is_trial_0_and_trained_once_where_the_plan_has_no_use_for_it():
    records = played(ablation(plan="leave_one_out"))
    assert asked(records)[:2] == [(SPACE.baseline, 0), (POOLED.arch, 0)]
    assert (SPACE.baseline, 1) not in asked(records)
    assert asked(played(ablation(plan="leave_one_out", baseline=False)))[0] == (POOLED.arch, 0)


def test_a_budget_ends_it_early_and_it_says_what_is_missing():
    conf = ablation(budget="5 full")
    records = played(conf, workers=2)
    assert epochs(records, conf.rungs) == 15
    assert "3 more are planned: search.budget=5 full is spent" in conf.summed_up(SPACE, records)
    assert len(played(ablation(budget="3 trials"))) == 3
    assert len(played(ablation(budget="100 trials"))) == 8


def widths(monkeypatch, half):
    """Let every arm's interval be `half(arch, n)` to either side, n being the seeds that both networks have."""

    def paired(values, pairs, level):
        both = {pair: len(values.get(pair[0], {}).keys() & values.get(pair[1], {}).keys()) for pair in pairs}
        return {pair: Known(None, None) if n < 2 else Known(-half(pair[0], n), half(pair[0], n)) for pair, n in both.items()}

    monkeypatch.setattr("search.effects.paired", paired, raising=False)


@pytest.mark.parametrize("workers", [1, 3])
def test_more_seeds_go_where_it_is_undecided_the_reference_with_them(monkeypatch, workers):
    wide = ablation().planned(SPACE).arms[1].arch
    widths(monkeypatch, lambda key, n: (0.2 if key == wide.id else 0.02) / n)
    records = played(ablation(until=0.05), workers=workers)
    assert sorted(seed for arch, seed in asked(records) if arch == wide) == [0, 1, 2, 3]
    assert sorted(seed for arch, seed in asked(records) if arch == PLAIN.arch) == [0, 1, 2, 3]
    assert len(records) == 8 + 4


def test_until_is_in_the_units_that_are_shown_and_stops_at_most(monkeypatch):
    widths(monkeypatch, lambda key, n: 0.03)
    assert len(played(ablation(until=4.0, scale=100.0))) == 8
    assert len(played(ablation(until=2.0, scale=100.0, most=5))) == 4 * 5


def test_an_arm_over_a_limit_or_never_trained_gets_no_more_seeds(monkeypatch):
    widths(monkeypatch, lambda key, n: 0.0)
    arms = [arm.arch for arm in ablation().planned(SPACE).arms]
    for kind, asks in (("infeasible", 1), ("failed", 2)):
        records = played(ablation(until=0.1), kind=lambda arch, kind=kind: kind if arch == arms[0] else "ok")
        assert sum(record.proposal.arch == arms[0] for record in records) == asks
        assert len(records) == 6 + asks


def test_one_seed_goes_on_where_an_interval_is_asked_for(monkeypatch):
    widths(monkeypatch, lambda key, n: 0.0)
    assert len(played(ablation(seeds=[7], until=0.1))) == 4 * 2


def test_until_with_the_reports_own_intervals():
    records = played(ablation(until=0.005, most=8))
    assert 8 < len(records) <= 4 * 8


def test_a_searched_ladder_is_decided_by_its_trainings():
    conf = ablation(plan="ladder", order="best")
    records = played(conf, workers=3)
    plan = conf.planned(SPACE, records)
    assert plan.arms[-1].arch == POOLED.arch
    assert not plan.candidates
    assert len(records) <= conf.total(SPACE)
    first = made("ladder", requested(space=SPACE, start=PLAIN, against=POOLED, order="best")).candidates
    scores = conf.scores(records)
    assert plan.arms[0].arch.id == min((arm.arch.id for arm in first), key=scores.__getitem__)


def test_a_searched_ladder_goes_round_a_candidate_that_is_over_a_limit():
    conf = ablation(plan="ladder", order="best")
    over = conf.planned(SPACE).candidates[0].arch
    records = played(conf, kind=lambda arch: "infeasible" if arch == over else "ok")
    assert conf.planned(SPACE, records).arms[-1].arch == POOLED.arch
    assert over not in [arm.arch for arm in conf.planned(SPACE, records).arms]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plan": "leave_out"}, r"unknown plan 'leave_out'.*Did you mean 'leave_one_out'"),
        ({"seeds": []}, "search.seeds: none given"),
        ({"seeds": [0, 1, 0]}, "0 is in it twice"),
        ({"until": 0.0}, "search.until: 0.0 given"),
        ({"most": 1}, "search.most: 1 given; allowed: 2"),
        ({"level": 95.0}, "search.level: 95.0 given"),
        ({"order": "worst"}, "search.order: 'worst' given"),
        ({"confirm": 3}, "search.confirm: 3 given"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        ablation(**options)


def run_in(directory, conf, evaluate):
    with Log.open(directory) as log:
        keep_conf(directory, CONF, defaults={})
        keep_plan(directory, conf, SPACE, log.records)
        progress = Progress(1, goals=conf.goals, last=conf.rung, console=Console(file=io.StringIO()))
        Serial().run(SPACE, conf, evaluate, log, progress=progress)
        keep_plan(directory, conf, SPACE, log.records)
    return read(directory)


def shown(conf, directory, evaluation=None):
    text = io.StringIO()
    run = SimpleNamespace(strategy=conf, space=SPACE, directory=directory, evaluation=evaluation)
    return announced(run, console=Console(file=text, width=120)), text.getvalue()


def test_the_plan_is_shown_and_dry_stops_there(tmp_path):
    goes_on, text = shown(ablation(), tmp_path)
    assert goes_on
    assert "plain with each of the changes to pooled alone" in text
    assert "3 arms and the reference, seeds 0, 1: 8 trainings" in text
    assert "unknown before the first trial" in text
    goes_on, text = shown(ablation(dry=True, seeds=[3]), tmp_path)
    assert not goes_on
    assert "no interval is possible" in text
    assert not list(tmp_path.iterdir())
    assert shown(strategy("random"), tmp_path) == (True, "")


def test_the_plan_lies_in_the_run_directory_and_says_what_the_report_needs(tmp_path):
    conf = ablation(plan="ladder", order="best")
    run_in(tmp_path, conf, Evaluate())
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert plan["reference"] == {"name": "plain", "id": PLAIN.arch.id}
    assert plan["against"]["id"] == plan["arms"][-1]["id"] == POOLED.arch.id
    assert plan["arms"][1]["compared"] == plan["arms"][0]["id"]
    assert {"plan", "title", "seeds", "level", "until", "left_out"} < plan.keys()
    _, text = shown(conf, tmp_path)
    assert "none, all of it is there" in text

    cells = ablation(plan="factorial", choices=["b", "mixer"], ends=[PLAIN, None], seeds=[0])
    keep_plan(tmp_path, cells, SPACE, read(tmp_path))
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert plan["factors"][1] == {"name": "mixer", "levels": ["attention", "pool"]}
    assert all(arm["levels"].keys() == {"b", "mixer"} for arm in plan["arms"])
    assert plan["resolution"] == "full"


def test_trainings_of_an_earlier_run_are_taken_over(tmp_path):
    before, after = tmp_path / "toy" / "before", tmp_path / "toy" / "after"
    run_in(before, ablation(seeds=[0]), Evaluate())
    evaluation = reusing(Fresh(), [str(before)], {**CONF, "search": {"seed": 1}}, {})
    text = shown(ablation(), after, evaluation)[1]
    assert "8 trainings, 4 reused" in text
    records = run_in(after, ablation(), evaluation)
    reused = [record for record in records if "reused_from" in record.measurements]
    assert [record.proposal.seed for record in reused] == [0] * 4
    assert reused[0].measurements["reused_from"] == "toy/before trial 0"
    for record in reused:
        assert record.ok
        assert record.measurements["miou"] == measurements(record.proposal.arch, 0, 2)["miou"]
    assert played(ablation())[0].proposal == records[0].proposal


@dataclass(frozen=True)
class Fresh:
    """Trains under seed 1 only: anything else should have been found."""

    def __call__(self, job: Job):
        assert job.seed == 1
        yield from (RungResult(rung, measurements(job.arch, job.seed, rung)) for rung in range(job.rung + 1))
        yield Outcome("ok")


def test_trainings_that_were_others_are_refused_with_the_difference(tmp_path):
    run_in(tmp_path / "before", ablation(seeds=[0]), Evaluate())
    for conf, message in (
        ({**CONF, "schedule": {"rungs": [1, 9]}}, r"schedule\.rungs: there \[1, 3\], here \[1, 9\]"),
        ({**CONF, "space": {"network": "other", "arch": {}}}, r"space\.network"),
        ({**CONF, "init": "parent"}, "init=parent"),
    ):
        with pytest.raises(ValueError, match=message):
            reusing(Fresh(), [str(tmp_path / "before")], conf, {})
    with pytest.raises(ValueError, match=r"has no config\.yaml"):
        reusing(Fresh(), [str(tmp_path)], CONF, {})
    narrowed = {**CONF, "space": {"network": "toy_search", "arch": {"a": 1}}, "choices": {"space": "toy_narrow"}}
    assert isinstance(reusing(Fresh(), [str(tmp_path / "before")], narrowed, {}), Reusing)
    assert reusing(Fresh(), [], CONF, {}) == Fresh()


def test_it_is_continued_where_it_stopped(tmp_path):
    conf = ablation()
    whole = run_in(tmp_path / "whole", conf, Evaluate())
    part = run_in(tmp_path / "part", replace(conf, budget="3 trials"), Evaluate())
    assert len(part) == 3
    assert [r.proposal for r in run_in(tmp_path / "part", conf, Evaluate())] == [r.proposal for r in whole]

import io

from rich.console import Console
from toy import strategy, toy_space

from evaluators.api import Outcome
from search.objectives import Objective
from search.progress import Progress
from search.records import Proposal, Record, Records


def record(number, values=None, outcome=None):
    arch = list(toy_space().enumerate())[number]
    return Record(
        number, Proposal(arch, 0, 2), number, measurements=values or {}, outcome=outcome, ended_at=number if outcome else None
    )


def shown(terminal):
    out = io.StringIO()
    goals = strategy().goals
    progress = Progress(5, goals=goals, last=2, columns=["params_m"], console=Console(file=out, force_terminal=terminal, width=120))
    base = record(0, {"miou": 0.5, "latency_ms": 2.0, "params_m": 4.0}, Outcome("ok"))
    other = record(1, {"miou": 0.6, "latency_ms": 1.0, "params_m": None}, Outcome("ok"))
    with progress:
        for each in (base, other, record(2, {}, Outcome("infeasible", "latency_ms 9 > 5"))):
            progress.asked(Record(each.number, each.proposal, each.number))
            progress.rung(each, 0)
            progress.ended(each)
    return out.getvalue()


def test_a_line_for_each_ended_trial_against_the_baseline():
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 3
    assert "baseline  miou 0.5  latency_ms 2  params_m 4" in lines[0]
    assert "miou 0.6 (+20.0 %)  latency_ms 1 (-50.0 %)" in lines[1]
    assert "infeasible: latency_ms 9 > 5" in lines[2]
    assert [line.rpartition("  ")[2] for line in lines] == ["[1/5]", "[2/5]", "[2/5]"]


def test_a_note_stays_on_one_line():
    out = io.StringIO()
    Progress(5, goals=strategy().goals, last=2, console=Console(file=out, width=20)).note("results in " + "/long" * 9)
    assert out.getvalue() == "results in " + "/long" * 9 + "\n"


def test_bars_on_a_terminal():
    text = shown(terminal=True)
    assert "members" in text


def test_a_resumed_run_says_so():
    out = io.StringIO()
    progress = Progress(5, goals=strategy().goals, last=2, console=Console(file=out, width=120))
    progress.resumed(Records((record(0, {"miou": 0.5}, Outcome("ok")), record(1))))
    assert "continuing a run of 2 trials, 1 of them to be launched again" in out.getvalue()


def test_a_budget_shows_what_is_spent_of_it():
    out = io.StringIO()
    progress = Progress(5, goals=strategy().goals, last=2, console=Console(file=out, width=120))
    each = record(1, {"miou": 0.6, "latency_ms": 1.0}, Outcome("ok"))
    progress.asked(Record(1, each.proposal, 1))
    progress.stands(4.3333, 25.0, "full")
    progress.ended(each)
    assert out.getvalue().strip().endswith("[4.333 of 25 full]")


def test_what_was_only_measured_counts_for_nothing_and_a_continued_trial_once():
    space = toy_space()
    arch = next(space.enumerate())
    cheap = Record(3, Proposal(arch, 0, 0), 3, measurements={"latency_ms": 1.0}, outcome=Outcome("ok"), ended_at=3)
    first = Record(4, Proposal(arch, 0, 1), 4, measurements={"miou": 0.5}, outcome=Outcome("ok"), ended_at=4)
    again = Record(5, Proposal(arch, 0, 2, 4), 4, measurements={"miou": 0.6}, outcome=Outcome("ok"), ended_at=5)
    lines = told(cheap, first, again, goals=strategy().goals)
    assert "measured only  latency_ms 1" in lines[0]
    assert [line.rpartition("  ")[2] for line in lines] == ["[0/5]", "[1/5]", "[1/5]"]
    assert lines[2].startswith("trial   4 ")
    assert "to rung 2" in lines[2]


def told(*records, goals):
    out = io.StringIO()
    progress = Progress(5, goals=goals, last=2, console=Console(file=out, width=120))
    for each in records:
        progress.asked(Record(each.number, each.proposal, each.number))
        progress.ended(each)
    return out.getvalue().splitlines()


def test_latency_changes_by_the_ratio_read_in_turns():
    base = record(0, {"miou": 0.5, "latency_ms": 2628.0, "latency_ratio": 0.9}, Outcome("ok"))
    other = record(1, {"miou": 0.5, "latency_ms": 110.0, "latency_ratio": 0.31}, Outcome("ok"))
    lines = told(base, other, goals=strategy().goals)
    assert "latency_ms 2628  " in lines[0]
    assert "latency_ms 110 (-69.0 %)" in lines[1]


def test_a_metric_that_is_better_when_small_and_one_that_began_at_nothing():
    goals = (Objective("mae", "min"), Objective("map50", "max"))
    base, other = (record(n, {"mae": mae, "map50": 0.1 * n}, Outcome("ok")) for n, mae in ((0, 20.0), (1, 15.0)))
    assert "mae 15 (-25.0 %)  map50 0.1  " in told(base, other, goals=goals)[1]

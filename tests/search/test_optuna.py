import random

import optuna
import pytest
from toy import measurements, strategy, toy_space

from evaluators.api import Outcome
from search.objectives import point
from search.records import Proposal, Record, Records
from search.strategy._optuna import distributions, indices

SPACE = toy_space()


def ended(number, arch, kind="ok", **more):
    readings = {**measurements(arch, 0, 0), **(measurements(arch, 0, 2) if kind == "ok" else {})}
    return Record(number, Proposal(arch, 0, 2), number, measurements=readings, outcome=Outcome(kind), ended_at=number, **more)


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
@pytest.mark.parametrize(
    "objectives", [{"miou": "max", "latency_ms": "min"}, {"miou": "max", "latency_ms": "min", "params_m": "min"}]
)
def test_the_rebuilt_study_suggests_what_a_live_one_does(name, objectives):
    space = toy_space(narrowed=True, mixers=("pool",), a=[0, 1, 2, 3], b=[3, 4, 5, 6, 7])  # no closed holes, no rule to break
    conf, grid = strategy(name, population=4, objectives=objectives), distributions(space)
    live = optuna.create_study(directions=["minimize"] * len(objectives))
    records, different = Records(), set()
    for number in range(1, 27):  # trial 0, the baseline, is outside
        live.sampler = conf.sampler(number)
        suggested = conf.study(space, records, number).ask(grid).params
        asked = live.ask(grid)
        assert asked.params == suggested, f"ask {number}"
        values = {hole.name: hole.options[asked.params.get(hole.name, 0)] for hole in space.holes()}
        record = ended(number, space.fill(values))
        live.tell(asked, point(record.measurements, conf.goals))
        records = Records((*records.items, record))
        different.add(str(asked.params))
    assert len(different) > 10


def test_states_limits_and_running_trials_reach_the_study():
    conf = strategy("tpe", limits={"latency_ms": 4.0})
    arches = list(SPACE.enumerate())[::9]
    slow = ended(2, arches[2], "infeasible")
    slow = Record(2, slow.proposal, 2, measurements={"latency_ms": 6.0}, outcome=slow.outcome, ended_at=2)
    running = Record(4, Proposal(arches[4], 0, 2), 4)
    items = (ended(0, arches[0]), ended(1, arches[1], "failed"), slow, ended(3, arches[3]), running)
    trials = conf.study(SPACE, Records(items), 0).get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "PRUNED", "COMPLETE", "RUNNING"]
    assert trials[2].constraints == {"0": pytest.approx(0.5)}
    assert trials[4].params == indices(SPACE, arches[4])


def test_closed_holes_take_an_index_seeded_by_the_id():
    found = {
        indices(SPACE, SPACE.fill({"a": a, "b": 7, "mixer": "attention", "mixer.pool.size": 3}))["mixer.pool.size"]
        for a in range(8)
    }
    assert len(found) > 1
    again = indices(toy_space(), SPACE.baseline)
    assert again == indices(SPACE, SPACE.baseline)


def test_a_baseline_outside_is_not_learnt_from():
    space = toy_space(narrowed=True, a=[2, 4, 6])
    inside = [space.sample(random.Random(n)) for n in range(3)]
    records = Records((ended(0, space.baseline), ended(1, inside[0]), ended(2, inside[1])))
    assert len(strategy("nsga2").study(space, records, 0).get_trials()) == 2


def test_numbers_in_order_keep_it_and_names_do_not():
    grid = distributions(SPACE)
    assert isinstance(grid["a"], optuna.distributions.IntDistribution)
    assert isinstance(grid["mixer"], optuna.distributions.CategoricalDistribution)


def test_a_model_remembers_the_newest_trials_and_the_best_of_the_others():
    members = sorted(SPACE.enumerate(), key=lambda arch: (arch.arch["a"], arch.id))[::-1][:60]  # the best first
    records = Records(tuple(ended(number, arch) for number, arch in enumerate(members)))
    conf = strategy("tpe", remember=21, objectives={"miou": "max"})
    numbers = [record.number for record in conf.remembered(records)]
    older = sorted(range(50), key=lambda number: -records[number].measurements["miou"])
    assert numbers == [*sorted(older[:11]), *range(50, 60)]
    assert len(conf.study(SPACE, records, 0).get_trials()) == 21
    assert (
        [*strategy("tpe", remember=60).remembered(records)] == [*strategy("tpe", remember=None).remembered(records)] == [*records]
    )


def test_running_trials_are_never_forgotten_and_failed_ones_are_none_of_the_best():
    arches = list(SPACE.enumerate())[:40]
    items = [ended(number, arch, "failed" if number < 20 else "ok") for number, arch in enumerate(arches[:38])]
    running = [Record(number, Proposal(arches[number], 0, 2), number) for number in (38, 39)]
    study = strategy("gp", remember=10).study(SPACE, Records((*items, *running)), 0)
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE"] * 10 + ["RUNNING"] * 2

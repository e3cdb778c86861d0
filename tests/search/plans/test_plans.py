"""Plans on a small network with every kind of coupling: options with choices of their own, rules, repeats, ties."""

import dataclasses
import random

import pytest
from toy import toy_space

from search.plans import PLANS, Named, Request, made
from search.plans._fraction import aliases, fraction
from search.plans._patterns import matches, merged
from space import Arch, Space, SpaceConf

SPACE = toy_space()


def member(**given):
    return Arch.make("toy_search", given)


PLAIN, POOLED = Named("plain", member()), Named("pooled", member(a=2, b=3, mixer={"name": "pool", "size": 5}))
ASKED = {
    "one_at_a_time": {"start": POOLED},
    "factorial": {"start": PLAIN, "choices": ("b", "mixer")},
}


def asked(kind, **options):
    given = ASKED.get(kind, {"start": PLAIN, "against": POOLED})
    return Request(**{"space": SPACE, **given, **options})


@pytest.mark.parametrize("kind", PLANS.names())
def test_every_arm_is_a_member_that_differs_once_and_is_compared_with_another(kind):
    plan = made(kind, asked(kind))
    ids = [plan.reference.arch.id, *(arm.arch.id for arm in plan.arms)]
    assert plan.title
    assert plan.arms
    assert len(set(ids)) == len(ids)
    assert all(arm.arch in SPACE and arm.compared in ids and arm.compared != arm.arch.id for arm in plan.arms)
    assert all(arm.changes and arm.name for arm in plan.arms)
    assert made(kind, asked(kind)) == plan


@pytest.mark.parametrize("kind", PLANS.names())
def test_options_that_a_plan_has_no_use_for_are_refused(kind):
    for name, value in (("choices", ("mixer",)), ("order", ("mixer",)), ("resolution", "4")):
        if name not in PLANS[kind].uses:
            with pytest.raises(ValueError, match=f"plan {kind} has no use for it"):
                made(kind, asked(kind, **{name: value}))
    if PLANS[kind].two_ended:
        with pytest.raises(ValueError, match=r"search\.against: not given"):
            made(kind, asked(kind, against=None))
        with pytest.raises(ValueError, match="are the same network"):
            made(kind, asked(kind, against=Named("again", PLAIN.arch)))
    else:
        with pytest.raises(ValueError, match=r"search\.against: pooled given"):
            made(kind, asked(kind, start=PLAIN, against=POOLED))


@pytest.mark.parametrize("kind", [kind for kind in PLANS if "choices" in PLANS[kind].uses])
def test_a_pattern_that_matches_nothing_names_the_nearest(kind):
    with pytest.raises(ValueError, match=r"'mixr' matches no choice here.*Did you mean 'mixer'"):
        made(kind, asked(kind, choices=("mixr",)))


def test_one_at_a_time_joins_what_a_rule_couples_and_says_so():
    plan = made("one_at_a_time", asked("one_at_a_time"))
    arms = {arm.name.split(" + ")[0]: arm for arm in plan.arms}
    assert len(plan.arms) == 7 + 7 + 1 + 2  # a, b, mixer, mixer.pool.size
    assert arms["a: 2 -> 3"].why == ""
    beyond = arms["a: 2 -> 5"]
    assert beyond.name == "a: 2 -> 5 + b: 3 -> 5"
    assert beyond.changes == ("a: 2 -> 5", "b: 3 -> 5")
    assert beyond.why == "moves with b: alone the rule 'a <= b' does not hold"
    assert arms["mixer: pool -> attention"].arch == member(a=2, b=3)
    assert arms["mixer.pool.size: 5 -> 7"].arch == member(a=2, b=3, mixer={"name": "pool", "size": 7})


def test_what_an_option_opens_moves_with_it():
    plan = made("one_at_a_time", Request(SPACE, PLAIN, choices=("mixer",)))
    assert [arm.changes for arm in plan.arms] == [("mixer: attention -> pool", "mixer.pool.size: none -> 3")]
    assert plan.arms[0].why == "the choices within move with mixer"


def test_two_ends_one_change_at_a_time():
    added, left = (made(kind, asked(kind)) for kind in ("add_one_in", "leave_one_out"))
    assert added.reference == PLAIN
    assert left.reference == POOLED
    assert left.against == PLAIN
    assert [arm.arch for arm in added.arms] == [member(a=2, b=3), member(b=3), member(mixer={"name": "pool", "size": 5})]
    assert added.arms[0].why.startswith("moves with b: alone the rule 'a <= b'")
    taken = [member(b=3, mixer={"name": "pool", "size": 5}), member(mixer={"name": "pool", "size": 5}), member(a=2, b=3)]
    assert [arm.arch for arm in left.arms] == taken
    assert [arm.name for arm in made("leave_one_out", asked("leave_one_out", choices=("mix*",))).arms] == [
        "mixer: pool -> attention"
    ]


def test_the_same_network_twice_is_told_and_trained_once():
    tight = Named("tight", member(a=3, b=3))
    rules = dataclasses.replace(SPACE.origin[0], rules=["a == b"])
    space = Space.load(rules, "toy", {"plain": member(), "pooled": member(a=1, b=1)}.__getitem__)
    plan = made("add_one_in", Request(space, PLAIN, tight))
    assert [arm.arch for arm in plan.arms] == [tight.arch]
    assert [(each.name.split(" + ")[0], each.why) for each in plan.left_out] == [
        ("b: 0 -> 3", "the same network as a: 0 -> 3 + b: 0 -> 3")
    ]


def test_ends_outside_of_the_space_are_compared_in_what_differs():
    narrow = toy_space(narrowed=True, a=[0, 1], b=[0, 1])
    outside = Named("outside", member(a=6, b=7))
    plan = made("add_one_in", Request(narrow, PLAIN, outside))
    assert [arm.arch for arm in plan.arms] == [outside.arch, member(b=7)]


def test_an_impossible_arm_is_left_out_with_its_reason_and_a_plan_of_none_is_refused():
    conf = SpaceConf(**{**vars(SPACE.origin[0]), "rules": ["a <= 3 or b <= 3"], "arch": {"a": {"int": [0, 7]}, "b": 5}})
    space = Space.load(conf, "toy", {"plain": member(b=5), "pooled": member(a=1, b=5)}.__getitem__)
    plan = made("one_at_a_time", Request(space, Named("plain", member(b=5))))
    assert len(plan.arms) == 3
    assert {each.name: each.why for each in plan.left_out}["a: 0 -> 4"] == "the rule 'a <= 3 or b <= 3' does not hold"
    stuck = Space.load(dataclasses.replace(conf, rules=["a == 0"], known=[]), "toy", {"plain": member(b=5)}.__getitem__)
    with pytest.raises(ValueError, match=r"nothing to compare with plain:\n  a: 0 -> 1: the rule 'a == 0'"):
        made("one_at_a_time", Request(stuck, Named("plain", member(b=5))))


def test_a_ladder_in_the_archs_order_in_a_given_one_and_over_a_detour():
    assert [arm.arch for arm in made("ladder", asked("ladder")).arms] == [
        member(b=3),
        member(a=2, b=3),
        POOLED.arch,
    ]
    plan = made("ladder", asked("ladder", order=("mixer", "a")))
    assert [arm.arch for arm in plan.arms] == [member(mixer={"name": "pool", "size": 5}), POOLED.arch]
    assert [arm.compared for arm in plan.arms] == [PLAIN.arch.id, plan.arms[0].arch.id]
    detour = made("ladder", asked("ladder", order=("b=7", "a", "mixer")))
    assert [arm.arch for arm in detour.arms] == [
        member(b=7),
        member(a=2, b=7),
        member(a=2, b=7, mixer={"name": "pool", "size": 5}),
        POOLED.arch,
    ]
    for order, message in (
        (("mixr",), "'mixr' matches no choice here"),
        (("b=9",), "no such value there; allowed: 0, 1"),
        (("a=5",), "cannot be made"),
    ):
        with pytest.raises(ValueError, match=message):
            made("ladder", asked("ladder", order=order))


def test_a_searched_ladder_takes_the_best_candidate_of_each_step():
    wait = made("ladder", asked("ladder", order="best"))
    assert not wait.arms
    scores = {arm.arch.id: score for arm, score in zip(wait.candidates, (3.0, None, 1.0), strict=True)}
    step = made("ladder", asked("ladder", order="best", scores=scores))
    assert [arm.arch for arm in step.arms] == [wait.candidates[2].arch]
    assert all(arm.compared == step.arms[0].arch.id for arm in step.candidates)
    known = scores | {arm.arch.id: float(n) for n, arm in enumerate(step.candidates)}
    done = made("ladder", asked("ladder", order="best", scores=known))
    assert done.arms[-1].arch == POOLED.arch
    assert not done.candidates
    failed = made("ladder", asked("ladder", order="best", scores=dict.fromkeys(scores)))
    assert "no training of any candidate succeeded" in failed.left_out[0].why


def test_a_full_factorial_has_every_cell_once():
    plan = made("factorial", asked("factorial", start=Named("low", member(b=7)), choices=("a", "mixer")))
    assert len(plan.arms) == 8 * 2 - 1
    assert plan.levels == {"a": 0, "mixer": "attention"}
    cells = [tuple(levels.values()) for levels in [plan.levels, *(arm.levels for arm in plan.arms)]]
    assert len(set(cells)) == 16
    for arm in plan.arms:
        assert SPACE.choices(arm.arch)["a"] == arm.levels["a"]


def test_a_factorial_over_a_rule_leaves_the_impossible_cells_out():
    plan = made("factorial", Request(SPACE, PLAIN, choices=("a", "b")))
    assert len(plan.arms) + 1 == 36
    assert {each.why for each in plan.left_out} == {"the rule 'a <= b' does not hold"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choices": ()}, r"search\.choices: none given"),
        ({"resolution": "6"}, "search.resolution: 6 given; allowed: full, 3, 4, 5"),
        ({"resolution": "3", "choices": ("a", "b", "mixer")}, r"a has 8 levels.*space\.arch\.a\.choice=\[0,1\]"),
        ({"start": POOLED, "choices": ("mixer*",)}, r"mixer\.pool\.size exists only where mixer is pool"),
    ],
)
def test_a_factorial_refuses_what_it_cannot_do(options, message):
    with pytest.raises(ValueError, match=message):
        made("factorial", asked("factorial", **options))


@pytest.mark.parametrize(("factors", "resolution"), [(3, 3), (4, 3), (4, 4), (5, 3), (5, 5), (6, 3), (6, 4), (7, 4), (8, 4)])
def test_a_fraction_has_its_resolution_and_begins_with_the_reference(factors, resolution):
    """Orthogonal columns; effects of fewer factors than the resolution are told from one another as far as it promises."""
    from itertools import combinations
    from math import prod

    rows = fraction(factors, resolution)
    assert rows[0] == (0,) * factors
    assert len(set(rows)) == len(rows) < 2**factors
    for order in range(1, resolution):
        for word in combinations(range(factors), order):
            assert sum(prod(2 * row[n] - 1 for n in word) for row in rows) == 0
    names = [f"f{n}" for n in range(factors)]
    told = aliases(rows, names)
    least = (
        min(
            len(left.split(" x ")) + min(len(each.split(" x ")) for each in right.split(" = "))
            for left, right in (t.split(" = ", 1) for t in told)
        )
        if told
        else 9
    )
    assert least >= resolution


def test_a_fraction_out_of_reach():
    with pytest.raises(ValueError, match=r"search\.resolution: 5 given; allowed with 3 factors: full, 3"):
        fraction(3, 5)


def test_the_signs_of_aliases():
    assert aliases(fraction(3, 3), ["a", "b", "c"]) == ("a = -(b x c)", "b = -(a x c)", "c = -(a x b)")


def test_patterns_and_merged_names():
    assert matches("stage1.mixer", "stage*.mixer")
    assert matches("encoder.layer3.window", "encoder.layer.window")
    assert not matches("stage1.mixer.pool.size", "stage*.mixer")
    assert merged(["stage1.embed", "stage2.embed", "stage3.embed"]) == "stage1-3.embed"
    assert merged(["stage1.embed", "stage3.embed"]) == "stage1,3.embed"
    assert merged(["s1.l1.x", "s1.l2.x", "s2.l1.x"]) == "s.l.x (3 places)"


def test_no_plan_invents_a_network_on_random_ends():
    rng = random.Random(0)
    for _ in range(20):
        one, other = SPACE.sample(rng), SPACE.sample(rng)
        if one != other:
            plan = made("ladder", Request(SPACE, Named("one", one), Named("other", other)))
            assert plan.arms[-1].arch == other
            assert all(arm.arch in SPACE for arm in plan.arms)

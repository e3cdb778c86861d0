import pytest

from space import size
from space.size import joints_of, measure

RULES = ["sorted(encoder.layer.window, reverse=True) == encoder.layer.window", "stage1.dim == 8 or stage1.mixer == 'pool'"]


def test_beyond_the_cap_it_is_an_estimate_that_says_so(load, template):
    space = load(template, rules=RULES, narrowed=True)
    exact = space.size()
    guess = measure(space.template, joints_of(space.template, space.rules, cap=5))
    assert exact.exact
    assert str(exact) == f"{exact.count:,} members"
    assert not guess.exact
    assert guess.bound == space.template.free == 3 * 15 * 6 * 39
    assert guess.count == pytest.approx(exact.count, rel=4 * guess.error)
    assert 0 < guess.error < 0.1
    assert f"estimated from {size.SAMPLES:,} samples" in str(guess)


def test_rules_with_shared_holes_are_counted_together(load, template):
    template["encoder"]["layer"]["repeat"] = {"choice": [1, 2]}
    rules = [*RULES, "stage2.mixer == 'pool' or stage1.mixer == 'pool'", "head == 'linear'"]
    space = load(template, rules=rules, narrowed=True)
    assert len(space.joints) == 3
    assert space.size().count == len(list(space.enumerate()))


def test_an_empty_space(load, template):
    space = load(template, where=["head == 'mlp'"], narrowed=True)
    assert space.size().count == 0
    assert list(space.enumerate()) == []


def test_rules_that_hardly_any_sample_passes_leave_a_bound(load, template):
    template["encoder"]["layer"]["repeat"] = 12
    space = load(template, where=["sum(encoder.layer1.window) + sum(encoder.layer12.window) == 32", *RULES], narrowed=True)
    size = measure(space.template, joints_of(space.template, space.rules, cap=1000))
    assert str(size) == f"at most {size.bound:.3e} members (the rules let none of 4,000 samples pass)"

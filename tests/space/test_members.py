import itertools
import pickle
import random

import pytest

from space import Arch, RuleError, build
from space.sample import previous

SORTED = "sorted(encoder.layer.window, reverse=True) == encoder.layer.window"


def test_holes_have_dotted_names(load, template):
    space = load(template)
    assert {hole.name: hole.options for hole in space.holes()} == {
        "stage1.dim": (4, 6, 8),
        "stage1.mixer": ("attention", "pool", "identity"),
        "stage1.mixer.attention.heads": (1, 2),
        "stage1.mixer.attention.kv": ("conv", "pool"),
        "stage1.mixer.attention.kv.conv.reduction": (1, 2, 3, 4),
        "stage1.mixer.attention.kv.pool.size": (5, 7),
        "stage1.mixer.pool.size": (3, 5),
        "stage2.scale": (1.0, 2.5),
        "stage2.mixer": ("attention", "pool"),
        "stage2.mixer.pool.size": (3, 7),
        "encoder.layer.count": (1, 2, 3),
        "encoder.layer1.window": ([4, 4], [8, 4], [8, 8]),
        "encoder.layer2.window": ([4, 4], [8, 4], [8, 8]),
        "encoder.layer3.window": ([4, 4], [8, 4], [8, 8]),
    }


def test_choices_are_the_active_holes_and_fill_is_their_inverse(load, template, base, rng):
    space = load(template)
    assert space.choices(base) == {
        "stage1.dim": 4,
        "stage1.mixer": "attention",
        "stage1.mixer.attention.heads": 1,
        "stage1.mixer.attention.kv": "conv",
        "stage1.mixer.attention.kv.conv.reduction": 2,
        "stage2.scale": 1.0,
        "stage2.mixer": "pool",
        "stage2.mixer.pool.size": 3,
        "encoder.layer.count": 1,
        "encoder.layer1.window": [4, 4],
    }
    for _ in range(50):
        arch = space.sample(rng)
        assert space.fill(space.choices(arch)) == arch


def test_values_of_inactive_holes_do_not_change_the_id(load, template, rng):
    space = load(template)
    for _ in range(30):
        arch = space.sample(rng)
        noise = {hole.name: rng.choice(hole.options) for hole in space.holes()}
        assert space.fill({**noise, **space.choices(arch)}).id == arch.id


def test_fill_refuses_what_is_no_filling(load, template, base):
    space = load(template, rules=["stage1.dim <= stage2.dim", "stage1.dim != 6"])
    good = space.choices(base)
    with pytest.raises(RuleError, match=r"break the rule 'stage1\.dim != 6'") as caught:
        space.fill({**good, "stage1.dim": 6})
    assert caught.value.rule == "stage1.dim != 6"
    assert pickle.loads(pickle.dumps(caught.value)).rule == caught.value.rule
    for values, message in [
        ({**good, "stage1.dim": 5}, "stage1.dim: given 5; allowed: 4, 6, 8"),
        ({**good, "stage1.dmi": 4}, "unknown choice 'stage1.dmi'; .*Did you mean 'stage1.dim'"),
        ({"stage1.dim": 4}, "stage1.mixer: no value given"),
    ]:
        with pytest.raises(ValueError, match=message):
            space.fill(values)


def test_samples_validate_and_are_the_same_for_a_seed(load, template):
    space = load(template, rules=[SORTED, "stage1.mixer == 'pool' or stage2.mixer == 'pool'"])
    drawn = [space.sample(random.Random(seed)) for seed in range(100)]
    assert all(arch in space and Arch.make("toy", arch.arch) == arch for arch in drawn)
    assert [arch.id for arch in drawn] == [space.sample(random.Random(seed)).id for seed in range(100)]
    assert drawn[0].id == "54cb1875f6f94369f75cbc5cf2a743a3ec426d2c"  # the same in every process


def test_a_rule_redraws_only_the_holes_it_names(load, template):
    free, ruled = load(template), load(template, rules=["stage1.dim != 8"])
    for seed in range(40):
        one, other = (space.choices(space.sample(random.Random(seed))) for space in (free, ruled))
        assert {name for name in one if one[name] != other[name]} <= {"stage1.dim"}


def test_every_option_is_equally_likely_structure_first(load, template):
    space, rng = load(template), random.Random(1)
    drawn = [space.choices(space.sample(rng)) for _ in range(3000)]
    for name, options in (("stage1.mixer", 3), ("encoder.layer.count", 3), ("stage2.mixer", 2)):
        counts = [sum(values[name] == option for values in drawn) for option in {values[name]: 0 for values in drawn}]
        assert len(counts) == options
        assert all(abs(count - 3000 / options) < 120 for count in counts)


def test_a_rule_that_nothing_satisfies_ends_with_its_name(load, template, base):
    space = load(template, narrowed=True, where=["stage1.dim > 8"])
    with pytest.raises(RuleError, match=r"'stage1\.dim > 8' broke in each of 25,500 random fillings") as caught:
        space.sample(random.Random(0))
    assert caught.value.rule == "stage1.dim > 8"
    assert not space.baseline_inside


def test_one_step_changes_build_and_differ_in_one_choice(load, template, base):
    space = load(template, rules=[SORTED])
    changes = list(space.changes(base))
    assert [(c.name, c.before, c.after) for c in changes][:4] == [
        ("stage1.dim", 4, 6),
        ("stage1.dim", 4, 8),
        ("stage1.mixer", "attention", "pool"),
        ("stage1.mixer", "attention", "identity"),
    ]
    assert len({change.arch.id for change in changes} | {base.id}) == len(changes) + 1
    for change in changes:
        after, before = space.choices(change.arch), space.choices(base)
        assert after[change.name] == change.after
        for name in after.keys() & before.keys() - {change.name}:
            assert after[name] == before[name]
        build(change.arch, 3)
    assert [c.arch.id for c in space.changes(base)] == [c.arch.id for c in changes]


def test_changes_in_random_order_are_the_same_ones_each_made_once(load, template, base):
    changes = load(template, rules=[SORTED]).changes(base)
    few = list(itertools.islice(changes.drawn(random.Random(1)), 3))
    every = list(changes)
    assert len({id(change) for change in every} & {id(change) for change in few}) == 3
    drawn = list(changes.drawn(random.Random(1)))
    assert drawn[:3] == few
    assert drawn != every
    assert {change.arch.id for change in drawn} == {change.arch.id for change in every}
    assert [c.arch.id for c in load(template, rules=[SORTED]).changes(base).drawn(random.Random(1))] == [c.arch.id for c in drawn]


def test_an_opened_hole_takes_the_previous_blocks_value_else_the_baselines_else_the_first(load, template, base):
    space = load(template)
    start = space.fill({**space.choices(base), "stage1.mixer": "pool", "stage1.mixer.pool.size": 3, "stage2.mixer": "attention"})
    again = {(c.name, str(c.after)): space.choices(c.arch) for c in space.changes(start)}
    assert again["stage2.mixer", "pool"]["stage2.mixer.pool.size"] == 3  # stage1's
    assert again["stage1.mixer", "attention"]["stage1.mixer.attention.kv.conv.reduction"] == 2  # the baseline's; 1 is listed first
    start = space.fill({**space.choices(start), "stage1.mixer.pool.size": 5, "encoder.layer1.window": [8, 4]})
    again = {(c.name, str(c.after)): space.choices(c.arch) for c in space.changes(start)}
    assert again["stage2.mixer", "pool"]["stage2.mixer.pool.size"] == 3  # stage1's 5 is no option here: the baseline's
    assert [again["encoder.layer.count", "3"][f"encoder.layer{n}.window"] for n in (2, 3)] == [[8, 4], [8, 4]]
    again = {(c.name, str(c.after)): space.choices(c.arch) for c in space.changes(base)}
    assert again["stage1.mixer", "pool"]["stage1.mixer.pool.size"] == 3  # the first


def test_the_previous_block_is_the_innermost_numbered_one():
    assert list(previous("stage3.layer2.mixer.pool.size")) == ["stage3.layer1.mixer.pool.size", "stage2.layer2.mixer.pool.size"]
    assert list(previous("stage1.layer10.window")) == ["stage1.layer9.window"]
    assert list(previous("decoder.width")) == []


def test_a_rare_member_is_found(load, template):
    template["encoder"]["layer"]["repeat"] = 8  # 45 of 6,561 settings of the windows are sorted
    space = load(template, rules=[SORTED], narrowed=True)
    windows = [item["window"] for item in space.sample(random.Random(0)).arch["encoder"].values()]
    assert windows == sorted(windows, reverse=True)


def test_ties_copy_values_and_whole_options(load, template, base, rng):
    template["stage2"] |= {"dim": {"tie": "stage1.dim"}, "mixer": {"tie": "stage1.mixer"}}
    template["encoder"] = {"layer": {"repeat": 2, "of": {"window": [4], "mixer": {"tie": "stage1.mixer"}}}}
    layer = {"window": [4], "mixer": base.arch["stage1"]["mixer"]}
    twin = Arch.make("toy", {"stage1": {"dim": 6}, "stage2": {"dim": 6}, "encoder": {"layer1": layer, "layer2": layer}})
    space = load(template, found={"base": twin})
    for _ in range(20):
        plain = space.sample(rng).arch
        assert plain["stage1"]["dim"] == plain["stage2"]["dim"]
        assert plain["stage1"]["mixer"] == plain["stage2"]["mixer"] == plain["encoder"]["layer2"]["mixer"]
    assert space.size().count == len(list(space.enumerate())) == 3 * 15 * 2
    assert all(change.arch in space for change in space.changes(twin))
    odd = Arch.make("toy", {**twin.arch, "stage2": {**twin.arch["stage2"], "dim": 8}})
    with pytest.raises(ValueError, match=r"stage2\.dim: given 8; allowed: 6 \(tied to stage1\.dim\)"):
        space.check(odd)


def test_enumeration_lists_every_member_once_and_size_counts_them(load, template):
    assert load(template).size().count == 3 * (2 * 6 + 2 + 1) * 2 * 3 * (3 + 9 + 27)
    template["encoder"]["layer"]["repeat"] = {"choice": [1, 2]}
    for rules in ([], [SORTED], [SORTED, "stage1.dim == 4", "stage1.mixer.attention.kv.conv.reduction > 2 or stage1.dim == 8"]):
        space = load(template, narrowed=True, rules=rules)
        members = list(space.enumerate())
        assert len({arch.id for arch in members}) == len(members) == space.size().count
        assert space.size().exact


def test_check_names_the_place(load, template, base):
    space = load(template, rules=["stage1.dim != 6"])
    for changes, message in [
        ({"stage2": {"dim": 10, "mixer": "pool"}}, r"stage2\.dim: given 10; allowed: 8 \(fixed in this space\)"),
        ({"stage2": {"dim": 8, "mixer": "identity"}}, r"stage2\.mixer: given 'identity'; allowed: attention, pool"),
        (
            {"stage2": {"dim": 8, "mixer": {"name": "attention", "heads": 2}}},
            r"stage2\.mixer\.attention\.heads: given 2; allowed: 1",
        ),
        ({"encoder": {f"layer{n}": {"window": [4, 4]} for n in range(1, 5)}}, r"encoder\.layer\.count: given 4; allowed: 1, 2, 3"),
        ({"encoder": {"layer1": {"window": [2]}}}, r"encoder\.layer1\.window: given \[2\]; allowed: \[4, 4\], \[8, 4\], \[8, 8\]"),
        ({"head": "mlp"}, r"head: given 'mlp'; allowed: 'linear'"),
        ({"stage1": {"dim": 6}}, r"it breaks the rule 'stage1\.dim != 6'"),
    ]:
        arch = Arch.make("toy", {**base.arch, **changes})
        assert arch not in space
        with pytest.raises(ValueError, match=message):
            space.check(arch)
    assert base in space
    assert "toy" not in space


def test_baseline_and_known_must_be_members_unless_the_space_is_narrowed(load, template, base):
    other = Arch.make("toy", {**base.arch, "stage1": {"dim": 8}})
    template["stage1"]["dim"]["choice"] = [4, 6]
    with pytest.raises(ValueError, match=r"known 'wide' is no member of space 'tiny': stage1\.dim: given 8; .*\(conf"):
        load(template, found={"wide": other}, known=["wide"])
    with pytest.raises(ValueError, match=r"baseline 'base' is no member of space 'tiny': stage1\.dim: given 8"):
        load(template, found={"base": other})
    space = load(template, found={"base": other, "wide": other, "twin": base}, known=["wide", "twin"], narrowed=True)
    assert (space.baseline_inside, space.left_out, space.known, space.baseline) == (False, ("wide",), (base,), other)
    assert all(change.arch in space for change in space.changes(space.known[0]))


def test_narrowing(load, template, base, rng):
    def narrowed(**stage1):
        return load({**template, "stage1": {**template["stage1"], **stage1}}, narrowed=True)

    mixer = template["stage1"]["mixer"]
    kept = narrowed(mixer={**mixer, "choice": ["pool"]})
    assert kept.sample(rng).arch["stage1"]["mixer"]["name"] == "pool"
    assert [h.name for h in kept.holes() if h.name.startswith("stage1.mixer")] == ["stage1.mixer", "stage1.mixer.pool.size"]
    fixed = narrowed(mixer="pool", dim=8)
    assert fixed.sample(rng).arch["stage1"] == {"dim": 8, "scale": 1.0, "mixer": {"name": "pool", "size": 3}}
    sub = narrowed(mixer={**mixer, "pool": {"size": 5}})
    found = {str(arch.arch["stage1"]["mixer"]) for arch in sub.enumerate()}
    assert [mixer for mixer in found if "pool', 'size" in mixer and "attention" not in mixer] == ["{'name': 'pool', 'size': 5}"]
    holed = narrowed(mixer={"name": "pool", "size": {"choice": [5, 7]}}, dim={"int": [4, 8, 2]})
    assert [h.name for h in holed.holes()][:2] == ["stage1.dim", "stage1.mixer.pool.size"]
    assert load(template, narrowed=True, where=["encoder.layer3.window == [8, 4]"]).size().count == 3 * 15 * 6 * (3 + 9 + 9)


def test_rules_of_the_file_survive_narrowing_to_fewer_layers(load, template):
    template["encoder"]["layer"]["repeat"] = 2
    space = load(template, narrowed=True, rules=["encoder.layer3.window == [8, 4]"])
    assert space.size().count == 3 * 15 * 6 * 9
    with pytest.raises(ValueError, match=r"encoder\.layer3\.window: there is no item 3; encoder\.layer has at most 2"):
        load(template, narrowed=True, where=["encoder.layer3.window == [8, 4]"])


def test_a_filled_arch_is_a_space_of_one(load, base):
    space = load(base.arch)
    assert list(space.enumerate()) == [base]
    assert space.holes() == ()
    assert list(space.changes(base)) == []


def test_a_space_can_be_sent_to_another_process(load, template):
    space = load(template, rules=[SORTED])
    again = pickle.loads(pickle.dumps(space))
    assert again.sample(random.Random(5)) == space.sample(random.Random(5))
    assert list(itertools.islice(again.enumerate(), 20)) == list(itertools.islice(space.enumerate(), 20))

import json
import random

import pytest

from space import Arch

BASE_ITEMS = [
    {"window": [8, 8], "mixer": "identity"},
    {"window": [4, 4], "mixer": {"name": "pool", "size": 3}},
    {"window": [8, 4], "mixer": "identity"},
]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("stage1.dim % 4 == 0", True),
        ("stage1.dim * 2 == stage2.dim and not stage1.dim > stage2.dim", True),
        ("-stage1.dim + 8 // 2 == 0", True),
        ("stage1.mixer == 'attention'", True),
        ("stage1.mixer in ['pool', 'identity']", False),
        ("'pool' not in [stage1.mixer, stage2.mixer]", False),
        ("stage1.mixer.pool.size == 99", True),  # absent: does not apply
        ("not stage1.mixer.pool.size == 99 and stage1.dim == 99", True),
        ("stage1.mixer.attention.kv.conv.reduction == 2", True),
        ("stage1.mixer.attention.kv == 'pool'", False),
        ("encoder.layer.count == 1", True),
        ("encoder.layer.window == [[4, 4]]", True),
        ("sorted(encoder.layer.window, reverse=True) == encoder.layer.window", True),
        ("len(set(encoder.layer.window)) == 1", True),
        ("encoder.layer3.window == [8, 8]", True),
        ("encoder.layer1.window == [8, 8]", False),
        ("sum(encoder.layer1.window) == 8", True),
        ("max(stage1.dim, stage2.dim) < 8", False),
        ("min([stage1.dim, 3]) == 3", True),
        ("head == 'linear'", True),
        ("stage2.scale <= 1.5 < stage1.dim", True),
        ("encoder.layer.mixer[-1] == 'identity' == encoder.layer.mixer[0]", True),
        ("encoder.layer.mixer[-1] == 'pool'", False),
        ("encoder.layer.mixer[-1] in ['pool', 'identity']", True),
        ("encoder.layer.window[-1][0] == 4 == encoder.layer1.window[-1]", True),
        ("encoder.layer.mixer[1] == 'pool'", True),  # one layer has no second: does not apply
        ("encoder.layer.mixer.pool.size[-1] == 99", True),  # no layer pools
    ],
)
def test_what_rules_mean(load, template, base, rule, holds):
    space = load(template, narrowed=True, rules=[rule])
    assert (base in space) == holds
    assert str(space.rules[0]) == rule


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("stage1.dmi > 3", r"rule 'stage1\.dmi > 3': stage1\.dmi: unknown name 'dmi'; known: .*Did you mean 'dim'"),
        ("stage1.mixer.atention.heads == 1", r"unknown toy mixer 'atention'; .*Did you mean 'attention'"),
        ("stage1.mixer.pool == 3", r"stage1\.mixer\.pool is an option, not a value; .*stage1\.mixer == 'pool'"),
        ("stage1.mixer == 'atention'", r"stage1\.mixer is never 'atention'; .*Did you mean 'attention'"),
        ("stage1.mixer in ['pool', 'conv']", r"stage1\.mixer is never 'conv'"),
        ("head == 'lnear'", r"head is never 'lnear'"),
        ("stage1 == 3", r"stage1 is a group, not a value; name one of its own: dim, scale, mixer"),
        ("encoder.layer == 3", r"encoder\.layer is a group, .*count, window, mixer"),
        ("encoder.layer4.window == [4]", r"there is no item 4; encoder\.layer has at most 3"),
        ("stage1.dim.size == 3", r"unknown name 'size'; the place before it is a value"),
        ("stage1.dim >", r"not an expression"),
        ("stage1.dim", r"it must compare something"),
        ("stage1.dim ** 2 > 3", r"\(BinOp\) is not allowed"),
        ("stage1.dim is 4", r"\(Compare\) is not allowed"),
        ("(lambda: 1)() == 1", r"unknown function"),
        ("__import__('os') == 1", r"unknown function '__import__'"),
        ("sort(encoder.layer.window) == 1", r"unknown function 'sort'; .*Did you mean 'sorted'"),
        ("sorted([1], key=len) == 1", r"'key=len' is not allowed"),
        ("[x for x in [1]] == [1]", r"\(ListComp\) is not allowed"),
        ("encoder.layer[0] == 1", r"encoder\.layer is a group, not a value"),
        ("encoder.layer[-1].mixer == 'pool'", r"an index stands behind the whole name: encoder\.layer\.mixer\[-1\]"),
        ("encoder.layer.mixer['pool'] == 1", r"\(Subscript\) is not allowed; .*a whole number as an index behind a name"),
        ("encoder.layer.mixer[0:1] == 'pool'", r"\(Subscript\) is not allowed"),
        ("[1, 2][0] == 1", r"\(Subscript\) is not allowed"),
        ("stage1.dim[0] == 4", r"stage1\.dim: given an index \[0\]; allowed: an index only behind a list"),
        ("encoder.layer.mixer[0][0] == 'p'", r"given an index \[0\]\[0\]; allowed: 1 behind it at most"),
        ("encoder.layer.mixer[-1] == 'atention'", r"encoder\.layer\.mixer\[-1\] is never 'atention'; .*Did you mean"),
        ("encoder.layer.mixer[3] == 'pool'", r"there is no item \[3\]; encoder\.layer has at most 3"),
        ("f'{head}' == 'linear'", r"\(JoinedStr\) is not allowed"),
        ("head == True", r"'True' \(Constant\) is not allowed"),
        ("stage1.dim < 'a'", r"cannot be evaluated: '<' not supported"),
        ("stage1.dim % (stage1.dim - 4) == 0", r"cannot be evaluated: .*zero"),
    ],
)
def test_bad_rules_are_named(load, template, rule, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(template, rules=[rule])
    assert str(caught.value).startswith(f"rule '{rule}'")
    assert str(caught.value).endswith("(conf/space/tiny.yaml)")


@pytest.fixture
def by_layer(template):
    """The toy template with a mixer to choose in each layer, of which there are 1 or 3."""
    template["encoder"]["layer"] = {
        "repeat": {"choice": [1, 3]},
        "of": {"window": [4, 4], "mixer": {"choice": ["identity", "pool"], "pool": {"size": {"choice": [3, 5]}}}},
    }
    return template


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("encoder.layer.mixer[-2] == 'pool'", True),
        ("encoder.layer.mixer[-1] == encoder.layer.mixer[0] != encoder.layer.mixer[1]", True),
        ("encoder.layer.mixer.pool.size[-1] == 3", True),  # the last layer that pools
        ("encoder.layer.window[-1] == [8, 4] and encoder.layer.window[0][1] == 8", True),
        ("encoder.layer.window[-3] == [8, 4]", False),
    ],
)
def test_an_index_behind_a_name(load, template, base, rule, holds):
    plain = json.loads(json.dumps(base.arch))
    plain["encoder"] = {f"layer{n}": item for n, item in enumerate(BASE_ITEMS, 1)}
    template["encoder"]["layer"]["of"]["mixer"] = {"choice": ["identity", "pool"], "pool": {"size": {"choice": [3, 5]}}}
    space = load(template, rules=[rule], narrowed=True)
    assert (Arch.make("toy", plain) in space) == holds


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("encoder.layer.mixer[-1] == 'pool'", {"encoder.layer1.mixer", "encoder.layer3.mixer"}),
        ("encoder.layer.mixer[-2] == 'pool'", {"encoder.layer2.mixer"}),
        ("encoder.layer.mixer[0] == 'pool'", {"encoder.layer1.mixer"}),
    ],
)
def test_an_indexed_rule_joins_only_the_layers_it_can_mean(load, by_layer, rule, named):
    space = load(by_layer, rules=[rule], narrowed=True)
    assert space.rules[0].named == named
    assert space.rules[0].joint == {*named, "encoder.layer.count"}
    assert space.size().exact
    assert space.size().count == len({arch.id for arch in space.enumerate()}) < space.template.free
    rng = random.Random(0)
    assert all(space.sample(rng) in space for _ in range(20))


def test_where_the_value_may_be_absent_an_index_joins_every_layer(load, by_layer):
    space = load(by_layer, where=["encoder.layer.mixer.pool.size[-1] == 5"], narrowed=True)
    assert space.rules[0].named == {f"encoder.layer{n}.mixer.pool.size" for n in (1, 2, 3)}
    assert space.size().count == len(list(space.enumerate()))


def test_changes_keep_an_indexed_rule(load, by_layer):
    space = load(by_layer, where=["encoder.layer.mixer[-1] == 'pool'"], narrowed=True)
    changes = list(space.changes(space.sample(random.Random(1))))
    assert changes
    assert all(change.arch in space for change in changes)

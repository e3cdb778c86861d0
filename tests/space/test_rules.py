import pytest


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
        ("encoder.layer[0] == 1", r"\(Subscript\) is not allowed"),
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

import pytest

from space import Space, SpaceConf


@pytest.mark.parametrize(
    ("place", "given", "message"),
    [
        ("stage1.dim", {"choice": [4], "int": [4, 8]}, r"stage1\.dim: given choice and int together"),
        ("stage1.dim", {"choice": [4], "pool": 3}, r"stage1\.dim\.pool: unexpected beside 'choice'"),
        ("stage1.dim", {"choice": []}, r"stage1\.dim: choice given \[\]; allowed: a list of one or more"),
        ("stage1.dim", {"choice": [4, "8"]}, r"stage1\.dim: given '8'; allowed: an int"),
        ("stage1.dim", {"choice": [4, 4.0]}, r"stage1\.dim: option 4 is listed twice"),
        ("stage1.dim", {"choice": [4, True]}, r"an option is a name, a number or a list of ints; given True"),
        ("stage1.dim", {"int": [8, 4]}, r"stage1\.dim: int given \[8, 4\]; low <= high"),
        ("stage1.dim", {"int": 4}, r"allowed: \[low, high\]"),
        ("stage1.dim", {"low": 4, "high": 8}, r"stage1\.dim: given a mapping \(low, high\); allowed: an int"),
        ("stage1.dim", {"repeat": 2, "of": 4}, r"stage1\.dim: given a repeat; this place holds one value"),
        ("stage1", {"choice": [4, 8]}, r"stage1: 'choice' cannot stand for a whole StageArch; its holes go to: dim, scale, mixer"),
        ("stage1.mixer", {"int": [1, 2]}, r"stage1\.mixer: given an int hole; allowed: a toy mixer"),
        ("stage1.mixer", {"choice": ["atention"]}, r"stage1\.mixer: unknown toy mixer 'atention'; .*'attention'"),
        ("stage1.mixer", {"choice": [None]}, r"given None \(quote .*write 'identity'"),
        ("stage1.mixer", {"choice": ["pool"], "attn": {}}, r"stage1\.mixer\.attn: unknown toy mixer 'attn' beside 'choice'"),
        (
            "stage1.mixer",
            {"choice": ["pool"], "attention": {"head": 2}},
            r"stage1\.mixer\.attention\.head: unknown key 'head'.*'heads'",
        ),
        ("stage1.mixer", {"choice": ["pool"], "name": "pool"}, r"given name and choice together"),
        ("stage1.mixer", {"choice": ["pool"], "pool": {"size": {"choice": ["a"]}}}, r"stage1\.mixer\.pool\.size: given 'a'"),
        ("stage1.scale", {"tie": "stage2.scal"}, r"stage1\.scale: tied to stage2\.scal, an unknown place; .*Did you mean 'scale'"),
        ("stage1.scale", {"tie": "stage2.mixer"}, r"stage1\.scale: tied to stage2\.mixer, which holds something else"),
        ("stage1.scale", {"tie": "stage2.mixer.pool.size"}, r"a tie cannot point into an option or a repeat"),
        ("stage1.scale", {"tie": "stage1.scale"}, r"stage1\.scale: tied to stage1\.scale, a tie"),
        ("stage1.dim", {"tie": "stage2.scale"}, r"stage1\.dim \(tied to stage2\.scale\): given 2\.5; allowed: an int"),
        ("encoder.layer", {"repeat": {"int": [0, 2]}, "of": {"window": [4]}}, r"layer\.count: given 0; a repeat has at least"),
        ("encoder.layer", {"repeat": {"tie": "stage1.dim"}, "of": {"window": [4]}}, r"layer\.count: a count is .*write a rule"),
        ("encoder.layer", {"repeat": 2}, r"encoder\.layer: given a mapping \(repeat\); allowed: \{repeat"),
        ("encoder.layer", {"repeat": 2, "of": {"windw": [4]}}, r"encoder\.layer1\.windw: unknown key .*Did you mean 'window'"),
        ("encoder.layer1", {"window": [4]}, r"encoder\.layer: given both 'layer' and 'layer1'"),
        ("stage3", {"dim": 4}, r"stage3: unknown key 'stage3' of ToyArch.*Did you mean 'stage"),
    ],
)
def test_bad_templates_are_named(load, template, place, given, message):
    *path, last = place.split(".")
    group = template
    for key in path:
        group = group[key]
    group[last] = given
    with pytest.raises(ValueError, match=message) as caught:
        load(template)
    assert str(caught.value).endswith("(conf/space/tiny.yaml)")


def test_bad_input_size_and_network(load, template):
    with pytest.raises(ValueError, match=r"unknown network 'tyo'.*\(here\)"):
        Space.load(SpaceConf(network="tyo"), "tiny", {}.__getitem__, source="here")

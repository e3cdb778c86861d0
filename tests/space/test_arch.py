import hashlib
import pickle
from typing import Any

import pytest

from space import Arch, build


def make(**changes: Any) -> Arch:
    return Arch.make("toy", {"stage1": {"dim": 4}, "stage2": {"dim": 8}, **changes})


def test_defaults_are_written_in_full():
    attention = {"name": "attention", "heads": 1, "kv": {"name": "conv", "reduction": 2}}
    assert make(stage2={"dim": 8, "mixer": "identity"}).arch == {
        "stage1": {"dim": 4, "scale": 1.0, "mixer": attention},
        "stage2": {"dim": 8, "scale": 1.0, "mixer": "identity"},
        "encoder": {"layer1": {"window": [4, 4], "mixer": "identity"}},
        "head": "linear",
    }


@pytest.mark.parametrize(
    "same",
    [
        {"stage1": {"dim": 4.0}},
        {"stage1": {"dim": 4, "scale": 1}},
        {"stage1": {"dim": 4, "mixer": {"name": "attention"}}},
        {"stage1": {"mixer": {"kv": {"reduction": 2, "name": "conv"}, "heads": 1, "name": "attention"}, "dim": 4}},
        {"encoder": {"layer1": {"window": (4, 4)}}},
        {"head": "linear"},
    ],
)
def test_what_builds_the_same_network_has_one_id(same):
    assert make(**same) == make()
    assert len({make(**same), make()}) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"stage1": {"dim": 5}},
        {"stage1": {"dim": 4, "mixer": {"name": "attention", "kv": "conv"}}},  # the field's default has reduction 2
        {"encoder": {"layer1": {"window": [4, 4]}, "layer2": {"window": [4, 4]}}},
        {"encoder": {"layer1": {"window": [4]}}},
    ],
)
def test_another_network_has_another_id(other):
    assert make(**other) != make()


def test_golden_ids():
    canonical = '{"arch":{"stage1":{"dim":4},"stage2":{"dim":8}},"network":"toy"}'
    assert make().id == hashlib.sha1(canonical.encode()).hexdigest() == "fb7c4434fca972370214c611f6f42caad5c99b88"
    other = make(stage1={"dim": 4, "scale": 0.5, "mixer": {"name": "pool", "size": 5}})
    assert other.id == "640a80d3ea91a3f80bff5b4185e9c69de3c95b9e"


def test_yaml_and_pickle_keep_the_id(tmp_path):
    arch = make(stage1={"dim": 4, "scale": 1e-5}, encoder={f"layer{n}": {"window": [8, 4]} for n in range(1, 12)})
    path = tmp_path / "arch.yaml"
    path.write_text(arch.to_yaml())
    assert Arch.from_yaml(arch.to_yaml()).id == Arch.from_yaml(path).id == Arch.from_yaml(str(path)).id == arch.id
    assert pickle.loads(pickle.dumps(arch)) == arch
    assert list(arch.arch["encoder"])[-1] == "layer11"
    assert len(repr(arch)) < 30


def test_build_and_width():
    arch = make(stage1={"dim": 4, "mixer": "pool"}, stage2={"dim": 8, "mixer": "identity"})
    assert build(arch, 5)[0].out_channels == 4
    assert build(arch, 5, width=0.5)[0].out_channels == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stage1": {"dmi": 4}}, r"stage1\.dmi: unknown key 'dmi' of StageArch; known: dim, scale, mixer\. Did you mean 'dim'"),
        ({"stage1": {"dim": "4"}}, r"stage1\.dim: given '4'; allowed: an int"),
        ({"stage1": {"dim": True}}, r"stage1\.dim: given True \(quote"),
        ({"stage1": {"dim": 4.5}}, r"stage1\.dim: given 4\.5; allowed: an int"),
        ({"stage1": {}}, r"stage1\.dim: missing"),
        ({"stage1": {"dim": 4, "mixer": "atention"}}, r"stage1\.mixer: unknown toy mixer 'atention'; .*Did you mean 'attention'"),
        ({"stage1": {"dim": 4, "mixer": {"name": "pool", "kernel": 3}}}, r"stage1\.mixer\.pool\.kernel: unknown key .*known: size"),
        ({"stage1": {"dim": 4, "mixer": None}}, r"stage1\.mixer: given None .*identity"),
        ({"stage1": {"dim": 4, "mixer": {"size": 3}}}, r"stage1\.mixer: given a mapping without 'name'"),
        ({"stage1": 4}, r"stage1: given 4; allowed: a mapping of StageArch \(dim, scale, mixer\)"),
        ({"head": "conv"}, r"head: given 'conv'; known: linear, mlp"),
        ({"encoder": {"layer": [{"window": [4]}]}}, r"encoder\.layer: a filled architecture numbers its repeats"),
        ({"encoder": {"layer1": {"window": [4]}, "layer3": {"window": [4]}}}, r"encoder\.layer2: missing"),
        ({"encoder": {"layer1": {"window": 4}}}, r"encoder\.layer1\.window: given 4; allowed: a list of ints"),
        ({"stage1": {"dim": 0}}, r"stage1\.dim: given 0; allowed: 1 or more"),
    ],
)
def test_bad_input_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "winner.yaml"
    for text, message in [
        ("network: toy\narch: {stage1: {dim: a}}", r"stage1\.dim: given 'a'.*winner\.yaml"),
        ("network: tyo\narch: {}", r"unknown network 'tyo'.*'toy'.*winner\.yaml"),
        ("network: toy\nnet: {}", r"unknown key 'net'.*winner\.yaml"),
        ("network: toy", r"arch: missing.*winner\.yaml"),
        ("network: toy\nnetwork: toy\narch: {}", r"not readable as yaml.*winner\.yaml"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=f"(?s){message}"):
            Arch.from_yaml(path)

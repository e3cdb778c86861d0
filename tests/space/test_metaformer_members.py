"""Members of the spaces metaformer, metaformer_v2 and vit, and the named architectures: built, run, trained, written out."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from named import arch, space
from torch import nn

from space import Arch, build

CONF = Path(__file__).parents[2] / "conf"
SPACES = ("metaformer", "metaformer_v2", "vit")
NAMED = sorted(path.stem for path in (CONF / "arch").glob("*.yaml") if Arch.from_yaml(path).network in ("metaformer", "vit"))
SMALL = [name for name in NAMED if name.endswith(("_s12", "_s18", "deit_tiny", "_distilled"))]  # vit_tiny is deit_tiny's graph


def sampled(name: str, count: int) -> list[Arch]:
    rng = random.Random(1)
    return [space(name).sample(rng) for _ in range(count)]


MEMBERS = [member for name in SPACES for member in sampled(name, 6)]


def train_a_step(given: Arch) -> nn.Module:
    """One step of the training proxy; every parameter that is trained gets a gradient."""
    torch.manual_seed(0)
    model = build(given, 7, image_size=(64, 64), width=0.25, drop_path=0.1).train()
    nn.functional.cross_entropy(model(torch.randn(4, 3, 64, 64)), torch.tensor([0, 1, 2, 6])).backward()
    trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert not [name for name, grad in trained.items() if grad is None or not grad.isfinite().all()]
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)
    torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3).step()
    return model.eval()


@pytest.mark.parametrize("name", SMALL)
def test_named_networks_train_a_step(name):
    model = train_a_step(arch(name))
    with torch.no_grad():
        assert model(torch.randn(2, 3, 64, 64)).isfinite().all()


@pytest.mark.parametrize("member", MEMBERS, ids=[member.id[:8] for member in MEMBERS])
def test_random_members_train_a_step(member):
    model = train_a_step(member)
    frozen_grid = any(word in json.dumps(member.arch) for word in ("spatial_fc", '"random"'))
    size = (64, 64) if frozen_grid else (65, 91)
    with torch.no_grad():
        assert model(torch.randn(2, 3, *size)).isfinite().all()


@pytest.mark.parametrize("name", SPACES)
def test_every_one_step_change_of_the_baseline_builds_and_runs(name):
    """Of the twelve equal layers of vit, the first and the last."""
    changes = [c for c in space(name).changes(space(name).baseline) if not re.match(r"layer([2-9]|1[01])\.", c.name)]
    assert len({change.arch.id for change in changes}) == len(changes) > 20
    for change in changes:
        with torch.device("meta"), torch.no_grad():
            model = build(change.arch, 10, image_size=(64, 64), width=0.25).eval()
            assert model(torch.empty(1, 3, 64, 64)).shape == (1, 10), change


@pytest.mark.parametrize("given", [*map(arch, NAMED), *MEMBERS], ids=[*NAMED, *(member.id[:8] for member in MEMBERS)])
def test_written_and_read_again_it_is_the_same(given):
    again = Arch.from_yaml(given.to_yaml())
    assert again.id == given.id
    assert again.arch == given.arch


def test_named_architectures_differ_but_for_one_graph_under_two_names():
    twins = {frozenset({f"vit_{size}", f"deit_{size}"}) for size in ("tiny", "small", "base")}
    by_id: dict[str, set[str]] = {}
    for name in NAMED:
        by_id.setdefault(arch(name).id, set()).add(name)
    assert {frozenset(names) for names in by_id.values() if len(names) > 1} == twins


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("metaformer", ["id", "ppaa"]),
        ("metaformer_v2", ["identityformer_s12", "randformer_s12", "convformer_s18", "caformer_s18"]),
        ("vit", []),
    ],
)
def test_known_members(name, members):
    full = [member if "former" in member else f"metaformer_{member}_s12" for member in members]
    assert [arch(member) for member in full] == list(space(name).known)
    assert space(name).baseline in space(name)


@pytest.mark.parametrize("name", ["pppa", "pppf", "ppff"])
def test_hybrids_that_are_not_tried_first_are_members_too(name):
    assert arch(f"metaformer_{name}_s12") in space("metaformer")


@pytest.mark.parametrize("name", ["metaformer", "metaformer_v2"])
def test_no_member_is_without_any_ffn(name):
    given = json.loads(json.dumps(space(name).baseline.arch))
    for n in (1, 2, 3):
        given[f"stage{n}"]["ffn"] = "identity"
    assert Arch.make("metaformer", given) in space(name)
    given["stage4"]["ffn"] = "identity"
    with pytest.raises(ValueError, match="it breaks the rule ''mlp' in"):
        space(name).check(Arch.make("metaformer", given))


def test_a_class_token_needs_attention_at_the_end():
    given = json.loads(json.dumps(space("vit").baseline.arch))
    given["layer12"]["mixer"] = "identity"
    with pytest.raises(ValueError, match=r"it breaks the rule 'readout == 'mean' or layer\.mixer\[-1\] == 'attention''"):
        space("vit").check(Arch.make("vit", given))
    assert Arch.make("vit", {**given, "readout": "mean"}) in space("vit")


def test_no_member_of_vit_is_without_any_ffn():
    given = json.loads(json.dumps(space("vit").baseline.arch))
    layers = {key: {**value, "ffn": "identity"} for key, value in given.items() if key.startswith("layer")}
    assert Arch.make("vit", {**given, **layers}) not in space("vit")
    assert Arch.make("vit", {**given, **layers, "layer1": given["layer1"]}) in space("vit")

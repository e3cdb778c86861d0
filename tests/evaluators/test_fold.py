"""Folds: the same outputs from fewer operations, and nothing folded that is not alone."""

import pytest
import torch
from torch import nn

from evaluators.cost import COUNTERS
from evaluators.fold import FOLDS, Fold, Foldable, fold, shaped
from evaluators.formats.agreement import agreed, eager, probe
from space import Arch, build

SIZE = (64, 64)
ARCHES = {
    "segformer": {"norm_layout": "v2", "fusion": "concat", "ffn": {"name": "mix", "norm": "batchnorm", "kernels": [3, 5]}},
    "sum": {"norm_layout": "v2", "fusion": "sum", "ffn": {"name": "mix", "norm": "identity", "kernels": [3]}},
}


def stirred(network):
    """With no norm and no scale at its initial value: a fold that left one out unread would be seen."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if name == "running_var":
                tensor.data.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            elif tensor.ndim == 1 and tensor.is_floating_point():
                tensor.data.add_(torch.randn(tensor.shape, generator=generator), alpha=0.3)
    return network.eval()


def segformer(*, norm_layout, fusion, ffn):
    stage = {"depth": 1, "embed": "conv", "mixer": {"name": "pool", "size": 3}, "ffn": ffn}
    stages = {f"stage{i + 1}": {**stage, "dim": dim} for i, dim in enumerate((8, 8, 16, 16))}
    arch = Arch.make("segformer", {"norm_layout": norm_layout, **stages, "decoder": {"fusion": fusion, "width": 16}})
    return Foldable(stirred(build(arch, 3, image_size=SIZE)), arch, 3, SIZE)


def plain(network):
    """A network of torch's own modules; its architecture is only carried along."""
    return Foldable(stirred(network), Arch("none", {}), 3, (16, 16))


class Listening(nn.Module):
    """Something else reads what the norm reads."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.conv(x)
        return x + self.norm(x)


class Beside(nn.Module):
    """Two convolutions side by side, a norm over both; then tokens, a linear layer and a norm over its channels."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Conv2d(3, 2, 1)
        self.norm, self.linear, self.last = nn.BatchNorm2d(6), nn.Linear(6, 5), nn.BatchNorm2d(5)

    def forward(self, x):
        x = self.norm(torch.cat([self.left(x), self.right(x)], dim=1))
        return self.last(self.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)).relu()


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", ARCHES)
def test_outputs_stay_and_a_loaded_network_takes_the_weights(name):
    given = segformer(**ARCHES[name])
    before = {key: tensor.clone() for key, tensor in given.network.state_dict().items()}
    found = fold(given)
    assert {FOLDS[each].what for each in ("batchnorm", "layer_scale", "sum_weights")} <= set(found.done)
    image = probe(SIZE, 2)
    assert agreed(eager(given.network, image), eager(found.result.network, image)) < 1e-4
    assert all(torch.equal(tensor, before[key]) for key, tensor in given.network.state_dict().items())  # the caller's is as it was
    state = found.result.network.state_dict()
    again = shaped(build(found.result.arch, 3, image_size=SIZE), state)
    again.load_state_dict(state)
    assert agreed(eager(found.result.network, image), eager(again, image)) == 0


def test_a_concatenation_becomes_a_sum_that_costs_less():
    given = segformer(**ARCHES["segformer"])
    found = fold(given, ["concat_to_sum"])
    assert [each.arch.arch["decoder"]["fusion"] for each in (given, found.result)] == ["concat", "sum"]
    image = torch.empty(1, 3, *SIZE, device="meta")
    costs = [COUNTERS["macs_g"](each.to("meta"), image) for each in (given.network, found.result.network)]
    assert costs[1] < costs[0]
    assert fold(segformer(**ARCHES["sum"]), ["concat_to_sum"]).done == {}


def test_the_weights_of_a_sum_and_the_norm_after_it_go_into_the_projections():
    given = segformer(**ARCHES["sum"])
    found = fold(given, ["sum_weights"])
    decoder = found.result.network.decoder
    assert not [*decoder.fusion.parameters(), *decoder.norm.parameters(), *decoder.norm.buffers()]
    assert 0 < found.apart < 1e-5
    assert fold(plain(Beside()), ["sum_weights"]).done == {}


def test_norms_go_into_the_layers_before_them_also_side_by_side_and_behind_a_permutation():
    found = fold(plain(Beside()), ["batchnorm"])
    assert norms(found.result.network) == 0
    assert found.result.network.left.bias is not None


def test_a_norm_goes_into_the_layer_after_it_where_that_has_no_border():
    inside = fold(plain(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3, groups=3, bias=False))), ["batchnorm"])
    border = fold(plain(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3, padding=1))), ["batchnorm"])
    assert (norms(inside.result.network), norms(border.result.network)) == (0, 1)


def test_what_something_else_reads_is_left_alone():
    found = fold(plain(Listening()), ["batchnorm"])
    assert (norms(found.result.network), found.done) == (1, {})


def test_a_fold_that_changes_the_outputs_is_refused(monkeypatch):
    monkeypatch.setattr(FOLDS, "_entries", dict(FOLDS._entries))

    def broken(given):
        given.network[0].weight.data.mul_(1.1)
        return given, 1

    FOLDS.register("broken")(Fold(broken, "a wrong idea"))
    with pytest.raises(ValueError, match="fold: a wrong idea would change the network: its outputs are off by"):
        fold(plain(nn.Sequential(nn.Conv2d(3, 4, 3))), ["broken"])


def test_a_network_without_a_graph_says_where():
    class Undecided(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(
        ValueError, match=r"fold: the network's graph cannot be read: aten\.\w+ in forward, test_fold\.py:\d+ .*it ships as it"
    ):
        fold(plain(Undecided()), ["batchnorm"])

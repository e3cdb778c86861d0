import torch
from timm.utils import ModelEmaV3
from torch import nn

from evaluators.average import Average


def test_it_averages_as_timms_does_and_keeps_no_second_network():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(4, 2))
    theirs, ours = (kind(network, decay=0.9, use_warmup=True) for kind in (ModelEmaV3, Average))
    for step in range(5):
        with torch.no_grad():
            for tensor in [*network.parameters(), *network.buffers()]:
                tensor.add_(1 if tensor.dtype == torch.int64 else torch.randn_like(tensor))
        for average in (theirs, ours):
            average.update(network, step)
        for wanted, found in zip(theirs.module.state_dict().values(), ours.module.state_dict().values(), strict=True):
            assert torch.equal(wanted, found)
    assert list(ours.children()) == [ours.module]
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(4, 2))
    ours.update(other, 9)
    theirs.update(other, 9)
    assert torch.equal(theirs.module[0].weight, ours.module[0].weight)

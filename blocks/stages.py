"""What backbones share: four stages in a row, and their fresh weights."""

from collections.abc import Iterable, Iterator

import torch
from torch import nn


class Stages(nn.Module):
    """The layers of four stages. `channels`: of each one's output."""

    def __init__(self, stages: Iterable[Iterable[nn.Module]], channels: Iterable[int]):
        super().__init__()
        self.channels = tuple(channels)
        self.stage1, self.stage2, self.stage3, self.stage4 = (nn.Sequential(*layers) for layers in stages)
        self.apply(init_weights)

    def maps(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """(B, 3, H, W) -> the outputs of the four stages, the finest first."""
        x = image
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            yield x


def init_weights(module: nn.Module) -> None:
    """Convolutions from He's normal distribution over what leaves them, their biases 0: deep networks without norms train by it.
    Source: arXiv 1502.01852."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)

"""The VGG networks: 3x3 convolutions and poolings in a row."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.models.vgg import make_layers

from blocks.adopted import Adopted
from blocks.stages import Stages

Plan = tuple[int | Literal["M"], ...]
"""One stage: the channels of its convolutions, M for a pooling that halves the map."""


class Vgg(Stages):
    """The stages of `plans`; their layers are torchvision's `features` in their order. `norm` removed: no batch norms behind the
    convolutions, which is also what folding them in leaves. `width`: a factor of all channels, which become multiples of 8.
    Shapes: see `Stages.maps`. Source: arXiv 1409.1556."""

    def __init__(self, plans: Sequence[Plan], *, norm: Literal["kept", "removed"], width: float):
        if width <= 0:
            raise ValueError(f"backbone: width given {width}; allowed: a number above 0")
        plans = [tuple(item if item == "M" else max(8, round(item * width / 8) * 8) for item in plan) for plan in plans]
        layers = make_layers([item for plan in plans for item in plan], batch_norm=norm == "kept")
        bounds = accumulate((sum(1 if item == "M" else 3 if norm == "kept" else 2 for item in plan) for plan in plans), initial=0)
        channels = [[item for item in plan if item != "M"][-1] for plan in plans]
        super().__init__((list(layers)[start:stop] for start, stop in pairwise(bounds)), channels)
        self.norm = norm

    def extra_repr(self) -> str:
        return f"norm={self.norm}"

    def adopted(self, source: nn.Module) -> Adopted | None:
        """Without norms: those of a checkpoint that has them go into the convolutions, as they are in evaluation."""
        if type(source) is not type(self) or (self.norm, source.norm) != ("removed", "kept"):
            return None
        ours = [(name, module) for name, module in self.named_modules() if isinstance(module, nn.Conv2d)]
        theirs = [module for module in source.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
        tensors = {}
        for (name, conv), (old, norm) in zip(ours, zip(theirs[::2], theirs[1::2], strict=True), strict=True):
            if conv.weight.shape != old.weight.shape:
                return None
            statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
            weight, bias = fuse_conv_bn_weights(old.weight, old.bias, *statistics)
            tensors |= {f"{name}.weight": weight.detach(), f"{name}.bias": bias.detach()}
        return Adopted(tensors, "batch norms folded into the convolutions")

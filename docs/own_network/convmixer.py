"""ConvMixer, a network that Paredown does not have, brought in from outside: `plugins=[convmixer]` imports this file.

Source: arXiv 2201.09792 (Patches Are All You Need?).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from blocks.activation import ACTIVATION, Activation
from blocks.embed import EMBED, coarser
from blocks.mixer import MIXER, Mixer
from blocks.norm import NORM
from registry import Option
from space import Arch
from space.networks import NETWORKS
from space.weights import SOURCES, Source, Weights


@dataclass(frozen=True)
class LayerArch:
    """One layer; the published ones mix by a depthwise convolution."""

    mixer: Mixer = Option("depthwise", {"kernel": 9})


@dataclass(frozen=True)
class ConvMixerArch:
    """`layer` repeats at `dim` channels over patches of `patch` pixels."""

    dim: int
    patch: int
    layer: tuple[LayerArch, ...]
    activation: Activation = Option("gelu")


class Layer(nn.Module):
    """A mixer as a residual branch, then channels. Shapes: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, dim: int, mixer: Mixer, activation: Activation, *, grid: tuple[int, int]):
        super().__init__()
        self.mixer = MIXER.build(mixer, dim=dim, grid=grid, activation=activation)
        self.mixer_norm = NORM["batchnorm"](dim)
        self.channels = nn.Conv2d(dim, dim, 1)
        self.channels_norm = NORM["batchnorm"](dim)
        self.activation = ACTIVATION.build(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.mixer_norm(self.activation(self.mixer(x)))
        return self.channels_norm(self.activation(self.channels(x)))


@NETWORKS.register("convmixer")
class ConvMixer(nn.Module):
    """A classifier. Shapes: image (B, 3, H, W) -> logits (B, classes)."""

    Arch = ConvMixerArch

    def __init__(self, arch: ConvMixerArch, classes: int, image_size: tuple[int, int]):
        super().__init__()
        embed = Option("conv", {"norm": Option("identity")})
        self.embed = EMBED.build(embed, channels=3, dim=arch.dim, kernel=arch.patch, stride=arch.patch, padding=0)
        self.activation = ACTIVATION.build(arch.activation)
        self.norm = NORM["batchnorm"](arch.dim)
        grid = coarser(image_size, arch.patch, arch.patch, 0)
        self.layers = nn.Sequential(*(Layer(arch.dim, layer.mixer, arch.activation, grid=grid) for layer in arch.layer))
        self.classifier = nn.Linear(arch.dim, classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.activation(self.embed(image.contiguous(memory_format=torch.channels_last))))
        return self.classifier(self.layers(x).mean((2, 3)))

    @staticmethod
    def widened(arch: ConvMixerArch, factor: float) -> ConvMixerArch:
        """The same layers with `factor` times the channels, for the training proxy."""
        return replace(arch, dim=max(8, round(arch.dim * factor / 8) * 8))


NAMES = {  # timm's modules -> ours
    r"stem\.0": "embed.conv",
    r"stem\.2": "norm",
    r"blocks\.(\d+)\.0\.fn\.0": r"layers.\1.mixer.conv",
    r"blocks\.(\d+)\.0\.fn\.2": r"layers.\1.mixer_norm",
    r"blocks\.(\d+)\.1": r"layers.\1.channels",
    r"blocks\.(\d+)\.3": r"layers.\1.channels_norm",
    r"head": "classifier",
}


def recognises(state: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is timm's ConvMixer."""
    return "stem.0.weight" in state and "blocks.0.0.fn.0.weight" in state


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """timm's ConvMixer under our names, and the architecture that its shapes tell. The image size is the published one."""
    ours = {}
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        found = [re.sub(theirs, here, module) for theirs, here in NAMES.items() if re.fullmatch(theirs, module)]
        if not found:
            raise ValueError(f"timm_convmixer: '{name}' is no entry of a ConvMixer")
        ours[f"{found[0]}.{leaf}"] = tensor
    stem, mixer = ours["embed.conv.weight"], {"name": "depthwise", "kernel": ours["layers.0.mixer.conv.weight"].shape[2]}
    depth = sum(re.fullmatch(r"layers\.\d+\.channels\.bias", name) is not None for name in ours)
    layers = {f"layer{n}": {"mixer": mixer} for n in range(1, depth + 1)}
    arch = Arch.make("convmixer", {"dim": stem.shape[0], "patch": stem.shape[2], **layers})
    return Weights("timm_convmixer", arch, len(ours["classifier.bias"]), (224, 224), ours)


SOURCES.register("timm_convmixer")(Source(recognises, convert))

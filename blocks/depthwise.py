"""The depthwise convolution of every family: one filter for each channel, of one kernel or of several."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from blocks.adopted import Adopted


def depthwise_conv(channels: int, kernel: int, *, stride: int = 1, multiplier: int = 1, bias: bool = True) -> nn.Conv2d:
    """Each channel by `multiplier` filters of its own: (B, channels, H, W) -> (B, channels * multiplier, h, w), sides divided by
    the stride and rounded up. Needs: odd kernel."""
    return nn.Conv2d(channels, channels * multiplier, kernel, stride=stride, padding=kernel // 2, groups=channels, bias=bias)


def shares_of(channels: int, count: int) -> list[int]:
    """The channels of each of `count` kernels: equal, rounded up, and for the last one what is left. ValueError where nothing is.
    Source: arXiv 1907.09595 (MixConv), in the split of final-project-level3-cv-19."""
    share = -(-channels // count)
    last = channels - share * (count - 1)
    if last < 1:
        raise ValueError(f"depthwise: {channels} channels in {count} shares of {share} leave {last} for the last kernel")
    return [share] * (count - 1) + [last]


class DepthwiseSplit(nn.Module):
    """Depthwise convolutions of several kernels, each on its own share of the channels; output channels stand in the order of the
    input's. Shapes: (B, C, H, W) -> (B, C * multiplier, h, w), sides divided by the stride and rounded up.
    Needs: odd kernels, a share for each (`shares_of`). Source: arXiv 1907.09595 (MixConv)."""

    def __init__(self, channels: int, kernels: Sequence[int], *, stride: int = 1, multiplier: int = 1, bias: bool = True):
        super().__init__()
        self.shares = shares_of(channels, len(kernels))
        self.convs = nn.ModuleList(
            depthwise_conv(share, kernel, stride=stride, multiplier=multiplier, bias=bias)
            for share, kernel in zip(self.shares, kernels, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(self.convs) == 1:
            return self.convs[0](x)
        parts = x.split(self.shares, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], dim=1)

    def adopted(self, source: nn.Module) -> Adopted | None:
        """The channels of other shares, smaller kernels amid zeros: exact. None where a kernel would have to be cut down."""
        if not isinstance(source, DepthwiseSplit) or source.kernels == self.kernels or source.form != self.form:
            return None
        tensors, filters = {}, source.filters()
        start = 0
        for i, (conv, kernel) in enumerate(zip(self.convs, self.kernels, strict=True)):
            ours = filters[start : start + conv.out_channels]
            if any(weight.shape[-1] > kernel for weight, _ in ours):
                return None
            tensors[f"convs.{i}.weight"] = torch.stack(
                [F.pad(weight, [(kernel - weight.shape[-1]) // 2] * 4) for weight, _ in ours]
            )
            if conv.bias is not None:
                tensors[f"convs.{i}.bias"] = torch.stack([bias for _, bias in ours])
            start += conv.out_channels
        return Adopted(tensors, f"kernels {list(source.kernels)} split and padded with zeros to {list(self.kernels)}")

    @property
    def kernels(self) -> tuple[int, ...]:
        return tuple(conv.kernel_size[0] for conv in self.convs)

    @property
    def form(self) -> tuple[int, int, tuple[int, ...], bool]:
        """Everything but the kernels: channels in and out, stride, whether there are biases."""
        first = self.convs[0]
        return sum(self.shares), sum(conv.out_channels for conv in self.convs), first.stride, first.bias is not None

    def filters(self) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        """Kernel (1, k, k) and bias of each output channel."""
        biases = [conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach() for conv in self.convs]
        pairs = zip(self.convs, biases, strict=True)
        return [pair for conv, bias in pairs for pair in zip(conv.weight.detach(), bias, strict=True)]

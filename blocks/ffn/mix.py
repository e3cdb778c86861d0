"""The feed-forward network with depthwise convolutions inside."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from blocks.adopted import Adopted
from blocks.checks import check_positive
from blocks.ffn import FFN
from blocks.norm import NORM, Norm
from registry import Option


class DepthwiseSplit(nn.Module):
    """Depthwise convolutions of several kernels, each on its own equal share of the channels (the first ones take a remainder).
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: odd kernels, C >= their number."""

    def __init__(self, channels: int, kernels: Sequence[int]):
        super().__init__()
        if not kernels or any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"ffn mix: kernels are {list(kernels)}, but must be one or more odd numbers")
        share, rest = divmod(channels, len(kernels))
        self.shares = [share + (i < rest) for i in range(len(kernels))]
        self.convs = nn.ModuleList(
            nn.Conv2d(c, c, kernel, padding=kernel // 2, groups=c) for c, kernel in zip(self.shares, kernels, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(self.convs) == 1:
            return self.convs[0](x)
        parts = x.split(self.shares, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], dim=1)

    def adopted(self, source: nn.Module) -> Adopted | None:
        """The channels of other shares, smaller kernels amid zeros: exact. None where a kernel would have to be cut down."""
        if not isinstance(source, DepthwiseSplit) or source.kernels == self.kernels or sum(source.shares) != sum(self.shares):
            return None
        tensors, kernels = {}, source.of_each_channel()
        start = 0
        for i, (share, kernel) in enumerate(zip(self.shares, self.kernels, strict=True)):
            channels = kernels[start : start + share]
            if any(weight.shape[-1] > kernel for weight, _ in channels):
                return None
            tensors[f"convs.{i}.weight"] = torch.stack(
                [F.pad(weight, [(kernel - weight.shape[-1]) // 2] * 4) for weight, _ in channels]
            )
            tensors[f"convs.{i}.bias"] = torch.stack([bias for _, bias in channels])
            start += share
        return Adopted(tensors, f"kernels {list(source.kernels)} split and padded with zeros to {list(self.kernels)}")

    @property
    def kernels(self) -> tuple[int, ...]:
        return tuple(conv.kernel_size[0] for conv in self.convs)

    def of_each_channel(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Kernel (1, k, k) and bias of each channel."""
        return [pair for conv in self.convs for pair in zip(conv.weight.detach(), conv.bias.detach(), strict=True)]


@FFN.register("mix")
class MixFfn(nn.Module):
    """Widen the channels `ratio` times, convolve each in space, GELU, narrow again. The zero padding tells positions apart, so
    the network needs no positional encoding. Kernels (3, 5) with batchnorm are the Mix-CFN of BoostFormer.
    Shapes: (B, C, H, W) -> (B, C, H, W). Source: arXiv 2105.15203 (SegFormer's Mix-FFN)."""

    residual = True
    reads_neighbours = True

    def __init__(self, dim: int, *, ratio: int = 4, kernels: tuple[int, ...] = (3,), norm: Norm = Option("identity")):
        super().__init__()
        check_positive("ffn mix", "ratio", ratio)
        hidden = ratio * dim
        self.expand = nn.Linear(dim, hidden)
        self.expand_norm = NORM.build(norm, channels=hidden)
        self.depthwise = DepthwiseSplit(hidden, kernels)
        self.depthwise_norm = NORM.build(norm, channels=hidden)
        self.reduce = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.expand(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # linear over channels: a 1x1 convolution
        x = self.depthwise_norm(self.depthwise(self.expand_norm(x)))
        return self.reduce(F.gelu(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

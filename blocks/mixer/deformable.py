"""Deformable convolution as a token mixer."""

import torch
from torch import nn
from torchvision.ops import DeformConv2d

from blocks.checks import check_heads, check_odd
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("deformable")
class DeformableMixer(nn.Module):
    """A convolution that reads where the map tells it to: for each head, position and kernel cell a shift and a weight between 0
    and 1 are predicted from the neighbourhood. Heads convolve their own channels; a linear layer over channels brings them
    together.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: C divisible by heads, odd kernel. Source: arXiv 1703.06211 and 1811.11168
    (Deformable ConvNets v1, v2). The branch of final-project-level3-cv-16 that tried deformable layers in SegFormer had
    deformable attention, in every second block of stages 3 and 4: another layer with another cost."""

    norm = "layernorm"
    join = Option("plain")
    reads_neighbours = True

    def __init__(self, dim: int, *, kernel: int = 3, heads: int = 1):
        super().__init__()
        check_heads("deformable", dim, heads)
        check_odd("mixer deformable", "kernel", kernel)
        self.shifts = 2 * heads * kernel**2
        # for each head and cell: two coordinates, then a weight
        self.offset = nn.Conv2d(dim, self.shifts + heads * kernel**2, kernel, padding=kernel // 2)
        self.conv = DeformConv2d(dim, dim, kernel, padding=kernel // 2, groups=heads)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        where = self.offset(x)
        shift, weight = where[:, : self.shifts], where[:, self.shifts :].sigmoid()
        return self.output(self.conv(x, shift, weight).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

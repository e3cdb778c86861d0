"""LayerScale."""

import torch
from torch import nn

from blocks.join import JOIN


@JOIN.register("layer_scale")
class LayerScaleJoin(nn.Module):
    """Add the branch times a learned scale for each channel, `initial` at first: deep networks begin near the identity.
    Shapes: 2 x (B, C, H, W) -> (B, C, H, W). Source: arXiv 2103.17239 (CaiT)."""

    def __init__(self, dim: int, *, initial: float = 1e-5):
        super().__init__()
        self.scale = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(x, branch, self.scale.view(-1, 1, 1))

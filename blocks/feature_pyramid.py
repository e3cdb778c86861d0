"""A feature pyramid on a backbone."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from blocks.backbone import BACKBONE, Backbone


class FeaturePyramid(nn.Module):
    """Three maps of a backbone, `body`, at `dim` channels, each with what the coarser ones saw. `coarse` kept: the coarsest map too
    gets a 3x3 convolution, as published, though nothing reads it; dropped, the output is the same.
    Shapes: image (B, 3, H, W) -> two maps (B, dim, h, w), of the backbone's second and third stage.
    Source: arXiv 1612.03144 (FPN), in the form of arXiv 2308.13814 (PET)."""

    def __init__(self, body: Backbone, dim: int, *, coarse: Literal["kept", "dropped"]):
        super().__init__()
        self.body = BACKBONE.build(body)
        _, *channels = self.body.channels
        self.lateral3, self.lateral4, self.lateral5 = (nn.Conv2d(count, dim, 1) for count in channels)
        self.smooth3, self.smooth4 = (nn.Conv2d(dim, dim, 3, padding=1) for _ in range(2))
        self.smooth5 = nn.Conv2d(dim, dim, 3, padding=1) if coarse == "kept" else None

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, fine, middle, coarse = self.body.maps(image)
        coarse = self.lateral5(coarse)
        middle = self.lateral4(middle) + F.interpolate(coarse, middle.shape[2:])  # nearest
        fine = self.lateral3(fine) + F.interpolate(middle, fine.shape[2:])
        if self.smooth5 is not None:
            self.smooth5(coarse)
        return self.smooth3(fine), self.smooth4(middle)

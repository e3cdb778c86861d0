"""Networks of four stages over ever coarser maps: what they share, whatever stands before, in and behind a stage."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from space.networks._widths import scaled, unit_of


class FourStages(nn.Module):
    """Base of networks with the modules `stage1` ... `stage4`, each from the map of the one before to a coarser one."""

    def features(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """The maps (B, C, h, w) of the four stages of images (B, 3, H, W), the finest first, in channels_last memory."""
        x = image.contiguous(memory_format=torch.channels_last)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            yield x


def widened_stages(stages: Sequence[Any], factor: float) -> dict[str, Any]:
    """`stage1`, `stage2`, ... with `factor` times the channels, each width rounded to a multiple of 8 that its heads divide."""
    dims = [scaled(stage.dim, factor, unit_of(stage.mixer)) for stage in stages]
    return {f"stage{i}": replace(stage, dim=dim) for i, (stage, dim) in enumerate(zip(stages, dims, strict=True), 1)}

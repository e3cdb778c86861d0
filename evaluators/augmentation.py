"""What training does to a sample before the network sees it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torchvision.transforms import v2

from evaluators.data import Samples
from evaluators.random_state import derived, seeded_cpu
from evaluators.schedule import Schedule


class ScaleCrop(v2.Transform):
    """Resize by a factor s drawn from `scale`, then crop size x size at random; image and mask alike.

    At s = 1 the shorter side is `size`, or less where the longer would pass 4 * size; a shorter side never ends below `size`.
    Source: the scale-crop of semantic segmentation recipes (ratio range 0.5 to 2 of 2048 x 512).
    """

    def __init__(self, size: int, scale: tuple[float, float]):
        super().__init__()
        self.size, self.scale = size, scale

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = v2.functional.get_size(flat_inputs[0])
        short, long = min(height, width), max(height, width)
        drawn = torch.empty(1).uniform_(*self.scale).item()
        factor = max(drawn * min(4 * self.size / long, self.size / short), self.size / short)
        grown = [int(height * factor) + 1, int(width * factor) + 1]
        top, left = (int(torch.randint(side - self.size + 1, ())) for side in grown)
        return {"grown": grown, "corner": (top, left)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        resized = v2.functional.resize(inpt, params["grown"])
        return v2.functional.crop(resized, *params["corner"], self.size, self.size)


@dataclass(frozen=True, eq=False)
class Augmented:
    """A training split whose items are augmented, item i of an epoch always alike: the draws follow from (seed, epoch, i) only.

    In order: scale and crop to the schedule's size (skipped where samples have that size and scale is [1, 1]), horizontal flip,
    colour jitter. Vertical flips are left out: scenes have an up and a down.
    """

    samples: Samples
    schedule: Schedule
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
        with seeded_cpu(derived(self.seed, "augment", self.epoch, index)):
            return self._transform(*self.samples[index])

    @cached_property
    def _transform(self) -> v2.Transform:
        recipe, steps = self.schedule, []
        if not self.samples.uniform or list(recipe.scale) != [1.0, 1.0]:
            steps.append(ScaleCrop(recipe.image_size, tuple(recipe.scale)))
        if recipe.flip:
            steps.append(v2.RandomHorizontalFlip(recipe.flip))
        if recipe.jitter:
            steps.append(v2.RandomApply([v2.ColorJitter(*recipe.jitter_range)], p=recipe.jitter))
        return v2.Compose(steps or [v2.Identity()])

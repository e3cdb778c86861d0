"""What training does to a sample, and to a batch, before the network sees it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.nn import functional as F
from torchvision.transforms import v2

from evaluators.crops import Crops, HorizontalFlip
from evaluators.data import Data, Samples
from evaluators.mosaic import Mosaic
from evaluators.random_state import derived, seeded_cpu
from evaluators.schedule import SIDE, Schedule

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MAGNITUDES = 11  # RandAugment's steps from 0 to its strongest, so that the magnitude 9 of published recipes is nine tenths
SIDE_STEPS = 10
"""How long a drawn image side is kept."""

BOXES_ONLY = ("mosaic", "sides")
LABEL_ONLY = ("randaugment", "erasing", "mixup", "cutmix")
"""What leaves the label of a whole image true (or mixes it), but not a mask, box or point in it."""


def check_recipe(schedule: Schedule, data: Data) -> None:
    """ValueError where the schedule augments in a way that does not fit the data's kind of truth."""
    for name in LABEL_ONLY:
        if getattr(schedule, name) and data.target != "label":
            raise ValueError(
                f"schedule.{name}: {getattr(schedule, name)} needs data with one label for each image; "
                f"{type(data).__name__} has targets of kind '{data.target}'. Set it to 0"
            )
    for name in BOXES_ONLY:
        if getattr(schedule, name) and data.target != "boxes":
            raise ValueError(
                f"schedule.{name}: {getattr(schedule, name)} needs data with boxes; "
                f"{type(data).__name__} has targets of kind '{data.target}'. Switch it off"
            )
    for name in ("scale", "area"):
        if data.target == "boxes" and list(getattr(schedule, name)) != [1, 1]:
            given = list(getattr(schedule, name))
            raise ValueError(f"schedule.{name}: {given} crops images, and boxes with them; set it to [1, 1] and use mosaic instead")


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


class NoiseErasing(v2.RandomErasing):
    """Replace a box of the image by noise with the mean and deviation of pixels, drawn for each of them, as recipes erase
    normalised images. Source: arXiv 1708.04896 (Random Erasing)"""

    def __init__(self, probability: float):
        super().__init__(probability, value="random")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        params = super().make_params(flat_inputs)
        if params["v"] is None:  # no box fits
            return params
        mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        noise = (params["v"] * deviation + mean).clamp(0, 1) * 255
        return params | {"v": noise.to(torch.uint8)}


@dataclass(frozen=True, eq=False)
class Augmented:
    """A training split whose items are augmented, item i of an epoch always alike: the draws follow from (seed, epoch, i) only.

    In order: a crop of part of the area, brought to the schedule's size, or scale and crop to it (skipped where samples have that
    size and both are [1, 1]); images with boxes are letterboxed or put together in a mosaic instead, those with points cut as
    `Crops` does; horizontal flip, RandAugment (arXiv 1909.13719), colour jitter, erasing. Vertical flips are left out: scenes have
    an up and a down.
    """

    samples: Samples
    schedule: Schedule
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
        with seeded_cpu(derived(self.seed, "augment", self.epoch, index)):
            return self._transform(*self._source[index])

    @cached_property
    def _source(self) -> Samples:
        """The split itself; of boxes, brought to one size or put together in fours; of points, crops of one size."""
        target = self.samples[0][1]
        if not isinstance(target, dict):
            return self.samples
        if "boxes" in target:
            return Mosaic(self.samples, self.schedule, self.schedule.closes(self.epoch))
        return Crops(self.samples, self.schedule)

    @cached_property
    def _transform(self) -> v2.Transform:
        recipe, steps = self.schedule, []
        if list(recipe.area) != [1.0, 1.0]:
            steps.append(v2.RandomResizedCrop(recipe.image_size, scale=tuple(recipe.area)))
        elif not self._source.uniform or (self._source is self.samples and list(recipe.scale) != [1.0, 1.0]):
            steps.append(ScaleCrop(recipe.image_size, tuple(recipe.scale)))
        if recipe.flip:
            steps.append(HorizontalFlip(recipe.flip))
        if recipe.randaugment:
            steps.append(randaugment(recipe.randaugment))
        if recipe.jitter:
            steps.append(v2.RandomApply([v2.ColorJitter(*recipe.jitter_range)], p=recipe.jitter))
        if recipe.erasing:
            steps.append(NoiseErasing(recipe.erasing))
        return v2.Compose(steps or [v2.Identity()])


def randaugment(magnitude: int) -> v2.Transform:
    """Two operations of one strength, drawn for each image; what they lay bare is filled with the mean colour."""
    fill = [round(255 * value) for value in IMAGENET_MEAN]
    bilinear = v2.InterpolationMode.BILINEAR
    return v2.RandAugment(2, magnitude, num_magnitude_bins=MAGNITUDES, interpolation=bilinear, fill=fill)


def resized(images: torch.Tensor, target: Any, schedule: Schedule, *, seed: int, step: int) -> tuple[torch.Tensor, Any]:
    """A batch and its boxes stretched to the image side of this step, where the schedule varies it, in multiples of 32."""
    if not schedule.sides:
        return images, target
    smallest, largest = schedule.sides
    draw = torch.Generator().manual_seed(derived(seed, "side", step // SIDE_STEPS))
    side = SIDE * int(torch.randint(smallest // SIDE, largest // SIDE + 1, (), generator=draw))
    size = (side, side)
    if size == tuple(images.shape[2:]):
        return images, target
    return F.interpolate(images, size, mode="bilinear", align_corners=False), target.resized(size)


def mixed(images: torch.Tensor, target: Any, schedule: Schedule, *, classes: int, seed: int, step: int) -> tuple[torch.Tensor, Any]:
    """A normalised batch after mixup (arXiv 1710.09412) or CutMix (arXiv 1905.04899), as the schedule says: images (B, 3, H, W)
    and, of labels (B,), the parts of each class (B, classes). As it is where both are off. Draws follow from (seed, step) only."""
    ways = ((v2.MixUp, schedule.mixup), (v2.CutMix, schedule.cutmix))
    chosen = [way(alpha=alpha, num_classes=classes) for way, alpha in ways if alpha]
    if not chosen:
        return images, target
    with seeded_cpu(derived(seed, "mix", step)):
        return v2.RandomChoice(chosen)(images, target)

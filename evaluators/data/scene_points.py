"""The embedded data set for counting: many small garments on photographs, a point on each of one kind. Nothing is downloaded."""

import functools
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torchvision import tv_tensors

from evaluators.data import DATA, embedded
from evaluators.data.composer import KIND_OF_GARMENT, KINDS, ComposedScenes, Layout, Scene, composed
from evaluators.data.pointed import target_of
from registry import nearest

EVERY = "garment"
"""What is counted where kinds do not matter."""

MIN_VISIBLE = 0.25
"""A garment of which a smaller part shows has no point: it is a rim that nobody would count."""


@DATA.register("scene_points")
@dataclass(frozen=True)
class ScenePoints(ComposedScenes):
    """Garments (Fashion-MNIST) on crops of public-domain photographs, one kind of which is to be counted. The pixels are real, the
    layout is generated: figures from here rank architectures, and are no benchmark of anything else.

    `counted`: a kind (top, legwear, footwear, bag), which has to be told from the others, or garment for all of them. A point is
    the centre of what shows of a garment; one that is covered or cut off by more than three quarters has none. In a hollow garment,
    such as a sandal, and in one that is covered in the middle, it may lie beside what shows.
    """

    train_count: int = 400
    val_count: int = 200
    garments: list[int] = field(default_factory=lambda: [0, 40])
    extent: list[float] = field(default_factory=lambda: [0.08, 0.16])
    recolour: bool = True
    counted: str = "footwear"

    target: ClassVar[str] = "points"
    classes: ClassVar[int] = 1
    on_disk: ClassVar[str] = "data=points or data=shanghaitech"

    def __post_init__(self):
        super().__post_init__()
        if self.counted not in (EVERY, *KINDS):
            raise ValueError(f"data.counted: '{self.counted}' given; {nearest(self.counted, [EVERY, *KINDS])}")

    @property
    def class_names(self) -> tuple[str, ...]:
        return (self.counted,)

    def render(self, split: embedded.Split, count: int, layout: Layout) -> "PointedScenes":
        return rendered(split, count, layout, self.counted)


@dataclass(frozen=True, eq=False)
class PointedScenes:
    """Scenes held in memory: images (N, 3, S, S) uint8; of each its points (n, 2) float32, x, y in pixels."""

    images: torch.Tensor
    points: tuple[np.ndarray, ...]
    uniform: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, dict[str, Any]]:
        image = self.images[index]
        return tv_tensors.Image(image), target_of(self.points[index], (image.shape[-2], image.shape[-1]))


@functools.lru_cache(maxsize=4)
def rendered(split: embedded.Split, count: int, layout: Layout, counted: str) -> PointedScenes:
    """The first `count` scenes of a split, made once for each process."""
    images, points = np.empty((count, layout.size, layout.size, 3), np.uint8), []
    for index, scene in enumerate(composed(split, count, layout)):
        images[index] = scene.image
        points.append(visible_points(scene, counted))
    return PointedScenes(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), tuple(points))


def visible_points(scene: Scene, counted: str = EVERY) -> np.ndarray:
    """(n, 2) float32: the centre, x, y in pixels, of each garment that is `counted` and shows by a quarter or more. Pixel i covers
    [i, i + 1]."""
    seen = [garment for garment in scene.shown() if garment.part >= MIN_VISIBLE]
    meant = [garment for garment in seen if counted in (EVERY, KINDS[KIND_OF_GARMENT[garment.label]])]
    centres = [(garment.columns.mean() + 0.5, garment.rows.mean() + 0.5) for garment in meant]
    return np.array(centres, np.float32).reshape(-1, 2)

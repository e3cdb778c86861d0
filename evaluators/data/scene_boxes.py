"""The embedded data set for detection: garments on photographs, each with its box. Nothing is downloaded."""

import functools
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torchvision import tv_tensors

from evaluators.data import DATA, embedded
from evaluators.data.boxed import target_of
from evaluators.data.composer import KIND_OF_GARMENT, KINDS, ComposedScenes, Layout, Scene, composed

MIN_VISIBLE = 0.5
"""A garment of which a smaller part shows has no box: nobody could say how far it reaches."""


@DATA.register("scene_boxes")
@dataclass(frozen=True)
class SceneBoxes(ComposedScenes):
    """Garments (Fashion-MNIST) on crops of public-domain photographs, to be found. The pixels are real, the layout is generated:
    figures from here rank architectures, and are no benchmark of anything else.

    A box surrounds what shows of a garment; one that is covered or cut off by more than half has none. `kinds`: 1 tells garments
    from the photograph, 4 also tops, legwear (dresses with trousers), footwear and bags from one another.
    """

    train_count: int = 1200
    val_count: int = 200
    garments: list[int] = field(default_factory=lambda: [1, 3])
    extent: list[float] = field(default_factory=lambda: [0.2, 0.6])
    recolour: bool = True
    kinds: int = 1

    target: ClassVar[str] = "boxes"
    on_disk: ClassVar[str] = "data=voc or data=coco"

    def __post_init__(self):
        super().__post_init__()
        if self.kinds not in (1, len(KINDS)):
            raise ValueError(f"data.kinds: {self.kinds}; expected 1 (garment) or {len(KINDS)} ({', '.join(KINDS)})")

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("garment",) if self.kinds == 1 else KINDS

    @property
    def classes(self) -> int:
        return self.kinds

    def render(self, split: embedded.Split, count: int, layout: Layout) -> "BoxedScenes":
        return rendered(split, count, layout, self.kinds)


@dataclass(frozen=True, eq=False)
class BoxedScenes:
    """Scenes held in memory: images (N, 3, S, S) uint8; of each its boxes (n, 4) float32, x1, y1, x2, y2 in pixels, and labels."""

    images: torch.Tensor
    boxes: tuple[np.ndarray, ...]
    labels: tuple[tuple[int, ...], ...]
    uniform: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, dict[str, Any]]:
        image, labels = self.images[index], self.labels[index]
        ignored = np.zeros(len(labels), bool)
        target = target_of(self.boxes[index], labels, ignored, size=(image.shape[-2], image.shape[-1]))
        return tv_tensors.Image(image), target


@functools.lru_cache(maxsize=4)
def rendered(split: embedded.Split, count: int, layout: Layout, kinds: int) -> BoxedScenes:
    """The first `count` scenes of a split, made once for each process."""
    images = np.empty((count, layout.size, layout.size, 3), np.uint8)
    boxes, labels = [], []
    for index, scene in enumerate(composed(split, count, layout)):
        images[index] = scene.image
        found = visible_boxes(scene)
        boxes.append(np.array([box for box, _ in found], np.float32).reshape(-1, 4))
        labels.append(tuple(0 if kinds == 1 else KIND_OF_GARMENT[garment] for _, garment in found))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return BoxedScenes(pixels, tuple(boxes), tuple(labels))


def visible_boxes(scene: Scene) -> list[tuple[tuple[int, int, int, int], int]]:
    """The box and the label 0 to 9 of each garment that shows by half or more."""
    return [(garment.box, garment.label) for garment in scene.shown() if garment.part >= MIN_VISIBLE]

"""Mean average precision of a whole split, by COCO's rules and by those of Pascal VOC 2007. The two are not comparable."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from evaluators.detection.predictions import Predictions

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.arange(0.0, 1.1, 0.1)
"""0.30000000000000004 and its like are kept: the published figures were computed with them."""


@dataclass(frozen=True)
class Truth:
    """The M boxes of one image: xyxy (M, 4) in pixels, labels (M,) class ids, ignored (M,) bool: neither found nor missed."""

    xyxy: Tensor
    labels: Tensor
    ignored: Tensor


def coco_map(found: Sequence[Predictions], truth: Sequence[Truth]) -> tuple[float, float]:
    """mAP at IoU 0.5 and its mean over 0.50, 0.55 ... 0.95: 101 recalls, the 100 surest of each image and class, the mean over
    classes that have a box to find. 0 where there is none at all. Ignored boxes are COCO's crowds: any number of predictions
    may lie in one. Boxes are on the CPU."""
    if not any((~image.ignored).any() for image in truth):
        return 0.0, 0.0
    metric = MeanAveragePrecision(backend="pycocotools")
    metric.warn_on_many_detections = False  # that more than 100 are cut is the rule
    metric.update(
        [{"boxes": image.xyxy, "scores": image.scores, "labels": image.labels} for image in found],
        [{"boxes": image.xyxy, "labels": image.labels, "iscrowd": image.ignored.long()} for image in truth],
    )
    scores = metric.compute()
    return scores["map_50"].item(), scores["map"].item()


def voc07_map(found: Sequence[Predictions], truth: Sequence[Truth]) -> NDArray[np.float64]:
    """(10,) mAP of VOC 2007 at IoU above 0.50, 0.55 ... 0.95: the mean over the classes that have a box to find, 0 without any.

    Each prediction counts for the box of its image and class that it overlaps most, pixels inclusive. Strictly above the
    threshold it is right the first time, wrong when a surer one has that box, and left out where the box is ignored. Moving
    predictions and truth by one pixel alike, as readers of VOC do, changes nothing.
    Source: the VOC 2007 development kit's rules as in github.com/rbgirshick/py-faster-rcnn, without its rounded result files.
    """
    ignored = np.concatenate([np.zeros(0, bool), *(image.ignored.numpy() for image in truth)])
    labels = np.concatenate([np.zeros(0, np.int64), *(image.labels.numpy() for image in truth)])
    classes, positives = np.unique(labels[~ignored], return_counts=True)
    if not len(classes):
        return np.zeros(len(THRESHOLDS))
    ranked = ranking(found, truth)
    per_class = [
        [average_precision(ranked[ranked["label"] == label], ignored, above=above, positives=number) for above in THRESHOLDS]
        for label, number in zip(classes, positives, strict=True)
    ]
    return np.mean(per_class, axis=0)


RANKED = np.dtype([("label", np.int64), ("score", np.float64), ("overlap", np.float64), ("box", np.int64)])
"""A prediction as ranked: its class, score, greatest overlap with a box of its image and class (-1: there is none), and that
box's index in the split."""


def ranking(found: Sequence[Predictions], truth: Sequence[Truth]) -> NDArray[np.void]:
    """All predictions of a split as RANKED, the surest first; of equal scores the earlier image's first."""
    rows, before = [np.zeros(0, RANKED)], 0
    for image, real in zip(found, truth, strict=True):
        row = np.zeros(len(image.scores), RANKED)
        row["label"], row["score"], row["overlap"] = image.labels, image.scores, -1
        if len(real.labels):
            overlap = inclusive_iou(image.xyxy.double().numpy(), real.xyxy.double().numpy())
            overlap[image.labels.numpy()[:, None] != real.labels.numpy()] = -1
            row["overlap"], row["box"] = overlap.max(1), overlap.argmax(1) + before
        rows.append(row)
        before += len(real.labels)
    ranked = np.concatenate(rows)
    return ranked[np.argsort(-ranked["score"], kind="stable")]


def inclusive_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D, M) overlap of boxes (D, 4) and (M, 4) x1, y1, x2, y2 whose last pixel belongs to them: a side is x2 - x1 + 1 long."""
    sides = np.minimum(first[:, None, 2:], second[:, 2:]) - np.maximum(first[:, None, :2], second[:, :2]) + 1
    shared = sides.clip(0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2] + 1).prod(-1) for boxes in (first, second)]
    return shared / (areas[0][:, None] + areas[1] - shared)


def average_precision(ranked: NDArray[np.void], ignored: NDArray[np.bool_], *, above: float, positives: int) -> float:
    """11-point average precision of one class: `ranked` are its predictions, `ignored` says it of every box of the split."""
    hit = ranked["overlap"] > above
    counted = ~(hit & ignored[ranked["box"]])
    hit, box = hit[counted], ranked["box"][counted]
    right = np.zeros(len(hit), bool)
    right[np.flatnonzero(hit)[np.unique(box[hit], return_index=True)[1]]] = True
    found = right.cumsum()
    return eleven_points(found / positives, found / np.arange(1, len(found) + 1))


def eleven_points(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """The mean, over recalls 0, 0.1 ... 1, of the highest precision at that recall or more; 0 where none is reached."""
    reached = np.where(recall >= RECALLS[:, None], precision, 0.0)  # (11, D)
    return float(reached.max(1, initial=0.0).mean())

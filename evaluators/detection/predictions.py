"""From a network's raw output to the boxes that it names in an image."""

from dataclasses import dataclass

from torch import Tensor
from torchvision.ops import batched_nms

from evaluators.detection.cells import cells, decode, to_corners

LEAST_SCORE = 0.01
NMS_IOU = 0.65


@dataclass(frozen=True)
class Predictions:
    """D boxes of one image, the surest first: xyxy (D, 4) in pixels, scores (D,) in 0..1, labels (D,) class ids."""

    xyxy: Tensor
    scores: Tensor
    labels: Tensor


def predictions(output: Tensor, size: tuple[int, int]) -> list[Predictions]:
    """What (B, N, 5 + K) raw output says about each of B images of `size` (height, width).

    A cell has its best class only, scored objectness x class; those of at least 0.01 go through non-maximum suppression at IoU
    0.65, class by class. Boxes may reach beyond the image. A cell whose numbers are not finite predicts nothing.
    Source: github.com/Megvii-BaseDetection/YOLOX.
    """
    output = output.float()
    boxes = to_corners(decode(output[..., :4], cells(size, output.device)))
    best, labels = output[..., 5:].max(-1)
    scores = output[..., 4].sigmoid() * best.sigmoid()  # a class's rank is the same before the sigmoid
    kept = (scores >= LEAST_SCORE) & boxes.isfinite().all(-1)
    return [suppressed(boxes[i][kept[i]], scores[i][kept[i]], labels[i][kept[i]]) for i in range(len(output))]


def suppressed(xyxy: Tensor, scores: Tensor, labels: Tensor) -> Predictions:
    """The boxes of one image that no surer box of the same class overlaps by more than 0.65."""
    kept = batched_nms(xyxy, scores, labels, NMS_IOU)
    return Predictions(xyxy[kept], scores[kept], labels[kept])

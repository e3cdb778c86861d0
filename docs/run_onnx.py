"""An exported network on one's own image, without Paredown: `python docs/run_onnx.py model.onnx photo.jpg labels.png`.

Needs onnxruntime, numpy and pillow. Of a segmentation network it writes a picture with a grey level for each class, and prints how
much of the image each takes; of a classifier it prints the likeliest classes (no labels.png then). Detectors answer in cells and
boxes, which Paredown reads.
"""

import sys

import numpy
import onnxruntime
from PIL import Image

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # as the model card says


def main(model: str, photo: str, labels: str = "labels.png") -> None:
    session = onnxruntime.InferenceSession(model)
    height, width = session.get_inputs()[0].shape[2:]
    image = Image.open(photo).convert("RGB")
    pixels = numpy.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=numpy.float32) / 255
    batch = ((pixels - MEAN) / DEVIATION).astype(numpy.float32).transpose(2, 0, 1)[None]  # (H, W, 3) -> (1, 3, H, W)

    logits, *further = session.run(None, {"image": batch})
    if further or logits.ndim not in (2, 4):
        shapes = [tuple(output.shape) for output in (logits, *further)]
        sys.exit(f"{model}: outputs {shapes}; expected one of class scores, (1, classes, h, w) or (1, classes)")
    if logits.ndim == 2:  # (1, K)
        chances = numpy.exp(logits[0] - logits[0].max())
        for number in chances.argsort()[:-6:-1]:
            print(f"class {number}: {chances[number] / chances.sum():.1%}")
        return
    classes = logits[0].argmax(0).astype(numpy.uint8)  # (K, h, w) -> (h, w)
    for number, count in zip(*numpy.unique(classes, return_counts=True), strict=True):
        print(f"class {number}: {count / classes.size:.1%}")
    spread = Image.fromarray(classes * (255 // max(1, logits.shape[1] - 1)))
    spread.resize(image.size, Image.Resampling.NEAREST).save(labels)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:4])

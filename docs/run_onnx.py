"""An exported segmentation network on one's own image, without Paredown: `python docs/run_onnx.py model.onnx photo.jpg labels.png`.

Needs onnxruntime, numpy and pillow. Writes a picture with a grey level for each class, and prints how much of the image each takes.
"""

import sys

import numpy
import onnxruntime
from PIL import Image

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # as the model card says


def main(model: str, photo: str, labels: str) -> None:
    session = onnxruntime.InferenceSession(model)
    height, width = session.get_inputs()[0].shape[2:]
    image = Image.open(photo).convert("RGB")
    pixels = numpy.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=numpy.float32) / 255
    batch = ((pixels - MEAN) / DEVIATION).astype(numpy.float32).transpose(2, 0, 1)[None]  # (H, W, 3) -> (1, 3, H, W)

    (logits,) = session.run(None, {"image": batch})
    classes = logits[0].argmax(0).astype(numpy.uint8)  # (K, h, w) -> (h, w)
    for number, count in zip(*numpy.unique(classes, return_counts=True), strict=True):
        print(f"class {number}: {count / classes.size:.1%}")
    spread = Image.fromarray(classes * (255 // max(1, logits.shape[1] - 1)))
    spread.resize(image.size, Image.Resampling.NEAREST).save(labels)


if __name__ == "__main__":
    main(*sys.argv[1:4])

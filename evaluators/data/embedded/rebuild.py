"""Rebuild the embedded data from the two packages that carry the originals. In an empty folder:

    apt-get download dataset-fashion-mnist
    pip download 'scikit-image==0.26.*' --no-deps
    python path/to/rebuild.py dataset-fashion-mnist_*.deb scikit_image-*.whl

The same packages give the same arrays, and with the same Pillow and zlib the same bytes. NOTICE.md has the licences.
"""

import gzip
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
TRAIN_PER_CLASS, VAL_PER_CLASS = 400, 100
LONGEST_SIDE = 320
PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "rocket.jpg",
)


def read_idx(path: Path) -> np.ndarray:
    """The array in a gzipped IDX file: two zero bytes, type (8: uint8), number of axes, big-endian sizes, values."""
    content = gzip.decompress(path.read_bytes())
    assert content[:3] == b"\0\0\x08", f"{path} is not an IDX file of bytes"
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def first_of_each(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the first `count` samples of each class, in their original order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == k)[:count] for k in np.unique(labels)]))


def garments(package: Path) -> dict[str, np.ndarray]:
    """The class-balanced subset: training garments from the published training split, validation ones from its test split."""
    arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        source = Path(folder) / "usr/share/datasets/fashion-mnist"
        for split, published, count in (("train", "train", TRAIN_PER_CLASS), ("val", "t10k", VAL_PER_CLASS)):
            labels = read_idx(source / f"{published}-labels-idx1-ubyte.gz")
            chosen = first_of_each(labels, count)
            arrays[f"{split}_images"] = read_idx(source / f"{published}-images-idx3-ubyte.gz")[chosen]
            arrays[f"{split}_labels"] = labels[chosen]
    return arrays


def thumbnail(content: bytes) -> Image.Image:
    """A photograph in RGB, its longer side at most LONGEST_SIDE pixels."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def main(debian_package: Path, wheel: Path) -> None:
    """Write garments.npz and photos/*.jpg beside this file."""
    np.savez_compressed(HERE / "garments.npz", **garments(debian_package))
    (HERE / "photos").mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in PHOTOS:
            photo = thumbnail(archive.read(f"skimage/data/{name}"))
            photo.save(HERE / "photos" / f"{Path(name).stem}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

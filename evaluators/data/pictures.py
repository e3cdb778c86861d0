"""One image file: its size, and its pixels as RGB whatever it was stored as."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision import tv_tensors
from torchvision.transforms import v2

UNREADABLE = (OSError, UnidentifiedImageError, SyntaxError)
DEEP = ("I;16", "I;16B", "I;16L", "I;16N")
UNBOUNDED = ("I", "F")
"""Modes whose values have no largest one, so that nobody can say which is white."""


def size(path: Path) -> tuple[int, int]:
    """(width, height) from the header; ValueError where the file is no image that `read` takes."""
    try:
        with Image.open(path) as file:
            if file.mode in UNBOUNDED:
                allowed = "8 bits a channel in any mode, or 16-bit greyscale"
                raise ValueError(f"{path}: pixels of mode {file.mode} (32 bits); expected {allowed}")
            return file.size
    except UNREADABLE as error:
        raise ValueError(f"{path}: not a readable image ({error})") from None


def read(path: Path | str, *, upright: bool = False) -> tv_tensors.Image:
    """The pixels (3, H, W) uint8, RGB. `upright` turns them as EXIF says; a mask beside the image fits them as they are stored.
    ValueError names a file that is cut short, which no header tells."""
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file) if upright else file
            return tv_tensors.Image(v2.functional.pil_to_tensor(as_rgb(picture)))
    except UNREADABLE as error:
        raise ValueError(f"{path}: not a readable image ({error})") from None


def as_rgb(picture: Image.Image) -> Image.Image:
    """16-bit greyscale is scaled, where PIL would cut it off at 255; of an image with transparency the colours are kept."""
    if picture.mode in DEEP:
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("RGB")

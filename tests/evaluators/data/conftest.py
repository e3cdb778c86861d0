"""A home for what checks remember, and images of a known size, for the tests of data sets with boxes."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def picture():
    """Writes a grey image of (width, height); `turned`: its EXIF says to turn it by 90 degrees."""

    def write(path, size, *, turned=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if turned:
            exif[0x0112] = 6
        Image.fromarray(np.full((size[1], size[0], 3), 100, np.uint8)).save(path, exif=exif)
        return path

    return write

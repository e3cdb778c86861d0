"""Image files of every mode become RGB with the brightness that they show."""

import warnings

import numpy as np
import pytest
from PIL import Image

from evaluators.data import pictures


@pytest.fixture
def grey():
    """A ramp from black to white, 16 high and 32 wide."""
    return np.tile(np.linspace(0, 255, 32).astype(np.uint8), (16, 1))


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGB", "RGBA", "CMYK"])
def test_modes_of_eight_bits(mode, grey, tmp_path):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    picture = Image.fromarray(np.where(grey > 127, 255, 0).astype(np.uint8)).convert("RGB").convert(mode)
    picture.save(path)
    image = pictures.read(path)
    assert tuple(image.shape) == (3, 16, 32)
    assert (image[:, :, 4].float().mean(), image[:, :, -4].float().mean()) == (pytest.approx(0, abs=4), pytest.approx(255, abs=4))


def test_sixteen_bits_are_scaled_not_cut_off(grey, tmp_path):
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert (pictures.read(tmp_path / "deep.png")[0].numpy() == grey).all()


def test_a_palette_with_transparency_keeps_its_colours_and_says_nothing(grey, tmp_path):
    Image.fromarray(grey).convert("P").save(tmp_path / "clear.png", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = pictures.read(tmp_path / "clear.png")
    assert (image[0].numpy() == grey).all()


def test_pixels_without_a_white_are_refused_by_the_header(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match=r"float\.tif: pixels of mode F .*expected 8 bits a channel"):
        pictures.size(tmp_path / "float.tif")


def test_exif_turns_the_image_where_that_is_asked_for(grey, tmp_path):
    picture = Image.fromarray(grey)
    exif = picture.getexif()
    exif[0x0112] = 6  # a quarter turn clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    stored, upright = pictures.read(tmp_path / "turned.png"), pictures.read(tmp_path / "turned.png", upright=True)
    assert (stored[0].numpy() == grey).all()
    assert (upright[0].numpy() == np.rot90(grey, -1)).all()


def test_a_file_that_is_cut_short_is_named(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    assert pictures.size(tmp_path / "cut.png") == (64, 64)
    with pytest.raises(ValueError, match=r"cut\.png: not a readable image"):
        pictures.read(tmp_path / "cut.png")

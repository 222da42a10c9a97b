from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.errors import LabelError, UnreadableFileError
from medseg.io import read_geometry, read_image, read_mask

ROWS, COLUMNS = 3, 5
GREY = np.arange(ROWS * COLUMNS, dtype=np.uint8).reshape(ROWS, COLUMNS) * 16


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_the_first_axis_is_the_column(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / f"a.{ending}", GREY)
    image = read_image(path)
    assert image.voxels.shape == (1, COLUMNS, ROWS)
    np.testing.assert_array_equal(image.voxels[0].T, GREY)
    assert not image.geometry.spacing_known
    assert read_geometry(path).shape == (COLUMNS, ROWS)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path: Path, ending: str) -> None:
    deep = GREY.astype(np.uint16) * 257
    image = read_image(saved(tmp_path / f"deep.{ending}", deep))
    assert image.voxels.dtype == np.uint16
    np.testing.assert_array_equal(image.voxels[0].T, deep)


def test_equal_channels_stay_exact_and_colours_become_luminance(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path / "g.png", np.dstack([GREY] * 3))).voxels[0].T, GREY)
    colour = np.zeros((1, 3, 4), np.uint8)
    colour[0, :, :3] = np.eye(3) * 255
    np.testing.assert_array_equal(read_image(saved(tmp_path / "c.png", colour)).voxels[0].T, [[76, 150, 29]])


def test_a_tiff_with_a_unit_has_a_spacing(tmp_path: Path) -> None:
    inch = read_image(saved(tmp_path / "inch.tif", GREY, dpi=(254, 127)))
    assert inch.geometry.spacing_source == "TIFF"
    np.testing.assert_allclose(inch.geometry.spacing_mm, [0.1, 0.2])
    cm = saved(tmp_path / "cm.tif", GREY, x_resolution=50.0, y_resolution=50.0, resolution_unit="cm")
    np.testing.assert_allclose(read_geometry(cm).spacing_mm, [0.2, 0.2])


def test_a_screen_default_is_no_spacing(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "screen.tif", GREY, dpi=(72, 72)))
    assert not image.geometry.spacing_known
    assert "72 dpi" in image.notes[0]


def test_broken_pictures_are_refused_by_name(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.jpg").write_text("no picture")
    for name in ("cut.png", "empty.png", "words.jpg", "absent.tif"):
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    page = PIL.Image.fromarray(GREY)
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    with pytest.raises(UnreadableFileError, match="2 pages"):
        read_image(tmp_path / "pages.tif")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "bomb.png", GREY)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadableFileError, match="more than 0 million pixels"):
        read_image(path)


def test_masks_keep_their_file_values(tmp_path: Path) -> None:
    values = np.array([[0, 127, 255]], np.uint8)
    for name, pixels in (("l.png", values), ("rgb.png", np.dstack([values] * 3)), ("deep.png", values * np.uint16(9))):
        mask, geometry = read_mask(saved(tmp_path / name, pixels))
        np.testing.assert_array_equal(mask.T, pixels if pixels.ndim == 2 else values)
        assert mask.shape == geometry.shape
    bits, _geometry = read_mask(saved(tmp_path / "bits.png", values > 0))
    np.testing.assert_array_equal(bits.T, [[0, 1, 1]])


def test_a_coloured_palette_gives_its_indices_and_a_grey_one_its_greys(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1, 2]], np.uint8), mode=None).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "colour.png")[0].T, [[0, 1, 2]])
    picture.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    picture.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "grey.png")[0].T, [[0, 128, 255]])


def test_a_coloured_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="channels differ"):
        read_mask(saved(tmp_path / "c.png", np.eye(3, dtype=np.uint8)[np.newaxis] * 255))

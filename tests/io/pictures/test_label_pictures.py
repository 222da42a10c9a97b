"""Masks as pictures: values, colours, JPEG, anti-aliasing, transparency, and the real ones with their truth."""

import csv
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.datasets import inspect_dataset, open_dataset
from medseg.errors import LabelError
from medseg.io import read_geometry, read_image, read_label_map, read_mask
from medseg.labels import Labels
from medseg.options import ReadOptions

BREAST = Labels.from_config({"benign": "#00ff00", "malignant": "#ff0000"})
LESION = Labels.from_config({"lesion": 255})
COLOURS = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
GREYS = np.array([0, 85, 170, 255], np.uint8)


@pytest.fixture
def discs() -> np.ndarray:
    """Three discs, (rows, columns): 2 overlaps 1, 3 is apart and once very small."""
    y, x = np.mgrid[:128, :160]
    drawn = np.zeros(x.shape, np.uint8)
    for label, column, row, radius in ((1, 50, 60, 30), (2, 90, 64, 25), (3, 140, 100, 8), (3, 20, 110, 2)):
        drawn[(x - column) ** 2 + (y - row) ** 2 < radius**2] = label
    return drawn


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def test_grey_pictures_keep_their_file_values(tmp_path: Path) -> None:
    values = np.array([[0, 127, 255]], np.uint8)
    for name, pixels in (("l.png", values), ("rgb.png", np.dstack([values] * 3)), ("deep.png", values * np.uint16(9))):
        mask, geometry = read_mask(saved(tmp_path / name, pixels))
        np.testing.assert_array_equal(mask.T, pixels if pixels.ndim == 2 else values)
        assert mask.shape == geometry.shape


def test_white_of_a_bilevel_picture_is_1_or_a_declared_255(tmp_path: Path) -> None:
    path = saved(tmp_path / "bits.png", np.array([[False, True]]))
    for labels, white in ((None, 1), (LESION, 255), (Labels.from_config({"lesion": 1, "ignore": 255}), 1), (BREAST, 0)):
        if labels is BREAST:
            with pytest.raises(LabelError, match="#ffffff"):
                read_mask(saved(path, np.array([[False] * 9 + [True] * 9])), labels=labels)
        else:
            np.testing.assert_array_equal(read_mask(path, labels=labels)[0].T, [[0, white]])


def test_a_coloured_palette_gives_its_indices_and_a_grey_one_its_greys(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "colour.png")[0].T, [[0, 1, 2]])
    np.testing.assert_array_equal(read_mask(tmp_path / "colour.png", labels=BREAST)[0].T, [[0, 2, 1]])
    picture.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    picture.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "grey.png")[0].T, [[0, 128, 255]])


def test_colours_nobody_declared_are_listed_with_the_mend(tmp_path: Path, discs: np.ndarray) -> None:
    path = saved(tmp_path / "c.png", COLOURS[discs])
    for labels in (None, LESION):
        with pytest.raises(
            LabelError, match=r"c\.png: .*channels differ .*0/0/0 in .*255/0/0 in .*Declare the colours"
        ):
            read_mask(path, labels=labels)
    count = int((discs == 3).sum())
    with pytest.raises(
        LabelError, match=rf"c\.png: {count} voxels .*#0000ff in {count}\), expected only #000000, #00ff00"
    ):
        read_mask(path, labels=BREAST)


def test_declared_colours_are_read_exactly_and_as_file_values(tmp_path: Path, discs: np.ndarray) -> None:
    labels = Labels.from_config({"a": "#00ff00", "b": ["#ff0000", "#0000ff"]})
    for name in ("a.png", "a.tif", "a.bmp"):
        found = read_label_map(saved(tmp_path / name, COLOURS[discs]), labels=labels)
        np.testing.assert_array_equal(found.mask.T, np.array([0, 1, 2, 2])[discs])
        assert (found.notes, found.mask.dtype) == ((), np.uint8)
    written = saved(tmp_path / "written.png", np.minimum(discs, 2))
    np.testing.assert_array_equal(read_mask(written, labels=labels)[0].T, np.minimum(discs, 2))


def test_a_coloured_background_and_ignore(tmp_path: Path, discs: np.ndarray) -> None:
    labels = Labels.from_config({"background": "#000000", "a": "#00ff00", "b": "#ff0000", "ignore": "#0000ff"})
    mask, _geometry = read_mask(saved(tmp_path / "a.png", COLOURS[discs]), labels=labels)
    np.testing.assert_array_equal(mask.T, np.array([0, 1, 2, 255])[discs])
    assert labels.to_indices(mask).max() == 255


@pytest.mark.parametrize("palette", [COLOURS, np.stack([GREYS] * 3, axis=1)], ids=["colours", "greys"])
@pytest.mark.parametrize("quality", [75, 90])
def test_a_jpeg_gets_the_nearest_declared_label(
    tmp_path: Path, discs: np.ndarray, palette: np.ndarray, quality: int
) -> None:
    names = ["#" + bytes(colour).hex() for colour in palette.tolist()]
    labels = Labels.from_config(dict(zip(("background", "a", "b", "c"), names, strict=True)))
    path = saved(tmp_path / "a.jpg", palette[discs], quality=quality, subsampling=0)
    found = read_label_map(path, labels=labels)
    assert np.count_nonzero(discs != found.mask.T) <= 3
    assert "got the nearest declared label" in found.notes[0]


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_the_seam_between_two_greys_is_no_third_label(tmp_path: Path, ending: str) -> None:
    y, x = np.mgrid[:96, :96]
    inside = np.clip(30.3 - np.hypot(x - 48, y - 47), -0.5, 0.5) + 0.5  # how much of each pixel the disc covers
    path = saved(tmp_path / f"smooth.{ending}", np.rint(255 * inside).astype(np.uint8))
    labels = Labels.from_config({"a": 85, "b": 170, "c": 255})
    found = read_label_map(path, labels=labels, options=ReadOptions(nearest_label=True))
    assert np.unique(found.mask).tolist() == [0, 255]
    covered = np.where(inside > 0.5, 255, 0)
    assert np.count_nonzero(covered != found.mask.T) <= (0 if ending == "png" else 8)
    assert "from between two" in found.notes[0]
    if ending == "png":
        with pytest.raises(LabelError, match="nearest_label: true"):
            labels.to_indices(read_mask(path, labels=labels)[0])


def test_a_jpeg_of_greys_is_read_by_declared_values_alone(tmp_path: Path, discs: np.ndarray) -> None:
    path = saved(tmp_path / "a.jpg", np.where(discs, np.uint8(255), np.uint8(0)), quality=60)
    np.testing.assert_array_equal(read_mask(path, labels=LESION)[0].T, np.where(discs, 255, 0))
    with pytest.raises(LabelError, match=r"a\.jpg: is a JPEG, .*Declare the labels"):
        read_mask(path)
    assert not read_mask(saved(tmp_path / "empty.jpg", discs * 0))[0].any()


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_plateau_of_an_undeclared_grey_is_refused(tmp_path: Path, discs: np.ndarray, ending: str) -> None:
    path = saved(tmp_path / f"a.{ending}", np.array([0, 255, 127, 255], np.uint8)[discs])
    with pytest.raises(LabelError, match=rf"a\.{ending}: \d+ voxels hold what nobody declared \(the commonest: 127 in"):
        read_mask(path, labels=LESION, options=ReadOptions(nearest_label=True))


def test_a_thin_outline_of_an_undeclared_colour_is_refused(tmp_path: Path, discs: np.ndarray) -> None:
    pixels = COLOURS[np.where(discs == 3, 0, discs)]
    pixels[120, 30:130] = (0, 0, 255)
    with pytest.raises(LabelError, match=r"100 voxels hold what nobody declared .*#0000ff in 100"):
        read_mask(saved(tmp_path / "a.png", pixels), labels=BREAST)


def test_an_image_is_no_mask(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    with pytest.raises(LabelError, match=r"holds \d+ different values"):
        read_mask(saved(tmp_path / "a.png", noise), labels=BREAST)


def test_transparency_that_contradicts_the_colours_is_refused(tmp_path: Path, discs: np.ndarray) -> None:
    opaque = np.dstack([COLOURS[discs], np.full(discs.shape, 255, np.uint8)])
    clear_background = np.dstack([COLOURS[discs], np.where(discs, np.uint8(255), np.uint8(0))])
    for pixels in (opaque, clear_background):
        labels = Labels.from_config({"a": "#00ff00", "b": "#ff0000", "c": "#0000ff"})
        np.testing.assert_array_equal(read_mask(saved(tmp_path / "a.png", pixels), labels=labels)[0].T, discs)
    hidden = np.dstack([COLOURS[discs], np.where(discs == 1, np.uint8(0), np.uint8(255))])
    all_black = np.dstack([COLOURS[discs * 0], np.where(discs, np.uint8(255), np.uint8(0))])
    for pixels in (hidden, all_black):
        with pytest.raises(LabelError, match=r"a\.png: is partly transparent"):
            read_mask(saved(tmp_path / "a.png", pixels), labels=BREAST)


def test_the_orientation_of_a_mask_is_noted(tmp_path: Path, discs: np.ndarray) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    found = read_label_map(saved(tmp_path / "a.png", discs, exif=exif))
    assert "EXIF" in found.notes[0]


# The real ones: every pixel of every file against the truth that lies beside it.


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_real_colour_coded_masks_equal_their_index_maps(test_data: Path) -> None:
    folder = test_data / "cddcesm_mammo"
    table = [row for row in rows(folder / "cases.csv") if row["subset"] == "png"]
    assert len(table) == 19
    for row in table:
        name = f"{row['name']}.png"
        found = read_label_map(folder / "masks" / name, labels=BREAST)
        truth, _geometry = read_mask(folder / "masks_index" / name)
        np.testing.assert_array_equal(found.mask, truth, err_msg=name)
        assert np.count_nonzero(found.mask) == int(row["lesion_pixels"])
        assert bool(found.notes) == (int(row["n_mask_values"]) > 2)


def test_real_colour_coded_masks_are_inspected_with_what_was_done(test_data: Path) -> None:
    inspection = inspect_dataset(open_dataset(test_data / "cddcesm_mammo", layout="paired", labels=BREAST))
    assert inspection.problems == ()
    assert inspection.summary["cases_with_label"] == {"benign": 14, "malignant": 5}
    assert sum("nearest declared label" in note for one in inspection.facts for note in one.notes) == 14


def test_real_jpeg_masks_equal_their_thresholds(test_data: Path) -> None:
    folder = test_data / "cddcesm_mammo" / "jpeg_masks"
    paths = sorted((folder / "masks").iterdir())
    assert len(paths) == 15
    for path in paths:
        image = read_geometry(folder / "images" / path.name)
        found = read_label_map(path, on=image, labels=LESION)
        truth, _geometry = read_mask(folder / "masks_binary" / f"{path.stem}.png")
        np.testing.assert_array_equal(found.mask, truth, err_msg=path.name)
        with pytest.raises(LabelError, match="is a JPEG"):
            read_mask(path)


def test_real_ultrasound_masks_have_the_lesion_pixels_of_their_table(test_data: Path) -> None:
    folder = test_data / "busi_ultrasound"
    table = rows(folder / "cases.csv")
    assert len(table) == 44
    for row in table:
        masks = sorted((folder / "masks").glob(f"{row['name']}_mask*.png"))
        image = read_image(folder / "images" / f"{row['name']}.png")
        assert len(masks) == int(row["n_masks"])
        assert image.geometry.shape == (int(row["width"]), int(row["height"]))
        found = read_label_map(masks, on=image.geometry, labels=LESION)
        assert np.count_nonzero(found.mask) == int(row["lesion_pixels"]), row["name"]
        assert found.notes == ()


def test_real_chest_masks_have_the_pixels_of_their_table(test_data: Path) -> None:
    folder = test_data / "cxr_lungs"
    table = rows(folder / "cases.csv")
    assert len(table) == 67
    for row in table:
        image = read_geometry(folder / "images" / f"{row['name']}.png")
        mask, _geometry = read_mask(folder / "masks" / f"{row['name']}.png", on=image)
        counts = (np.count_nonzero(mask == 255), np.count_nonzero(mask == 127))
        assert counts == (int(row["lung_pixels"]), int(row["ignore_pixels"])), row["name"]


def test_real_circles_lie_where_the_annotations_say(test_data: Path) -> None:
    folder = test_data / "mini_mias"
    table = rows(folder / "annotations.csv")
    assert len(table) == 8
    x, y = np.mgrid[:1024, :1024]
    for row in table:
        mask, _geometry = read_mask(folder / "circle_masks" / f"{row['Name']}.png")
        if not row["x"]:
            assert not mask.any()
            continue
        column, up, radius = (float(row[name]) for name in "xyr")
        disc = (x - column) ** 2 + (y - (1023 - up)) ** 2 <= radius**2  # y counts from the bottom
        np.testing.assert_array_equal(mask > 0, disc, err_msg=row["Name"])

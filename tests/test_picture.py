"""Pictures: sides, proportions, colours and what is never lost."""

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from medseg.geometry import Geometry, Reorientation
from medseg.labels import IGNORE_INDEX, Labels
from medseg.picture import display_range, html_figure, montage, panels, png_bytes

LABELS = Labels.from_config({"lesion": 1, "organ": 2})


def test_the_right_of_the_patient_is_on_the_left_and_up_is_up():
    voxels = np.zeros((20, 20, 20), np.float32)
    voxels[15:, 15:, 15:] = 1  # right, anterior, superior in RAS
    for panel in panels(voxels, Geometry.from_spacing(voxels.shape, (1, 1, 1)), np.uint8(voxels), LABELS, height=40):
        grey = panel.rgb.astype(int).sum(axis=2)
        assert grey[:10, :10].min() > grey[20:, 20:].max(), panel.name
    assert panel.sides == ("A", "S")


def test_every_stored_orientation_gives_the_same_picture_and_its_own_slice_index():
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(9, 8, 7))
    mask = np.zeros(voxels.shape, np.uint8)
    mask[2:4, 5, 1] = 1
    geometry = Geometry.from_spacing(voxels.shape, (1.0, 1.5, 2.0))
    expected = panels(voxels, geometry, mask, LABELS, height=60)
    turn = Reorientation((2, 0, 1), (True, False, True))
    found = panels(turn.apply(voxels), geometry.reoriented(turn), turn.apply(mask), LABELS, height=60)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
        assert turn.apply(mask).take(other.index, axis=other.axis).any()


def test_planes_have_physical_proportions():
    geometry = Geometry.from_spacing((10, 20, 30), (2.0, 1.0, 0.5))
    axial, coronal, sagittal = panels(np.zeros(geometry.shape), geometry, height=60)
    assert (axial.rgb.shape, coronal.rgb.shape, sagittal.rgb.shape) == ((60, 60, 3), (60, 80, 3), (60, 80, 3))
    assert montage(np.zeros(geometry.shape), geometry, height=60).shape == (60, 60 + 80 + 80 + 8, 3)


def test_a_single_slice_gives_no_endless_panel():
    axial, coronal, sagittal = panels(np.ones((50, 40, 1)), Geometry.from_spacing((50, 40, 1), None), height=100)
    assert axial.rgb.shape == (100, 125, 3)
    assert coronal.rgb.shape == sagittal.rgb.shape == (100, 200, 3)


def test_a_radiograph_is_shown_as_stored():
    voxels = np.zeros((30, 20), np.uint16)
    voxels[:5, :5] = 4000  # first columns, first rows: the upper left
    (panel,) = panels(voxels, Geometry.from_spacing(voxels.shape, None), height=20)
    assert panel.rgb.shape == (20, 30, 3)
    assert panel.rgb[:4, :4].min() == 255
    assert panel.rgb[10:].max() == 0


def test_a_lesion_of_one_pixel_is_seen_in_a_small_picture():
    voxels = np.zeros((2000, 2000), np.uint8)
    mask = voxels.copy()
    mask[1001, 777] = 1
    (panel,) = panels(voxels, Geometry.from_spacing(mask.shape, None), mask, LABELS, height=200)
    assert (panel.rgb == LABELS.labels[0].colour).all(axis=2).sum() == 1


def test_labels_are_outlined_in_their_colours_and_ignored_voxels_are_not_drawn():
    mask = np.zeros((40, 40), np.uint8)
    mask[5:15, 5:15], mask[20:30, 20:30], mask[35:, 35:] = 1, 2, IGNORE_INDEX
    (panel,) = panels(np.zeros(mask.shape), Geometry.from_spacing(mask.shape, None), mask, LABELS, height=40)
    for index, at in enumerate((5, 20)):
        np.testing.assert_array_equal(panel.rgb[at, at], LABELS.labels[index].colour)
        assert 0 < panel.rgb[at + 4, at + 4].max() < max(LABELS.labels[index].colour)
    assert panel.rgb[36:, 36:].max() == 0


@pytest.mark.parametrize("voxels", [np.full((4, 4), 3.0), np.full((4, 4), np.nan), np.zeros((1, 1))])
def test_images_without_contrast_are_drawn_all_the_same(voxels):
    low, high = display_range(voxels)
    assert high > low
    assert montage(voxels, Geometry.from_spacing(voxels.shape, None), height=8).shape == (8, 8, 3)


def test_png_bytes_are_a_png():
    rgb = np.random.default_rng(0).integers(0, 255, (7, 11, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(PillowImage.open(io.BytesIO(png_bytes(rgb)))), rgb)
    figure = html_figure(np.zeros((4, 4)), Geometry.from_spacing((4, 4), None), "a < b")
    assert "a &lt; b" in figure

"""The picture of the largest lesions: lines lie where the mask is, and however the array runs, it looks the same."""

import numpy as np
import pytest

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.outputs.lesion_sheet import draw_lesions, write_lesions
from medseg.regions import axial_diameters, segmentation_regions

LABELS = Labels.from_config({"lesion": 1})


def study(shape=(40, 36, 12), spacing=(1.0, 1.0, 4.0)) -> tuple[np.ndarray, np.ndarray, Geometry]:
    """A long lesion and a small one in noise, without a second slice or corner in which a diameter is as long."""
    voxels = np.random.default_rng(1).normal(100, 10, shape).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    mask[(slice(8, 24), slice(10, 15), slice(3, 6))[: len(shape)]] = 1
    mask[(slice(8, 10), slice(10, 12), slice(3, 6))[: len(shape)]] = 0
    mask[(slice(22, 24), slice(12, 15), slice(3, 6))[: len(shape)]] = 0
    if len(shape) == 3:
        mask[:12, :, 3] = mask[:14, :, 5] = 0
    mask[(slice(30, 35), slice(25, 27), slice(8, 9))[: len(shape)]] = 1
    mask[(30, 25, 8)[: len(shape)]] = mask[(34, 26, 8)[: len(shape)]] = 0
    return voxels + 60 * mask, mask, Geometry.from_spacing(shape, spacing)


def picture(voxels, mask, geometry) -> np.ndarray:
    image = Image(voxels[np.newaxis], geometry, "CT")
    figure = draw_lesions(image, Segmentation(mask, geometry, LABELS, image=image))
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_lines_join_the_ends_of_the_diameters_inside_what_is_shown():
    voxels, mask, geometry = study()
    image = Image(voxels[np.newaxis], geometry, "CT")
    segmentation = Segmentation(mask, geometry, LABELS, image=image)
    axes = draw_lesions(image, segmentation).axes
    measured = {
        f"lesion, {region.id}": axial_diameters(region.mask, geometry.cropped(region.start, region.size))
        for region in segmentation_regions(segmentation)
    }
    assert [panel.get_title().partition(":")[0] for panel in axes] == list(measured)
    for panel in axes:
        (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
        for line in panel.lines:
            x, y = line.get_data()
            assert ((x > min(left, right)) & (x < max(left, right)) & (y > min(low, high)) & (y < max(low, high))).all()
        found = measured[panel.get_title().partition(":")[0]]  # pixels are of 1 mm
        lengths = [float(np.hypot(*np.ptp(line.get_data(), axis=1))) for line in panel.lines]
        assert lengths == pytest.approx([found.longest.length, found.perpendicular.length])


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_an_array_that_runs_another_way_looks_the_same(axes, flips):
    voxels, mask, geometry = study()
    native = Geometry(geometry.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.affine)
    turned = [np.transpose(array, axes)[tuple(slice(None, None, flip) for flip in flips)] for array in (voxels, mask)]
    affine = native.affine.copy()
    affine[:3, :3] = native.affine[:3, :3][:, axes] * flips
    last = [(native.shape[axis] - 1) if flip < 0 else 0 for axis, flip in zip(axes, flips, strict=True)]
    affine[:3, 3] = native.affine[:3, 3] + native.affine[:3, :3][:, axes] @ last
    there = Geometry(turned[0].shape, affine)
    one, other = picture(voxels, mask, native), picture(np.ascontiguousarray(turned[0]), turned[1], there)
    assert one.shape == other.shape
    # Titles name the native index, so that they differ; contours may run the other way round.
    assert np.abs(one - other)[60:].mean() < 3


def test_radiographs_are_shown_as_stored_and_an_empty_mask_is_said(tmp_path):
    voxels, mask, geometry = study((40, 36), (0.5, 0.5))
    image = Image(voxels[np.newaxis], geometry)
    (panel, *_) = draw_lesions(image, Segmentation(mask, geometry, LABELS, image=image)).axes
    assert panel.get_xlim()[0] < panel.get_xlim()[1]
    assert panel.get_ylim()[0] > panel.get_ylim()[1]
    nothing = Segmentation(np.zeros_like(mask), geometry, LABELS, image=image)
    assert draw_lesions(image, nothing).axes[0].get_title() == "no region"
    for name in ("one.png", "other.png"):
        write_lesions(tmp_path / name, image, nothing)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()

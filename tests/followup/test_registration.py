"""Registration of made and real images: known motions are found again, and what fails its check is refused."""

import numpy as np
import pytest
from followup_studies import LABELS
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from medseg import read_image, read_mask
from medseg.errors import GeometryError, InputError
from medseg.followup import follow, from_mask
from medseg.followup.placing import placed_on
from medseg.followup.registration import find_transform, world_grid
from medseg.followup.registration_check import register
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.resample import resample, resample_labels

SHAPE = (48, 44, 40)
GRID = Geometry(SHAPE, np.array([[-2.0, 0, 0, 40], [0, 2.0, 0, -50], [0, 0, 2.5, 10], [0, 0, 0, 1]]))


def textured(seed: int) -> np.ndarray:
    """A body with smooth structure inside and nothing around."""
    voxels = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 3)
    index = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    body = (index**2).sum(axis=0) < 0.8
    return np.where(body, 400 + 2000 * voxels, 0).astype(np.float32)


def motion(degrees, shift, about, scale=1.0) -> np.ndarray:
    """World to world: turned (and stretched) about a point, then shifted."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * scale
    matrix[:3, 3] = about - matrix[:3, :3] @ about + shift
    return matrix


def displaced(image: Image, matrix: np.ndarray, grid: Geometry | None = None) -> Image:
    """What is at x is then at matrix · x."""
    geometry = image.geometry
    moved = resample(image.voxels, Geometry(geometry.shape, matrix @ geometry.affine), grid or geometry)
    return Image(moved, grid or geometry)


def error_mm(found: np.ndarray, true: np.ndarray, geometry: Geometry) -> float:
    """Between where both bring the corners of the middle half of a grid."""
    points = geometry.to_world(
        np.array(geometry.shape) * [[0.25] * 3, [0.75] * 3, [0.25, 0.75, 0.5], [0.5, 0.25, 0.75]]
    )
    bring = [points @ matrix[:3, :3].T + matrix[:3, 3] for matrix in (found, true)]
    return float(np.linalg.norm(bring[0] - bring[1], axis=1).max())


MIDDLE = GRID.to_world(np.array(SHAPE) / 2)


def test_a_rigid_motion_is_found_again_within_half_a_millimetre():
    image = Image(textured(0)[np.newaxis], GRID)
    true = motion((6, -4, 9), (7, -5, 4), MIDDLE)
    found = register(image, displaced(image, true), "rigid")
    assert error_mm(found.matrix, np.linalg.inv(true), GRID) < 0.5
    assert found.metric > found.before
    assert found.degrees == pytest.approx(np.degrees(Rotation.from_matrix(true[:3, :3]).magnitude()), abs=0.5)
    assert found.scales == pytest.approx((1, 1))
    assert found.inverse_mm < 0.5


def test_an_affine_motion_is_found_onto_a_grid_of_another_orientation_and_spacing():
    image = Image(textured(1)[np.newaxis], GRID)
    true = motion((3, 2, -5), (4, 2, -3), MIDDLE, scale=1.05)
    other = Geometry((44, 40, 48), np.array([[0, 0, 2.1, -60], [2.2, 0, 0, -55], [0, 2.6, 0, 5], [0, 0, 0, 1]]))
    found = register(image, displaced(image, true, other), "affine")
    assert error_mm(found.matrix, np.linalg.inv(true), GRID) < 1.0
    assert found.scales == pytest.approx((1.05, 1.05), abs=0.02)


def test_the_same_images_give_the_same_registration_to_a_picometre():
    image = Image(textured(2)[np.newaxis], GRID)
    later = displaced(image, motion((2, 0, 0), (3, 0, 0), MIDDLE))
    first, again = (find_transform(image, later, "rigid") for _ in range(2))
    np.testing.assert_allclose(first.matrix, again.matrix, rtol=0, atol=1e-9)  # ITK's sums differ in their last bits


def test_images_that_have_nothing_in_common_are_refused_with_what_to_do():
    noise = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    with pytest.raises(GeometryError, match=r"registration of later: it failed its check: .* --register none"):
        register(Image(textured(3)[np.newaxis], GRID), Image(noise[np.newaxis], GRID), "rigid", name="later")


def test_an_image_of_one_value_and_a_picture_beside_a_volume_are_refused():
    image = Image(textured(0)[np.newaxis], GRID)
    with pytest.raises(GeometryError, match="single value"):
        register(image, Image(np.ones((1, *SHAPE), np.float32), GRID), "rigid")
    flat = Geometry.from_spacing((30, 30), (1, 1))
    with pytest.raises(GeometryError, match="a picture and a volume"):
        register(image, Image(np.ones((1, 30, 30), np.float32), flat), "rigid")


def test_a_working_grid_holds_the_whole_image():
    oblique = Geometry((30, 20, 10), motion((20, 30, 40), (5, 6, 7), np.zeros(3)) @ np.diag([1, 2, 4, 1.0]))
    grid = world_grid(oblique, 5000)
    corners = grid.to_index(oblique.to_world([[-0.5] * 3, [29.5, 19.5, 9.5], [29.5, -0.5, 9.5]]))
    assert (corners >= -0.5 - 1e-6).all()
    assert (corners <= np.array(grid.shape) - 0.5 + 1e-6).all()
    assert np.prod(grid.shape) < 8000


def points_of(image: Image, mask: np.ndarray, facts=({}, {})):
    return [
        from_mask(
            name,
            Segmentation(mask, image.geometry, LABELS),
            image=Image(image.voxels, image.geometry, facts=one),
        )
        for name, one in zip(("baseline", "later"), facts, strict=True)
    ]


def test_frames_of_reference_that_differ_are_refused_until_the_user_says_how():
    image, mask = Image(textured(0)[np.newaxis], GRID), (textured(0) > 900).astype(np.uint8)
    one, other = points_of(image, mask, ({"frame_of_reference": "1.2"}, {"frame_of_reference": "1.3"}))
    with pytest.raises(GeometryError, match=r"DICOM frame of reference is another .* --register rigid"):
        placed_on(one, other, None)
    assert "positions were taken as they are" in placed_on(one, other, "none").notes[-1]
    assert placed_on(one, points_of(image, mask, ({}, {"frame_of_reference": "1.2"}))[1], None).notes == ()
    with pytest.raises(InputError, match="no image of later"):
        placed_on(one, from_mask("later", other.segmentation), "rigid")
    with pytest.raises(InputError, match="Choose none, rigid, affine"):
        placed_on(one, other, "deformable")


def test_other_grids_of_unknown_frames_are_refused_and_such_as_never_meet_even_with_none():
    image, mask = Image(textured(0)[np.newaxis], GRID), (textured(0) > 900).astype(np.uint8)
    one, _ = points_of(image, mask)
    for shift, placing, message in ((5, None, "lies on another grid"), (5000, "none", "shows no place that baseline")):
        grid = Geometry(SHAPE, motion((0, 0, 0), (shift, 0, 0), np.zeros(3)) @ GRID.affine)
        with pytest.raises(GeometryError, match=message):
            placed_on(one, from_mask("later", Segmentation(mask, grid, LABELS)), placing)


def test_a_real_study_that_was_displaced_is_registered_back_and_its_lesions_are_matched(test_data):
    """FLAIR of a patient with multiple sclerosis, a third of its resolution: lesions and image moved as one."""
    folder = test_data / "ms_lesions" / "full"
    whole = read_image(folder / "patient19_FLAIR.nii.gz")
    mask, geometry = read_mask(folder / "patient19_lesion_mask.nii.gz", on=whole)
    grid = geometry.resized([n // 3 for n in geometry.shape])
    labels = Labels.from_config({"lesion": 1})
    image = Image(resample(whole.voxels, geometry, grid), grid)
    lesions = resample_labels(mask, geometry, grid, labels)
    true = motion((5, -4, 8), (6, -9, 4), grid.to_world(np.array(grid.shape) / 2))
    moved = resample_labels(lesions, Geometry(grid.shape, true @ grid.affine), grid, labels)
    baseline = from_mask("baseline", Segmentation(lesions, grid, labels), image=image)
    later = from_mask("later", Segmentation(moved, grid, labels), image=displaced(image, true))
    placed = placed_on(baseline, later, "rigid")
    assert placed.to_baseline is not None
    assert error_mm(placed.to_baseline, np.linalg.inv(true), grid) < 0.6
    states = follow([baseline, placed]).tracks.query("time == 1")["state"].value_counts()
    assert states.drop(["matched", "merged", "split", "regrouped", "gone"], errors="ignore").sum() == 0
    big = follow([baseline, placed]).tracks.query("time == 1 and role == 'target'")
    assert set(big["state"]) <= {"matched", "split", "merged", "regrouped"}
    unregistered = follow([baseline, later]).tracks.query("time == 1")["state"].value_counts()
    assert states.get("matched", 0) > unregistered.get("matched", 0)

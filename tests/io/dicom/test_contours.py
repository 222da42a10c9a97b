"""RTSTRUCT: a voxel belongs to a region where its centre lies inside of an odd number of contours."""

import nibabel
import numpy as np
import pytest
from dicom_objects import FRAME_OF_REFERENCE, save, structure_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation
from skimage.draw import polygon2mask

from medseg.errors import GeometryError, GridMismatchError, LabelError, MedsegError, UnreadableFileError
from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.io import read_image, read_mask
from medseg.io.polygons import filled
from medseg.io.structures import read_segmentation
from medseg.labels import Labels

CLOSED = "CLOSED_PLANAR"


def grid(shape=(20, 16, 5), spacing=(0.8, 1.1, 3.0), angles=(10, -20, 35), origin=(-40, 17.5, 250)) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * np.asarray(spacing)
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def on_slice(geometry: Geometry, points, k: float) -> np.ndarray:
    """World positions of points given in voxels of slice k."""
    points = np.asarray(points, float)
    return geometry.to_world(np.column_stack([points, np.full(len(points), k)]))


def star(rng: np.random.Generator, middle, radius: float, corners: int = 12) -> np.ndarray:
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    lengths = rng.uniform(0.3, 1, corners) * radius
    return np.asarray(middle) + np.column_stack([np.cos(angles), np.sin(angles)]) * lengths[:, None]


def box(low, high) -> np.ndarray:
    (x, y), (u, v) = low, high
    return np.array([(x, y), (u, y), (u, v), (x, v)], float)


def centres_in(polygon: np.ndarray, shape) -> np.ndarray:
    points = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 2)
    return Polygon(np.vstack([polygon, polygon[:1]]), closed=True).contains_points(points).reshape(shape)


def drawn(tmp_path, geometry, regions, **how):
    return read_segmentation(save(structure_set(regions, **how), tmp_path / "rs.dcm"), on=geometry)


@given(seed=st.integers(0, 10_000), corners=st.integers(3, 40))
@settings(max_examples=60, deadline=None)
def test_filling_agrees_with_matplotlib_and_scikit_image(seed, corners):
    polygon = star(np.random.default_rng(seed), (12, 9), 11, corners)
    found = filled([polygon], (24, 18))
    np.testing.assert_array_equal(found, centres_in(polygon, (24, 18)))
    np.testing.assert_array_equal(found, polygon2mask((24, 18), polygon))


@given(seed=st.integers(0, 10_000), count=st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_several_polygons_count_by_the_even_odd_rule(seed, count):
    rng = np.random.default_rng(seed)
    polygons = [star(rng, rng.uniform(6, 14, 2), 9) for _ in range(count)]
    odd = np.bitwise_xor.reduce([centres_in(polygon, (20, 20)) for polygon in polygons])
    np.testing.assert_array_equal(filled(polygons, (20, 20)), odd)


def test_polygons_that_cross_themselves_count_by_the_even_odd_rule():
    bow = np.array([(1.5, 1.5), (9.5, 9.5), (9.5, 1.5), (1.5, 9.5)])
    star5 = np.array([(10 + 9.3 * np.cos(a), 10 + 9.3 * np.sin(a)) for a in 0.1 + np.arange(5) * 4 * np.pi / 5])
    for polygon in (bow, star5):
        points = np.moveaxis(np.indices((20, 20)), 0, -1).reshape(-1, 1, 2)
        a, b = polygon, np.roll(polygon, -1, axis=0)
        spans = (a[:, 1] > points[..., 1]) != (b[:, 1] > points[..., 1])
        crossing = a[:, 0] + (points[..., 1] - a[:, 1]) * (b - a)[:, 0] / (b - a)[:, 1]
        odd = ((spans & (points[..., 0] < crossing)).sum(axis=1) % 2 == 1).reshape(20, 20)
        np.testing.assert_array_equal(filled([polygon], (20, 20)), odd)


def test_a_centre_on_an_edge_belongs_to_one_side_only():
    left, right = filled([box((2, 1), (5, 4))], (9, 6)), filled([box((5, 1), (7, 4))], (9, 6))
    np.testing.assert_array_equal(np.argwhere(left).min(axis=0), (2, 1))
    np.testing.assert_array_equal(np.argwhere(left).max(axis=0), (4, 3))
    assert not (left & right).any()
    np.testing.assert_array_equal(left | right, filled([box((2, 1), (7, 4))], (9, 6)))


def test_many_corners_are_followed_in_parts():
    angles = np.linspace(0, 2 * np.pi, 20_001)[:-1]
    circle = 50 + 40.3 * np.column_stack([np.cos(angles), np.sin(angles)])
    distance = np.linalg.norm(np.indices((100, 100)) - 50, axis=0)
    np.testing.assert_array_equal(filled([circle], (100, 100)), distance < 40.3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    permutation=st.permutations(range(3)),
    flipped=st.tuples(*[st.booleans()] * 3),
    seed=st.integers(0, 1000),
)
def test_contours_are_the_same_voxels_whatever_the_order_of_the_image(tmp_path, angles, permutation, flipped, seed):
    rng, geometry = np.random.default_rng(seed), grid(angles=angles)
    polygons = [star(rng, (9.5, 7.5), 7, 20) for _slice in range(4)]
    contours = [(CLOSED, on_slice(geometry, polygon, k + 1)) for k, polygon in enumerate(polygons)]
    turn = Reorientation(tuple(permutation), flipped)

    found = drawn(tmp_path, geometry.reoriented(turn), {"lesion": contours}, decimals=8)

    wanted = np.zeros(geometry.shape, np.uint8)
    for k, polygon in enumerate(polygons):
        wanted[:, :, k + 1] = centres_in(polygon, geometry.shape[:2])
    np.testing.assert_array_equal(found.mask, turn.apply(wanted))


@pytest.mark.parametrize("flipped", [(False, False, False), (True, False, False), (False, True, True), (True,) * 3])
@pytest.mark.parametrize("permutation", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_centres_on_an_edge_fall_to_the_same_side_in_every_order_of_the_image(tmp_path, permutation, flipped):
    geometry = grid(angles=(0, 0, 0), spacing=(1, 1, 3), origin=(0, 0, 0))
    diamond = np.array([(4, 8), (8, 4), (12, 8), (8, 12)], float)
    contours = [(CLOSED, on_slice(geometry, shape, k)) for k, shape in enumerate((box((3, 4), (8, 9)), diamond))]
    plain = drawn(tmp_path, geometry, {"lesion": contours}).mask
    turn = Reorientation(permutation, flipped)
    np.testing.assert_array_equal(
        drawn(tmp_path, geometry.reoriented(turn), {"lesion": contours}).mask, turn.apply(plain)
    )
    assert plain[:, :, 0].sum() == 25


@pytest.mark.parametrize("kind", [CLOSED, "CLOSEDPLANAR_XOR"])
def test_a_contour_within_another_is_a_hole(tmp_path, kind):
    geometry = grid()
    outer, hole, island = box((2.5, 2.5), (15.5, 13.5)), box((5.5, 5.5), (11.5, 11.5)), box((7.5, 7.5), (8.5, 8.5))
    contours = [(kind, on_slice(geometry, polygon, 2)) for polygon in (hole, outer, island)]
    mask = drawn(tmp_path, geometry, {"ring": contours}).mask
    assert mask.sum() == 13 * 11 - 6 * 6 + 1
    assert mask[8, 8, 2]
    assert not mask[6, 6, 2]


def test_a_keyhole_is_a_hole(tmp_path):
    geometry = grid()
    keyhole = [(2.5, 2.5), (15.5, 2.5), (15.5, 8), (10.5, 8), (10.5, 5.5), (5.5, 5.5), (5.5, 11.5), (10.5, 11.5),
               (10.5, 8), (15.5, 8), (15.5, 13.5), (2.5, 13.5)]  # fmt: skip
    mask = drawn(tmp_path, geometry, {"ring": [(CLOSED, on_slice(geometry, keyhole, 2))]}).mask
    assert mask.sum() == 13 * 11 - 5 * 6


def test_a_contour_drawn_twice_counts_once_and_is_noted(tmp_path):
    geometry = grid()
    contour = (CLOSED, on_slice(geometry, box((2.5, 2.5), (5.5, 5.5)), 2))
    found = drawn(tmp_path, geometry, {"node": [contour, contour]})
    assert found.mask.sum() == 9
    assert "1 drawn twice" in found.notes[0]


def test_points_and_open_contours_are_left_out_with_a_note(tmp_path):
    geometry = grid()
    square = on_slice(geometry, box((2.5, 2.5), (5.5, 5.5)), 2)
    contours = [(CLOSED, square), ("POINT", square[:1]), ("OPEN_PLANAR", square), ("OPEN_NONPLANAR", square),
                ("POINT", square[1:2]), (CLOSED, square[:2])]  # fmt: skip
    found = drawn(tmp_path, geometry, {"node": contours, "isocentre": [("POINT", square[:1])], "none": []})
    assert found.mask.sum() == 9
    assert found.labels.names == ("node", "isocentre", "none")
    assert found.notes == (
        "'node': contours left out: 2 POINT, 1 OPEN_PLANAR, 1 OPEN_NONPLANAR, "
        "1 CLOSED_PLANAR of less than three points",
        "'isocentre': contours left out: 1 POINT",
        "'isocentre' has no closed contour and is empty",
        "'none' has no closed contour and is empty",
    )
    picked = read_segmentation(tmp_path / "rs.dcm:/none", on=geometry)
    assert picked.notes == found.notes[-1:]


def test_regions_are_named_numbered_and_coloured_as_the_file_says(tmp_path):
    geometry = grid()
    squares = [(CLOSED, on_slice(geometry, box((2.5, 2.5), (5.5, 5.5)), k)) for k in range(2)]
    found = drawn(tmp_path, geometry, {"GTV": squares[:1], "CTV": squares[1:]})
    assert [(one.name, one.values, one.colour) for one in found.labels.labels] == [
        ("GTV", (1,), (10, 20, 30)),
        ("CTV", (2,), (20, 20, 30)),
    ]
    assert (found.mask == 2).sum() == 9


def test_regions_that_overlap_make_a_stack_and_one_can_be_picked(tmp_path):
    geometry = grid()
    small, large = box((3.5, 3.5), (6.5, 6.5)), box((2.5, 2.5), (9.5, 9.5))
    regions = {"GTV": [(CLOSED, on_slice(geometry, small, 1))], "PTV": [(CLOSED, on_slice(geometry, large, 1))]}
    found = drawn(tmp_path, geometry, regions)
    assert found.mask.shape == (2, *geometry.shape)
    assert found.mask.sum(axis=(1, 2, 3)).tolist() == [9, 49]
    path = tmp_path / "rs.dcm"
    assert read_mask(f"{path}:/ptv", on=geometry)[0].sum() == 49
    assert read_mask(f"{path}:/1", on=geometry)[0].sum() == 9
    with pytest.raises(LabelError, match=r"'GTV' 9, 'PTV' 9\)"):
        read_mask(path, on=geometry)


def test_contours_without_an_image_are_refused_with_the_mend(tmp_path):
    geometry = grid()
    path = save(structure_set({"a": [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), 1))]}), tmp_path / "rs.dcm")
    with pytest.raises(GeometryError, match=r"rs\.dcm: holds contours.*on=image"):
        read_segmentation(path)
    with pytest.raises(GeometryError, match="the image is 2D"):
        read_segmentation(path, on=Geometry.from_spacing((9, 9), None))


def test_a_contour_a_little_beside_its_slice_lies_on_it(tmp_path):
    geometry = grid()
    assert (
        drawn(tmp_path, geometry, {"a": [(CLOSED, on_slice(geometry, box((2.5, 2.5), (5.5, 5.5)), 2.04))]}).mask.sum()
        == 9
    )


def test_a_contour_between_slices_is_refused_with_the_distance(tmp_path):
    geometry = grid()
    with pytest.raises(GridMismatchError, match=r"'a' lies 0\.9 mm beside the nearest slice"):
        drawn(tmp_path, geometry, {"a": [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), 2.3))]})


def test_a_contour_tilted_against_the_slices_is_refused(tmp_path):
    geometry = grid()
    flat = [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), k)) for k in range(3)]
    tilted = geometry.to_world([(2, 2, 1), (9, 2, 1.5), (9, 9, 1.5), (2, 9, 1)])
    with pytest.raises(GeometryError, match=r"'b' is tilted against the slices of the image: it spans 1\.5 mm"):
        drawn(tmp_path, geometry, {"a": flat, "b": [(CLOSED, tilted)]})


def test_contours_outside_of_the_image_are_refused(tmp_path):
    geometry = grid()
    with pytest.raises(GridMismatchError, match="'a' lies 6 mm outside of the image"):
        drawn(tmp_path, geometry, {"a": [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), 6))]})
    for polygon in (box((-5, 2), (4, 4)), box((30, 2), (34, 4)), box((2, -1e7), (4, 4))):
        with pytest.raises(GridMismatchError, match="'a' encloses voxels outside"):
            drawn(tmp_path, geometry, {"a": [(CLOSED, on_slice(geometry, polygon, 1))]}, decimals=3)


def test_a_contour_around_all_centres_of_a_slice_fills_it(tmp_path):
    geometry = grid()
    mask = drawn(tmp_path, geometry, {"a": [(CLOSED, on_slice(geometry, box((-0.5, -0.5), (19.5, 15.5)), 1))]}).mask
    assert mask[:, :, 1].all()
    assert mask.sum() == 20 * 16


def test_another_frame_of_reference_is_refused(tmp_path):
    geometry = grid()
    path = save(structure_set({"a": [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), 1))]}), tmp_path / "rs.dcm")
    voxels = np.zeros((1, *geometry.shape))
    with pytest.raises(GridMismatchError, match="frame of reference"):
        read_segmentation(path, on=Image(voxels, geometry, facts={"frame_of_reference": "1.9"}))
    image = Image(voxels, geometry, facts={"frame_of_reference": FRAME_OF_REFERENCE})
    assert read_segmentation(path, on=image).image is image


def contour_field(name, value):
    def spoil(ds):
        setattr(ds.ROIContourSequence[0].ContourSequence[0], name, value)

    return spoil


def listed_twice(ds):
    ds.StructureSetROISequence.append(ds.StructureSetROISequence[0])


def drawn_but_not_listed(ds):
    ds.ROIContourSequence[0].ReferencedROINumber = 8


def drawn_twice(ds):
    ds.ROIContourSequence.append(ds.ROIContourSequence[0])


def no_regions(ds):
    ds.StructureSetROISequence = []


def no_number(ds):
    ds.StructureSetROISequence[0] = Dataset()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (contour_field("NumberOfContourPoints", 3), "declares 3 points and holds 12 numbers"),
        (contour_field("ContourData", ["1", "2", "3", "4"]), "holds 4 numbers"),
        (listed_twice, r"lists the regions \[1, 1\]"),
        (drawn_but_not_listed, "draws but does not list region 8"),
        (drawn_twice, "draws twice region 1"),
        (no_regions, r"lists the regions \[\]"),
        (no_number, "ROINumber is None"),
    ],
)
def test_structure_sets_that_do_not_hold_together_are_refused_by_name(tmp_path, spoil, message):
    geometry = grid()
    ds = structure_set({"a": [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), 1))]})
    spoil(ds)
    path = save(ds, tmp_path / "spoiled.dcm")
    with pytest.raises(UnreadableFileError, match=message) as refused:
        read_segmentation(path, on=geometry)
    assert "spoiled.dcm" in str(refused.value)


def test_a_cut_or_spoiled_file_raises_nothing_but_our_errors(tmp_path):
    geometry = grid()
    contours = [(CLOSED, on_slice(geometry, box((2, 2), (5, 5)), k)) for k in range(3)]
    path = save(structure_set({"a": contours, "b": contours}), tmp_path / "s.dcm")
    data, rng, refused = path.read_bytes(), np.random.default_rng(0), []
    for turn in range(150):
        broken = bytearray(data[: rng.integers(400, len(data))] if turn % 3 == 0 else data)
        broken[rng.integers(300, len(broken))] = rng.integers(0, 256)
        path.write_bytes(bytes(broken))
        try:
            read_segmentation(path, on=geometry)
        except MedsegError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all("s.dcm" in message for message in refused)


@pytest.mark.parametrize("modality", ["CT", "MR_T1", "PET"])
def test_the_sarcoma_s_contours_equal_its_nifti_mask_voxel_for_voxel(test_data, modality):
    nifti = test_data / "sarcoma_sts/STS_002"
    dicom = test_data / "dicom_series/sts_002" / modality
    truth = np.asarray(nibabel.load(nifti / f"{modality}_mask.nii.gz").dataobj)
    assert truth.sum() == (555 if modality == "PET" else 17090)
    for source in (nifti / f"{modality}_image.nii.gz", dicom / "image"):
        found = read_segmentation(dicom / "mask/RS.dcm", on=read_image(source))
        np.testing.assert_array_equal(found.mask, truth)
        assert found.labels.names == (f"GTV_Mass_{modality}",)
        assert found.labels.labels[0].colour == (255, 0, 0)
        mask, _grid = read_mask(dicom / f"mask/RS.dcm:/GTV_Mass_{modality}", on=found.geometry)
        np.testing.assert_array_equal(mask, truth)


def test_a_structure_set_without_file_meta_is_read(test_data):
    path = test_data / "dicom_pydicom/rtstruct.dcm"
    affine = np.diag([-10.0, -10, 10, 1])
    affine[:3, 3] = (305, 305, -250)
    found = read_segmentation(path, on=Geometry((62, 62, 20), affine))
    assert found.labels.names == ("patient", "Isocenter 1", "Isocenter 2")
    assert found.labels.labels[0].colour == (220, 160, 120)
    assert found.mask.any(axis=(0, 1)).nonzero()[0].tolist() == [5, 6, 7]
    assert found.mask[:, :, 5].sum() == 40 * 30
    assert "'Isocenter 1': contours left out: 1 POINT" in found.notes


def test_regions_are_read_by_name_whatever_their_numbers(tmp_path):
    geometry = grid()
    square = {
        name: [(CLOSED, on_slice(geometry, box((x, 2), (x + 3, 8)), 2))]
        for name, x in zip("abc", (1, 6, 5), strict=True)
    }
    one = save(structure_set({"liver": square["a"], "GTV": square["b"]}), tmp_path / "one.dcm")
    other = save(structure_set({"GTVp": square["b"], "heart": square["c"], "liver": square["a"]}), tmp_path / "two.dcm")
    labels = Labels.from_config({"tumour": ["GTV", "GTVp"], "liver": "liver"})
    masks = [read_mask(path, on=geometry, labels=labels)[0] for path in (one, other)]
    assert np.array_equal(*masks)
    assert set(np.unique(masks[0]).tolist()) == {0, 1, 2}
    with pytest.raises(LabelError, match="overlap"):
        read_mask(other, on=geometry, labels=Labels.of_structures(["GTVp", "heart"]))
    stack = read_mask(other, on=geometry, labels=Labels.of_structures(["GTVp", "heart"], exclusive=False))[0]
    assert stack.shape == (2, *geometry.shape)
    assert (stack[0] & stack[1]).any()

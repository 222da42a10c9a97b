"""DICOM SEG: segments lie where their frames' positions say, on the image's grid or on their own."""

import dicom_objects as made
import highdicom
import numpy as np
import pydicom
import pytest
from dicom_objects import Frame, frames_of, save, segmentation
from highdicom.color import CIELabColor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.sr.codedict import codes
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from scipy.spatial.transform import Rotation

from medseg.errors import GeometryError, GridMismatchError, LabelError, MedsegError, UnreadableFileError
from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.io import mask_on_grid, read_image, read_mask
from medseg.io.dicom.structures.colours import rgb_of_cielab
from medseg.io.dicom.structures.objects import kind_of
from medseg.io.structures import read_segmentation
from medseg.labels import Code, Labels
from medseg.options import ReadOptions


def grid(shape=(7, 5, 6), spacing=(0.7, 0.9, 2.5), angles=(10, -20, 35), origin=(-40, 17.5, 250)) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * np.asarray(spacing)
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def random_mask(shape, seed=0, share=0.4) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < share


def two_organs(shape) -> tuple[np.ndarray, np.ndarray]:
    """Two masks that share no voxel."""
    values = np.random.default_rng(1).integers(0, 3, shape)
    return values == 1, values == 2


TURNS = st.tuples(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3)).map(
    lambda turn: Reorientation(tuple(turn[0]), turn[1])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    turn=TURNS,
    seed=st.integers(0, 99),
    reverse=st.booleans(),
)
def test_masks_come_back_exactly_on_any_grid_of_the_same_voxels(tmp_path, shape, spacing, angles, turn, seed, reverse):
    geometry = grid(shape, spacing, angles)
    mask = random_mask(shape, seed)
    mask[0, 0, 0] = True
    frames = frames_of({1: mask}, geometry, keep_empty=seed % 2 == 0)
    path = save(segmentation(frames[::-1] if reverse else frames, geometry), tmp_path / "seg.dcm")

    found = read_segmentation(path, on=geometry.reoriented(turn))

    np.testing.assert_array_equal(found.mask, turn.apply(mask))
    assert found.geometry.same_as(geometry.reoriented(turn))


@pytest.mark.parametrize("flip", [False, True])
def test_a_segmentation_has_a_grid_of_its_own_with_gaps_filled(tmp_path, flip):
    geometry = grid().reoriented(Reorientation((0, 1, 2), (False, False, flip)))
    mask = random_mask(geometry.shape)
    mask[:, :, [2, 3]] = False
    path = save(segmentation(frames_of({1: mask}, geometry), geometry, spacing_between=2.5), tmp_path / "seg.dcm")

    found = read_segmentation(path)

    assert found.geometry.shape == geometry.shape
    assert found.geometry.displacement_mm(geometry.reoriented(Reorientation((0, 1, 2), (False, False, flip)))) < 1e-4
    np.testing.assert_array_equal(mask_on_grid(found.mask, found.geometry, geometry, path), mask)
    assert found.notes == ()


def test_the_distance_between_slices_comes_from_positions_where_it_is_not_declared(tmp_path):
    geometry = grid()
    path = save(segmentation(frames_of({1: random_mask(geometry.shape)}, geometry), geometry), tmp_path / "seg.dcm")

    found = read_segmentation(path)

    assert found.geometry.same_as(geometry, 1e-4)
    assert "positions" in found.notes[0]


def test_a_wide_gap_is_counted_in_slices_though_positions_are_rounded(tmp_path):
    geometry = grid(shape=(4, 4, 200), spacing=(1, 1, 1.2504), angles=(0, 0, 0), origin=(0, 0, 0))
    frames = [Frame(1, np.ones((4, 4)), np.round(geometry.to_world((0, 0, k)), 2)) for k in (*range(10), 199)]
    path = save(segmentation(frames, geometry), tmp_path / "seg.dcm")
    found = read_segmentation(path)
    assert found.geometry.shape == (4, 4, 200)
    assert found.geometry.displacement_mm(geometry) < 0.02


def test_slices_at_irregular_distances_are_refused_without_an_image(tmp_path):
    geometry = grid(shape=(4, 4, 1))
    frames = [Frame(1, np.ones((4, 4)), geometry.to_world((0, 0, k))) for k in (0, 1, 2.4)]
    path = save(segmentation(frames, geometry), tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match="no multiples of one step"):
        read_segmentation(path)


def test_slices_sheared_against_one_another_are_refused_without_an_image(tmp_path):
    geometry = grid(shape=(4, 4, 1))
    frames = [Frame(1, np.ones((4, 4)), geometry.to_world((0.3 * k, 0, k))) for k in range(3)]
    path = save(segmentation(frames, geometry), tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match="not lie on one regular grid"):
        read_segmentation(path)


def test_slices_far_apart_do_not_make_a_grid_larger_than_memory(tmp_path):
    geometry = grid(shape=(64, 64, 1), spacing=(1, 1, 0.1), angles=(0, 0, 0))
    frames = [Frame(1, np.ones((64, 64)), geometry.to_world((0, 0, k))) for k in (0, 1, 100_000)]
    path = save(segmentation(frames, geometry, spacing_between=0.1), tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match="far apart"):
        read_segmentation(path)


def test_one_slice_is_as_thick_as_the_header_says(tmp_path):
    geometry = grid(shape=(4, 5, 1))
    path = save(segmentation(frames_of({1: np.ones((4, 5, 1))}, geometry), geometry), tmp_path / "seg.dcm")
    found = read_segmentation(path)
    assert found.geometry.same_as(geometry, 1e-4)
    assert "SliceThickness" in found.notes[0]


def test_cropped_frames_lie_at_their_place_in_the_image(tmp_path):
    geometry = grid(shape=(9, 8, 6))
    small = geometry.cropped((2, 3, 1), (4, 3, 2))
    mask = np.ones(small.shape, bool)
    path = save(segmentation(frames_of({1: mask}, small), small), tmp_path / "seg.dcm")

    found = read_segmentation(path, on=geometry)

    wanted = np.zeros(geometry.shape, np.uint8)
    wanted[2:6, 3:6, 1:3] = 1
    np.testing.assert_array_equal(found.mask, wanted)


def test_frames_may_reach_out_of_the_image_where_they_draw_nothing(tmp_path):
    geometry = grid(shape=(9, 8, 6))
    mask = np.zeros(geometry.shape, bool)
    mask[3:5, 3:5, 2:4] = True
    path = save(segmentation(frames_of({1: mask}, geometry, keep_empty=True), geometry), tmp_path / "seg.dcm")

    found = read_segmentation(path, on=geometry.cropped((2, 2, 1), (5, 5, 4)))
    np.testing.assert_array_equal(found.mask, mask[2:7, 2:7, 1:5])

    with pytest.raises(GridMismatchError, match="outside"):
        read_segmentation(path, on=geometry.cropped((4, 2, 1), (5, 5, 4)))
    with pytest.raises(GridMismatchError, match="outside"):
        read_segmentation(path, on=geometry.cropped((2, 2, 3), (5, 5, 3)))


@pytest.mark.parametrize("shift", [(0.2, 0, 0), (0, 0.5, 0), (0, 0, 0.5)])
def test_frames_between_the_voxels_of_the_image_are_refused_with_the_distance(tmp_path, shift):
    geometry = grid()
    moved = Geometry(geometry.shape, geometry.affine.copy())
    moved = Geometry(
        geometry.shape, np.block([[moved.affine[:3, :3], geometry.to_world(shift)[:, None]], [0, 0, 0, 1]])
    )
    path = save(segmentation(frames_of({1: np.ones(geometry.shape)}, moved), moved), tmp_path / "seg.dcm")
    distance = sum(abs(part) * step for part, step in zip(shift, geometry.step, strict=True))
    with pytest.raises(GridMismatchError, match=f"lies {distance:.4g} mm beside the voxels"):
        read_segmentation(path, on=geometry)


def test_positions_rounded_in_the_file_are_taken_and_noted(tmp_path):
    geometry = grid()
    moved = Geometry(geometry.shape, np.block([[geometry.affine[:3, :3], geometry.to_world((0.02, 0, 0))[:, None]],
                                               [0, 0, 0, 1]]))  # fmt: skip
    mask = random_mask(geometry.shape)
    path = save(segmentation(frames_of({1: mask}, moved), moved), tmp_path / "seg.dcm")
    found = read_segmentation(path, on=geometry)
    np.testing.assert_array_equal(found.mask, mask)
    assert "0.020 of a voxel" in found.notes[0]


def test_pixels_of_another_size_or_direction_are_refused(tmp_path):
    geometry = grid()
    path = save(segmentation(frames_of({1: np.ones(geometry.shape)}, geometry), geometry), tmp_path / "seg.dcm")
    with pytest.raises(GridMismatchError, match=r"pixels of 0\.7 × 0\.9 mm have another size"):
        read_segmentation(path, on=grid(spacing=(1.4, 1.8, 2.5)))
    with pytest.raises(GridMismatchError):
        read_segmentation(path, on=grid(angles=(10, -20, 80)))


def test_slices_thicker_than_the_image_s_would_leave_some_empty_and_are_refused(tmp_path):
    thick = grid(spacing=(0.7, 0.9, 5))
    path = save(segmentation(frames_of({1: np.ones(thick.shape)}, thick), thick, spacing_between=5), tmp_path / "s.dcm")
    with pytest.raises(GridMismatchError, match=r"5 mm apart and the image's 2\.5 mm"):
        read_segmentation(path, on=grid(shape=(7, 5, 12)))


def test_segments_that_share_no_voxel_make_one_label_map(tmp_path):
    geometry = grid()
    first, second = two_organs(geometry.shape)
    ds = segmentation(frames_of({3: first, 7: second}, geometry), geometry, names={7: "Kidney", 3: "Liver"})
    ds.SegmentSequence[0].RecommendedDisplayCIELabValue = [41661, 41167, 40792]

    found = read_segmentation(save(ds, tmp_path / "seg.dcm"), on=geometry)

    np.testing.assert_array_equal(found.mask, 3 * first + 7 * second)
    assert found.labels.names == ("Liver", "Kidney")
    assert found.labels.exclusive
    assert found.labels.labels[1].colour == (221, 130, 101)
    assert found.labels.labels[1].values == (7,)
    assert found.labels.labels[1].code.type == Code("SCT", "10200004", "Kidney")


def test_segments_that_overlap_make_a_stack_of_binary_channels(tmp_path):
    geometry = grid()
    first, second = random_mask(geometry.shape, 1), random_mask(geometry.shape, 2)
    path = save(segmentation(frames_of({1: first, 2: second}, geometry), geometry), tmp_path / "seg.dcm")

    found = read_segmentation(path, on=geometry)

    assert not found.labels.exclusive
    np.testing.assert_array_equal(found.mask, np.stack([first, second]))
    np.testing.assert_array_equal(found.of("organ 2"), second)


def test_a_label_map_of_overlapping_segments_is_refused_with_the_shared_voxels(tmp_path):
    geometry = grid()
    first, second = random_mask(geometry.shape, 1), random_mask(geometry.shape, 2)
    third = ~(first | second)
    path = save(segmentation(frames_of({1: first, 2: second, 3: third}, geometry), geometry), tmp_path / "seg.dcm")
    shared = int((first & second).sum())
    with pytest.raises(LabelError, match=rf"'organ 1' {shared}, 'organ 2' {shared}\).*seg\.dcm:/NAME"):
        read_mask(path, on=geometry)


@pytest.mark.parametrize("inside", ["Left Kidney", "left kidney", "2"])
def test_one_segment_is_picked_by_name_or_number(tmp_path, inside):
    geometry = grid()
    first, second = random_mask(geometry.shape, 1), random_mask(geometry.shape, 2)
    names = {1: "Liver", 2: "Left Kidney"}
    path = save(segmentation(frames_of({1: first, 2: second}, geometry), geometry, names), tmp_path / "seg.dcm")

    found = read_segmentation(f"{path}:/{inside}", on=geometry)
    mask, _grid = read_mask(f"{path}:/{inside}", on=geometry)

    np.testing.assert_array_equal(found.mask, second)
    np.testing.assert_array_equal(mask, second)
    assert found.labels.names == ("Left Kidney",)
    assert set(np.unique(found.mask)) == {0, 1}


def test_a_segment_that_is_not_there_is_refused_with_the_names_that_are(tmp_path):
    geometry = grid()
    frames = frames_of(dict(zip((1, 2), two_organs(geometry.shape), strict=True)), geometry)
    path = save(segmentation(frames, geometry, {1: "GTV", 2: "gtv"}), tmp_path / "seg.dcm")
    with pytest.raises(LabelError, match="no structure 'heart', expected one of 1 'GTV', 2 'gtv'"):
        read_segmentation(f"{path}:/heart", on=geometry)
    with pytest.raises(LabelError, match="several structures 'Gtv'"):
        read_segmentation(f"{path}:/Gtv", on=geometry)
    assert read_segmentation(f"{path}:/gtv", on=geometry).labels.names == ("gtv",)


def test_repeated_and_empty_names_are_told_apart(tmp_path):
    geometry = grid()
    masks = {1: random_mask(geometry.shape), 2: random_mask(geometry.shape), 4: random_mask(geometry.shape)}
    names = {1: "node", 2: "node", 4: ""}
    path = save(segmentation(frames_of(masks, geometry), geometry, names), tmp_path / "seg.dcm")
    assert read_segmentation(path, on=geometry).labels.names == ("node", "node (2)", "segment 4")


def test_a_segment_without_frames_is_an_empty_label(tmp_path):
    geometry = grid()
    names = {1: "there", 2: "not there"}
    path = save(segmentation(frames_of({1: np.ones(geometry.shape)}, geometry), geometry, names), tmp_path / "seg.dcm")
    found = read_segmentation(path, on=geometry)
    assert found.labels.names == ("there", "not there")
    assert not found.of("not there").any()


@pytest.mark.parametrize("full", [1, 100, 255])
def test_fractions_of_one_half_are_in_the_mask_and_all_are_kept(tmp_path, full):
    geometry = grid()
    stored = np.random.default_rng(0).integers(0, full + 1, geometry.shape)
    stored[0, 0, :2] = (full // 2, (full + 1) // 2)
    frames = frames_of({2: stored}, geometry, keep_empty=True)
    path = save(segmentation(frames, geometry, kind="FRACTIONAL", full=full), tmp_path / "seg.dcm")

    found = read_segmentation(path, on=geometry)

    np.testing.assert_array_equal(found.of("organ 2"), stored / full >= 0.5)
    np.testing.assert_allclose(found.probabilities[0], stored / full, atol=1e-6)
    assert "at least one half" in found.notes[-1]


def test_fractional_segments_may_overlap(tmp_path):
    geometry = grid()
    rng = np.random.default_rng(0)
    stored = {1: rng.integers(0, 256, geometry.shape), 2: rng.integers(0, 256, geometry.shape)}
    path = save(segmentation(frames_of(stored, geometry), geometry, kind="FRACTIONAL"), tmp_path / "seg.dcm")
    found = read_segmentation(path, on=geometry)
    np.testing.assert_array_equal(found.mask, np.stack([stored[1] >= 128, stored[2] >= 128]))
    np.testing.assert_allclose(found.probabilities, np.stack([stored[1], stored[2]]) / 255, atol=1e-6)


@pytest.mark.parametrize(("bits", "numbers"), [(8, (3, 200)), (16, (3, 60_000))])
def test_label_map_segmentations_keep_their_numbers(tmp_path, bits, numbers):
    geometry = grid()
    values = np.array([0, *numbers])[np.random.default_rng(0).integers(0, 3, geometry.shape)]
    frames = frames_of({0: values}, geometry)
    path = save(segmentation(frames, geometry, kind="LABELMAP", bits=bits), tmp_path / "seg.dcm")
    found = read_segmentation(path, on=geometry)
    np.testing.assert_array_equal(found.mask, values)
    assert [label.values for label in found.labels.labels] == [(number,) for number in numbers]


def test_the_background_of_a_label_map_is_no_label(tmp_path):
    geometry = grid()
    values = np.array([9, 1])[np.random.default_rng(0).integers(0, 2, geometry.shape)]
    ds = segmentation(frames_of({0: values}, geometry), geometry, {9: "air", 1: "liver"}, kind="LABELMAP")
    ds.PixelPaddingValue = 9
    ds["PixelPaddingValue"].VR = "US"
    found = read_segmentation(save(ds, tmp_path / "seg.dcm"), on=geometry)
    assert found.labels.names == ("liver",)
    np.testing.assert_array_equal(found.mask, values == 1)

    ds.SegmentSequence.append(made.segment(0, "zero"))
    with pytest.raises(UnreadableFileError, match="uses 0, which stands for background"):
        read_segmentation(save(ds, tmp_path / "seg.dcm"), on=geometry)


def test_pixels_of_a_segment_that_nobody_lists_are_refused(tmp_path):
    geometry = grid()
    values = np.random.default_rng(0).integers(0, 3, geometry.shape)
    map_ = segmentation(frames_of({0: values}, geometry), geometry, {1: "liver"}, kind="LABELMAP")
    drawn = segmentation(frames_of({1: values, 2: values}, geometry), geometry, {1: "liver"})
    for ds in (map_, drawn):
        with pytest.raises(UnreadableFileError, match="draws segment 2, which SegmentSequence does not list"):
            read_segmentation(save(ds, tmp_path / "seg.dcm"), on=geometry)


def test_two_frames_of_a_segment_at_one_place_are_refused(tmp_path):
    geometry = grid()
    frames = frames_of({1: np.ones(geometry.shape)}, geometry)
    path = save(segmentation([*frames, frames[0]], geometry), tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match="1 frames lie at the place of another"):
        read_segmentation(path, on=geometry)


def test_a_segmentation_of_a_radiograph_lies_on_its_pixels(tmp_path):
    pixels = random_mask((6, 9))
    ds = segmentation([Frame(1, pixels)])
    path = save(ds, tmp_path / "flat.dcm")
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.mask, pixels.T)
    assert not found.geometry.spacing_known

    measures = pydicom.Dataset()
    measures.PixelSpacing = [0.2, 0.3]
    ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [measures]
    path = save(ds, tmp_path / "flat.dcm")
    assert read_segmentation(path).geometry.spacing_mm == (0.3, 0.2)

    radiograph = Geometry.from_spacing((9, 6), (0.1, 0.1))
    assert read_segmentation(path, on=radiograph).geometry is radiograph
    with pytest.raises(GridMismatchError, match="9×6 pixels without a position"):
        read_segmentation(path, on=Geometry.from_spacing((6, 9), None))


def test_frames_in_space_do_not_lie_on_a_radiograph(tmp_path):
    geometry = grid()
    path = save(segmentation(frames_of({1: np.ones(geometry.shape)}, geometry), geometry), tmp_path / "seg.dcm")
    with pytest.raises(GridMismatchError, match="the image is 2D"):
        read_segmentation(path, on=Geometry.from_spacing((7, 5), None))


def test_compressed_frames_are_read(tmp_path):
    geometry = grid()
    stored = np.random.default_rng(0).integers(0, 256, geometry.shape)
    ds = segmentation(frames_of({1: stored}, geometry), geometry, kind="FRACTIONAL")
    ds.compress(RLELossless, generate_instance_uid=False)
    found = read_segmentation(save(ds, tmp_path / "rle.dcm"), on=geometry)
    np.testing.assert_allclose(found.probabilities[0], stored / 255, atol=1e-6)


def test_damaged_frames_in_run_lengths_are_refused(tmp_path):
    geometry = grid()
    ds = segmentation(frames_of({1: np.full(geometry.shape, 7)}, geometry), geometry, kind="FRACTIONAL")
    ds.compress(RLELossless, generate_instance_uid=False)
    path = save(ds, tmp_path / "rle.dcm")
    content = path.read_bytes()
    at = content.index(b"\x01\0\0\0\x40\0\0\0")  # one segment, which begins behind a head of 64 bytes
    for head in (b"\x01\0\0\0\xff\xff\xff\xff", b"\xff\xff\0\0\x40\0\0\0", b"\0" * 8):
        path.write_bytes(content[:at] + head + content[at + 8 :])
        with pytest.raises(UnreadableFileError, match=r"rle\.dcm: its pixels cannot be decoded"):
            read_segmentation(path, on=geometry)


def test_frames_deflated_one_by_one_are_read(tmp_path):
    geometry = grid(shape=(8, 4, 5))
    mask = random_mask(geometry.shape)

    ds = segmentation(frames_of({1: mask}, geometry), geometry)
    path = made.save_deflated_frames(ds, tmp_path / "seg.dcm", frame_bytes=4)
    np.testing.assert_array_equal(read_segmentation(path, on=geometry).mask, mask)

    ds = spoiled(segmentation(frames_of({1: mask}, geometry), geometry), Rows=4096, Columns=4096)
    with pytest.raises(UnreadableFileError, match="unfolds to 4 bytes"):
        read_segmentation(made.save_deflated_frames(ds, tmp_path / "seg.dcm", frame_bytes=4))


def test_a_deflated_data_set_is_read_but_not_unfolded_without_bound(tmp_path, monkeypatch):
    geometry = grid()
    mask = random_mask(geometry.shape)
    ds = segmentation(frames_of({1: mask}, geometry), geometry)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(ds, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_segmentation(path, on=geometry).mask, mask)

    monkeypatch.setattr("medseg.io.dicom.structures.objects._INFLATED", 1000)
    with pytest.raises(UnreadableFileError, match="unfolds to more than"):
        read_segmentation(path, on=geometry)


def spoiled(ds: pydicom.FileDataset, **fields) -> pydicom.FileDataset:
    for name, value in fields.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    return ds


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"NumberOfFrames": 5}, "declares 5 frame"),
        ({"NumberOfFrames": 2**31 - 1}, "holds"),
        ({"NumberOfFrames": None}, "holds"),
        ({"Rows": 60_000, "Columns": 60_000}, "60000×60000"),
        ({"Rows": 0}, "Rows is 0"),
        ({"Columns": None}, "Columns is None"),
        ({"PixelData": None}, "no pixel data"),
        ({"BitsAllocated": 32}, "BitsAllocated is 32"),
        ({"SegmentationType": "CLOUD"}, "SegmentationType is 'CLOUD'"),
        ({"SegmentSequence": None}, "lists no segment"),
        ({"SegmentSequence": [made.segment(1, "a"), made.segment(1, "b")]}, "a number twice"),
        ({"PerFrameFunctionalGroupsSequence": []}, "describes 0 frames"),
        ({"SharedFunctionalGroupsSequence": []}, "ImageOrientationPatient"),
        ({"DimensionOrganizationType": "TILED_FULL"}, "microscopy slide"),
    ],
)
def test_headers_that_do_not_hold_together_are_refused_by_name(tmp_path, fields, message):
    geometry = grid()
    ds = spoiled(segmentation(frames_of({1: np.ones(geometry.shape)}, geometry), geometry), **fields)
    path = save(ds, tmp_path / "spoiled.dcm")
    with pytest.raises((UnreadableFileError, GeometryError), match=message) as refused:
        read_segmentation(path, on=geometry)
    assert "spoiled.dcm" in str(refused.value)


def test_a_cut_or_spoiled_file_raises_nothing_but_our_errors(tmp_path):
    geometry = grid()
    path = save(segmentation(frames_of({1: np.ones(geometry.shape)}, geometry), geometry), tmp_path / "s.dcm")
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


def test_broken_file_meta_is_no_segmentation_and_raises_nothing_but_our_errors(tmp_path):
    geometry = grid()
    path = save(segmentation(frames_of({1: np.ones(geometry.shape)}, geometry), geometry), tmp_path / "s.dcm")
    data = bytearray(path.read_bytes())
    data[138:140] = (2, 0)  # the group length, of 4 bytes, with a length of 2
    path.write_bytes(bytes(data))
    assert kind_of(path) is None


def test_another_frame_of_reference_is_refused_unless_it_is_allowed(tmp_path):
    geometry = grid()
    mask = random_mask(geometry.shape)
    path = save(segmentation(frames_of({1: mask}, geometry), geometry), tmp_path / "seg.dcm")
    voxels = np.zeros((1, *geometry.shape))

    same = Image(voxels, geometry, facts={"frame_of_reference": made.FRAME_OF_REFERENCE, "series": made.SERIES})
    found = read_segmentation(path, on=same)
    assert found.image is same
    assert not any("series" in note for note in found.notes)

    other = Image(voxels, geometry, facts={"frame_of_reference": "1.9", "series": "1.8"})
    with pytest.raises(GridMismatchError, match=r"frame of reference 1\.2\.3\.4 and not in the image's \(1\.9\)"):
        read_segmentation(path, on=other)
    found = read_segmentation(path, on=other, options=ReadOptions(across_frames=True))
    np.testing.assert_array_equal(found.mask, mask)
    assert "another frame of reference" in found.notes[0]
    assert "drawn on the series 1.2.3.5 and not on this one" in found.notes[1]


def test_declared_labels_speak_of_segment_numbers(tmp_path):
    geometry = grid()
    first, second = two_organs(geometry.shape)
    path = save(segmentation(frames_of({1: first, 2: second}, geometry), geometry), tmp_path / "seg.dcm")
    both = read_segmentation(path, on=geometry, labels=Labels.from_config({"body": [1, 2]}))
    np.testing.assert_array_equal(both.of("body"), first | second)
    with pytest.raises(LabelError, match="not declared"):
        read_segmentation(path, on=geometry, labels=Labels.from_config({"body": 1}))

    crossed = random_mask(geometry.shape, 5)
    path = save(segmentation(frames_of({1: first, 2: second, 3: crossed}, geometry), geometry), tmp_path / "seg.dcm")
    both = read_segmentation(path, on=geometry, labels=Labels.from_config({"body": [1, 2], "lesion": 3}))
    np.testing.assert_array_equal(both.mask, np.stack([first | second, crossed]))
    with pytest.raises(LabelError, match=r"structure numbers \[3\] are not declared"):
        read_segmentation(path, on=geometry, labels=Labels.from_config({"body": [1, 2]}))


def test_more_segments_than_class_indices_are_read_as_numbers_only(tmp_path):
    geometry = grid(shape=(20, 15, 1))
    values = np.arange(300).reshape(geometry.shape)
    path = save(segmentation(frames_of({0: values}, geometry), geometry, kind="LABELMAP", bits=16), tmp_path / "s.dcm")
    with pytest.raises(LabelError, match="299 structures"):
        read_segmentation(path, on=geometry)
    np.testing.assert_array_equal(read_mask(path, on=geometry)[0], values)


def test_other_mask_files_get_the_labels_of_their_values(tmp_path):
    import nibabel

    geometry = grid(angles=(0, 0, 0))
    values = np.random.default_rng(0).integers(0, 3, geometry.shape).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, geometry.affine), tmp_path / "mask.nii.gz")
    found = read_segmentation(tmp_path / "mask.nii.gz")
    assert found.labels.names == ("label 1", "label 2")
    named = read_segmentation(tmp_path / "mask.nii.gz", labels=Labels.from_config({"all": [1, 2]}))
    np.testing.assert_array_equal(named.of("all"), values > 0)


def test_colours_are_decoded_as_highdicom_encodes_them():
    for colour in [(221, 130, 101), (255, 0, 0), (0, 0, 0), (255, 255, 255), (12, 200, 99)]:
        stored = CIELabColor.from_rgb(*colour).value
        assert np.abs(np.subtract(rgb_of_cielab(stored), colour)).max() <= 1
    assert rgb_of_cielab(None) is None


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_what_highdicom_writes_comes_back(tmp_path, test_data, kind):
    folder = test_data / "dicom_seg/highdicom/source_ct_CT2"
    sources = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    values = np.random.default_rng(0).integers(0, 3, (len(sources), sources[0].Rows, sources[0].Columns))
    stored = (values == 1).astype(float) if kind == "FRACTIONAL" else values.astype(np.uint8)
    described = [
        highdicom.seg.SegmentDescription(
            number, f"organ {number}", codes.SCT.Organ, codes.SCT.Liver, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number in ((1,) if kind == "FRACTIONAL" else (1, 2))
    ]
    written = highdicom.seg.Segmentation(
        sources, stored, kind, described, highdicom.UID(), 1, highdicom.UID(), 1, "medseg", "tests", "1", "1"
    )
    path = tmp_path / "highdicom.dcm"
    written.save_as(path)

    oracle = highdicom.seg.segread(path).get_volume(combine_segments=kind != "FRACTIONAL")
    found = read_segmentation(path)

    expected = (oracle.array[..., 0] if kind == "FRACTIONAL" else oracle.array).astype(np.uint8)
    geometry = Geometry(expected.shape, np.diag([-1.0, -1, 1, 1]) @ oracle.affine)
    np.testing.assert_array_equal(mask_on_grid(found.mask, found.geometry, geometry, path), expected)
    assert (found.mask > 0).sum() == (stored > 0).sum()


HIGHDICOM = ["seg_image_ct_binary.dcm", "seg_image_ct_binary_overlap.dcm", "seg_image_ct_true_fractional.dcm"]


@pytest.mark.parametrize("name", HIGHDICOM)
def test_real_segmentations_equal_highdicom_s_reading(test_data, name):
    path = test_data / "dicom_seg/highdicom" / name
    seg = highdicom.seg.segread(path)
    oracle = seg.get_volume(combine_segments=False)
    geometry = Geometry(oracle.spatial_shape, np.diag([-1.0, -1, 1, 1]) @ oracle.affine)

    found = read_segmentation(path)

    assert found.labels.names == tuple(str(item.SegmentLabel) for item in seg.SegmentSequence)
    for channel, label in enumerate(found.labels.names):
        expected = oracle.array[..., channel] >= 0.5
        mine = mask_on_grid(found.of(label), found.geometry, geometry, path)
        np.testing.assert_array_equal(mine, expected)
        assert mine.any()


def test_a_real_segmentation_of_a_radiograph_equals_highdicom_s_reading(test_data):
    path = test_data / "dicom_seg/highdicom/seg_image_cr_binary.dcm"
    expected = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(read_segmentation(path).mask, expected.T)


def test_a_segmentation_of_a_microscopy_slide_is_refused_as_such(test_data):
    with pytest.raises(UnreadableFileError, match="microscopy slide"):
        read_segmentation(test_data / "dicom_seg/highdicom/seg_image_sm_control_labelmap.dcm")


def test_the_liver_of_dcmqi_equals_its_nrrd(test_data):
    folder = test_data / "dicom_seg/dcmqi"
    truth, geometry = read_mask(folder / "liver_seg.nrrd")
    for on in (None, geometry, read_image(folder / "ct-3slice")):
        found = read_segmentation(folder / "liver.dcm", on=on)
        mine = mask_on_grid(found.mask, found.geometry, geometry, "liver")
        np.testing.assert_array_equal(mine > 0, truth > 0)
        assert (mine > 0).sum() == 107098
        assert found.labels.labels[0].code.type == Code("SRT", "T-62000", "Liver")


@pytest.mark.parametrize("source", ["image", "multiframe/mf.dcm", "nrrd/label.nrrd"])
def test_rows_and_columns_are_told_apart_on_the_series_and_on_the_nrrd(test_data, source):
    folder = test_data / "dicom_seg/dcmqi/23x38x3"
    truth, geometry = read_mask(folder / "nrrd/label.nrrd")
    image = read_image(folder / source)
    assert image.geometry.shape == (23, 38, 3)
    expected = mask_on_grid(truth, geometry, image.geometry, "label.nrrd")
    found = read_segmentation(folder / "seg/label.seg", on=image)
    np.testing.assert_array_equal(found.mask > 0, expected > 0)
    assert (found.mask > 0).sum() == 322
    mask, _grid = read_mask(folder / "seg/label.seg", on=image.geometry)
    np.testing.assert_array_equal(mask, found.mask)


def test_frames_that_begin_within_a_byte_are_unpacked(test_data):
    folder = test_data / "dicom_pydicom"
    whole = read_segmentation(folder / "liver.dcm")
    cut = read_segmentation(folder / "liver_nonbyte_aligned.dcm")
    np.testing.assert_array_equal(cut.mask, np.moveaxis(pydicom.dcmread(folder / "liver_nonbyte_aligned.dcm")
                                                        .pixel_array, 0, -1).swapaxes(0, 1))  # fmt: skip
    assert (whole.mask > 0).sum() == (cut.mask > 0).sum() == 107098
    with pytest.raises(UnreadableFileError, match="describes 3 frames and declares 1"):
        read_segmentation(folder / "liver_1frame.dcm")

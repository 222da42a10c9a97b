"""How the slices of a series become volumes: what is recognised, told apart, noted or refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medseg.errors import GeometryError, InputError, UnreadableFileError
from medseg.io import read_image
from medseg.io.dicom.scan import scan_dicom
from medseg.options import ReadOptions

Series = Callable[..., Path]
VOLUME = np.arange(4 * 3 * 5, dtype=np.int16).reshape(4, 3, 5)
PLACES = [[0, 0, 3.0 * i] for i in range(4)]


def edited(folder: Path, **fields: list) -> None:
    """Write a list of values, one a slice in stored order, into the files of a series."""
    for i, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        header = pydicom.dcmread(path)
        for name, values in fields.items():
            setattr(header, name, values[i])
        header.save_as(path)


def volumes(folder: Path) -> list:
    (series,) = scan_dicom(folder).series
    return list(series.volumes)


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([[0, 0, 0], [0, 0, 3], [0, 0, 6], [0, 0, 12]], r"1 slice is missing: the distance .* 3 mm, but 6 mm after"),
        ([[0, 0, 0], [0, 0, 3], [0, 0, 12], [0, 0, 21]], r"4 slices are missing"),
        ([[0, 0, 0], [0, 0, 3], [0, 0, 6], [0, 0, 10.1]], "not constant: 3 mm as a rule, 4.1 mm after"),
        ([[0, 0, 0], [0, 0, 3], [0, 0, 3], [0, 0, 6]], "at that of another, such as 3.000 mm"),
        ([[0, 0, 3]] * 4, "all 4 slices lie at one position"),
        ([[0, 1.0 * i, 3.0 * i] for i in range(4)], r"gantry tilt\): 1 mm sideways for each 3 mm"),
        ([[0, 0, 0], [0, 0, 3], [0, 2, 6], [0, 0, 9]], "2 mm beside the line"),
    ],
)
def test_positions_that_make_no_grid_are_refused_with_the_numbers(
    write_series: Series, places: list, found: str
) -> None:
    with pytest.raises(GeometryError, match=found):
        read_image(write_series(VOLUME, positions=places))


def test_a_tilt_is_resampled_on_request_and_the_world_stays(write_series: Series) -> None:
    folder = write_series(VOLUME + 1, positions=[[0, 2.0 * i, 3.0 * i] for i in range(4)])
    image = read_image(folder, options=ReadOptions(untilt=True))
    assert image.geometry.orthogonal
    assert any("gantry tilt" in note for note in image.notes)
    # The shift is one row (2 mm) a slice, so that every value is found again at its own place.
    for (z, y, x), value in np.ndenumerate(VOLUME + 1):
        place = image.geometry.to_index([-0.5 * x, -2.0 * y - 2.0 * z, 3.0 * z])
        assert image.voxels[0][tuple(np.rint(place).astype(int))] == value


def test_two_directions_in_one_series_are_two_volumes(write_series: Series) -> None:
    folder = write_series(VOLUME)
    turned = [[1, 0, 0, 0, 0, -1]] * 2
    axial = [[1, 0, 0, 0, 1, 0]] * 2
    edited(folder, ImageOrientationPatient=axial + turned, ImagePositionPatient=[*PLACES[:2], [0, 9, 0], [0, 5, 0]])
    assert [volume.key for volume in volumes(folder)] == ["axial 5×3", "coronal 5×3"]
    with pytest.raises(InputError, match=r"holds 2 images .*axial.*:/.*/0; .*coronal"):
        read_image(folder)
    first, second = (read_image(where) for where, _volume in scan_dicom(folder).volumes)
    assert (first.geometry.orientation, second.geometry.orientation) == ("LPS", "LIP")
    np.testing.assert_array_equal(first.voxels[0].T, VOLUME[:2])
    np.testing.assert_array_equal(second.voxels[0].T, VOLUME[:1:-1])  # from front to back


@pytest.mark.parametrize("turned", [[0], [1], [3], [0, 1], [0, 2, 3]])
def test_slices_of_another_size_in_a_stack_refuse_all_of_it(write_series: Series, turned: list[int]) -> None:
    folder = write_series(VOLUME)
    rows = [5 if at in turned else 3 for at in range(4)]
    edited(folder, Rows=rows, Columns=[15 // n for n in rows])
    (volume,) = volumes(folder)
    assert len(volume.slices) == 4
    count = min(len(turned), 4 - len(turned))
    found = rf"{count} of 4 slices (is|are) of another size: [35]×[35] pixels of 2×0.5 mm \(00\d.dcm\)"
    with pytest.raises(GeometryError, match=found):
        read_image(folder)


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_two_whole_stacks_of_other_sizes_are_two_volumes(write_series: Series, shift: float) -> None:
    folder = write_series(np.repeat(VOLUME, 2, axis=0), positions=PLACES + [[0, 0, z + shift] for _x, _y, z in PLACES])
    edited(folder, Rows=[3] * 4 + [5] * 4, Columns=[5] * 4 + [3] * 4)
    assert [volume.geometry.shape for volume in volumes(folder)] == [(3, 5, 4), (5, 3, 4)]


def test_a_slice_of_another_size_beside_a_whole_stack_is_no_image(write_series: Series) -> None:
    folder = write_series(np.concatenate([VOLUME, VOLUME[:1]]), positions=[*PLACES, PLACES[2]])
    edited(folder, PixelSpacing=[[2.0, 0.5]] * 4 + [[1.0, 0.25]])
    whole, odd = volumes(folder)
    assert whole.geometry.shape == (5, 3, 4)
    assert "1 of 5 slices is of another size: 5×3 pixels of 1×0.25 mm (001.dcm)" in str(odd.refusal)


def test_localizers_are_told_from_the_volume_and_left_out(write_series: Series) -> None:
    folder = write_series(VOLUME)
    edited(folder, ImageType=[["ORIGINAL", "PRIMARY", "AXIAL"]] * 3 + [["ORIGINAL", "PRIMARY", "LOCALIZER"]])
    assert [volume.kind for volume in volumes(folder)] == ["volume", "localizer"]
    image = read_image(folder)
    assert image.geometry.shape == (5, 3, 3)
    assert "left out beside it: 1 localizer(s)" in image.notes


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"EchoTime": [2.5, 5, 2.5, 5]}, ["EchoTime 2.5", "EchoTime 5"]),
        (
            {"TemporalPositionIdentifier": [1, 2, 1, 2]},
            ["TemporalPositionIdentifier 1", "TemporalPositionIdentifier 2"],
        ),
        ({"DiffusionBValue": [0.0, 800.0, 0.0, 800.0]}, ["DiffusionBValue 0", "DiffusionBValue 800"]),
        ({"ImageType": [["M", "A"], ["P", "A"]] * 2}, ["ImageType M/A", "ImageType P/A"]),
        # every slice has a time of its own: not what tells volumes apart, unlike the acquisition's number
        (
            {"AcquisitionTime": ["1000", "1001", "1002", "1003"], "AcquisitionNumber": [1, 2, 1, 2]},
            ["AcquisitionNumber 1", "AcquisitionNumber 2"],
        ),
    ],
)
def test_a_series_of_several_volumes_is_split_by_what_tells_them_apart(
    write_series: Series, fields: dict, keys: list[str]
) -> None:
    folder = write_series(VOLUME, positions=[[0, 0, 0], [0, 0, 0], [0, 0, 3], [0, 0, 3]])
    edited(folder, **fields)
    found = volumes(folder)
    assert [volume.key for volume in found] == keys
    for k, where in enumerate(scan_dicom(folder).series[0].addresses):
        np.testing.assert_array_equal(read_image(where).voxels[0].T, VOLUME[k::2])
        chosen = read_image(folder, options=ReadOptions(frame=k))
        np.testing.assert_array_equal(chosen.voxels[0].T, VOLUME[k::2])


def test_echoes_and_times_split_a_series_twice(write_series: Series) -> None:
    volume = np.arange(8 * 3 * 5, dtype=np.int16).reshape(8, 3, 5)
    folder = write_series(volume, positions=[[0, 0, 3.0 * (i // 4)] for i in range(8)])
    edited(folder, EchoTime=[2, 2, 5, 5] * 2, TriggerTime=[0, 100] * 4)
    assert [one.key for one in volumes(folder)] == [
        "EchoTime 2, TriggerTime 0", "EchoTime 2, TriggerTime 100", "EchoTime 5, TriggerTime 0",
        "EchoTime 5, TriggerTime 100",
    ]  # fmt: skip


def test_copies_of_a_file_count_once_and_are_named(write_series: Series) -> None:
    folder = write_series(VOLUME)
    (folder / "copy of 002.dcm").write_bytes((folder / "002.dcm").read_bytes())
    image = read_image(folder)
    assert image.geometry.shape[2] == 4
    assert any("copies of its files were left out" in note and "002.dcm" in note for note in image.notes)


def test_two_files_of_one_object_with_other_pixels_are_refused(write_series: Series) -> None:
    folder = write_series(VOLUME)
    content = bytearray((folder / "002.dcm").read_bytes())
    content[-1] ^= 1
    (folder / "second.dcm").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"SOPInstanceUID of .* and other pixels"):
        read_image(folder)


def test_a_sequence_of_frames_without_places_is_refused_with_the_choices(write_series: Series) -> None:
    path = write_series(VOLUME[:1], NumberOfFrames=3, Rows=1, Modality="US", ImagePositionPatient=None) / "001.dcm"
    with pytest.raises(UnreadableFileError, match=r"sequence of 3 frames.*--frame k.* from 0 to 2"):
        read_image(path)
    np.testing.assert_array_equal(read_image(f"{path}:/2").voxels[0].T, VOLUME[0, 2:])
    np.testing.assert_array_equal(read_image(path, options=ReadOptions(frame=1)).voxels[0].T, VOLUME[0, 1:2])
    with pytest.raises(InputError, match="3"):
        read_image(f"{path}:/3")


def test_a_truncated_slice_takes_its_volume_with_it_but_not_its_neighbours(write_series: Series) -> None:
    folder, other = write_series(VOLUME, "first"), write_series(VOLUME, "second")
    path = folder / "002.dcm"
    path.write_bytes(path.read_bytes()[:200])
    tree = scan_dicom(folder.parent)
    assert [path for path, _error in tree.problems] == [path]
    with pytest.raises(UnreadableFileError, match=r"002\.dcm"):
        read_image(folder)
    assert read_image(other).geometry.shape == (5, 3, 4)

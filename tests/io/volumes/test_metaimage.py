from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from itk_pictures import LPS_TO_RAS, VOXELS, edited, lps_affine, picture, saved

from medseg.errors import GeometryError, InputError, UnreadableFileError
from medseg.io import read_geometry, read_image


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_values_type_and_grid_are_itks_turned_to_ras(tmp_path: Path, name: str, packed: bool, dtype: str) -> None:
    made = picture((VOXELS % 100).astype(dtype))
    path = saved(tmp_path / name, made, packed=packed)
    image = read_image(path)
    assert image.voxels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.voxels[0], SimpleITK.GetArrayFromImage(made).T)
    np.testing.assert_allclose(image.geometry.affine, LPS_TO_RAS @ lps_affine(made), rtol=0, atol=1e-12)
    assert read_geometry(path).same_as(image.geometry, 0)
    assert image.notes == ()


def test_all_48_axis_orders_are_itks(tmp_path: Path) -> None:
    for order in permutations(range(3)):
        for signs in product((-1, 1), repeat=3):
            made = picture(direction=tuple((np.eye(3)[:, order] * signs).ravel()))
            geometry = read_geometry(saved(tmp_path / "a.mha", made))
            np.testing.assert_array_equal(geometry.affine, LPS_TO_RAS @ lps_affine(made))


def test_a_2d_image_has_no_patient_space_to_turn(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "a.mha", picture(VOXELS[:, :, 0], (1.0, 0, 0, 1))))
    np.testing.assert_array_equal(image.voxels[0], VOXELS[:, :, 0])
    np.testing.assert_array_equal(image.geometry.affine, [[0.5, 0, 10], [0, 1.25, -20], [0, 0, 1]])


@pytest.mark.parametrize("packed", [False, True])
def test_one_volume_of_a_series_is_picked(tmp_path: Path, packed: bool) -> None:
    series = SimpleITK.JoinSeries([picture(VOXELS + volume) for volume in range(3)])
    path = saved(tmp_path / "t.mha", series, packed=packed)
    for volume in range(3):
        image = read_image(f"{path}:/{volume}")
        np.testing.assert_array_equal(image.voxels[0], VOXELS + volume)
        np.testing.assert_allclose(image.geometry.affine, LPS_TO_RAS @ lps_affine(picture()), atol=1e-12)
    with pytest.raises(GeometryError, match=r"t\.mha: holds 3 volumes"):
        read_image(path)
    with pytest.raises(InputError, match="no volume 3"):
        read_image(f"{path}:/3")


def test_a_spacing_or_direction_that_is_not_stated_is_not_made_up(tmp_path: Path) -> None:
    path = edited(saved(tmp_path / "a.mha"), b"ElementSpacing", b"Irrelevant")
    assert not read_geometry(path).spacing_known
    image = read_image(edited(path, b"TransformMatrix", b"Nothing"))
    assert "no directions are stated" in image.notes[0]


def test_big_endian_and_skipped_headers_are_read(tmp_path: Path) -> None:
    head = "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\nElementSpacing = 1 1 2\n"
    data = VOXELS.astype(">i2").tobytes(order="F")
    for skip in ("7", "-1"):
        (tmp_path / "a.raw").write_bytes(b"skipped" + data)
        text = f"{head}HeaderSize = {skip}\nBinaryDataByteOrderMSB = True\nElementDataFile = a.raw\n"
        (tmp_path / "a.mhd").write_text(text)
        np.testing.assert_array_equal(read_image(tmp_path / "a.mhd").voxels[0], VOXELS)


@pytest.mark.parametrize(
    "name", ["../secret.raw", "/etc/passwd", "sub/../../secret.raw", "..\\secret.raw", "C:secret.raw"]
)
def test_data_outside_the_folder_is_not_opened(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    path = edited(saved(folder / "a.mhd"), b"a.raw", name.encode())
    with pytest.raises(UnreadableFileError, match=r"a\.mhd: points out of its folder"):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "found"),
    [("LIST", "several files"), ("a%02d.raw 1 4 1", "several files"), ("b.raw", "'b.raw' is missing")],
)
def test_lists_patterns_and_missing_data_are_refused(tmp_path: Path, name: str, found: str) -> None:
    path = edited(saved(tmp_path / "a.mhd"), b"a.raw", name.encode())
    with pytest.raises(UnreadableFileError, match=rf"a\.mhd: .*{found}"):
        read_image(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_size_that_the_data_cannot_have_is_refused_unread(tmp_path: Path, packed: bool) -> None:
    path = edited(saved(tmp_path / "a.mha", packed=packed), b"DimSize = 4 5 6", b"DimSize = 4000 5000 6000")
    with pytest.raises(UnreadableFileError, match=r"a\.mha: is too short for 120000000000 voxels"):
        read_image(path)


@pytest.mark.parametrize("packed", [False, True])
def test_cut_and_spoilt_data_are_refused_in_silence(
    tmp_path: Path, packed: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = saved(tmp_path / "a.mha", packed=packed).read_bytes()
    for content in (b"", b"words" * 20, whole[:100], whole[:-9]):
        (tmp_path / "a.mha").write_bytes(content)
        with pytest.raises(UnreadableFileError, match=r"a\.mha"):
            read_image(tmp_path / "a.mha")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NDims = 3", b"NDims = 3\nDistanceUnits = um"),
        (b"Offset = 10 -20 30.5", b"Offset = 10 -20"),
        (b"ElementSpacing = 0.5 1.25 3", b"ElementSpacing = 0.5 0 3"),
        (b"ElementSpacing = 0.5 1.25 3", b"ElementSpacing = 0.5 nan 3"),
        (b"ElementSpacing = 0.5 1.25 3", b"ElementSpacing = 0.5 1e300 3"),
    ],
)
def test_a_grid_that_is_doubtful_is_refused_by_name(tmp_path: Path, old: bytes, new: bytes) -> None:
    with pytest.raises(GeometryError, match=r"a\.mha"):
        read_image(edited(saved(tmp_path / "a.mha"), old, new))


def test_vectors_and_text_are_refused_by_name(tmp_path: Path) -> None:
    vector = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.float32), isVector=True)
    with pytest.raises(UnreadableFileError, match=r"v\.mha: holds 3 numbers a voxel"):
        read_image(saved(tmp_path / "v.mha", vector))
    path = edited(saved(tmp_path / "a.mha"), b"BinaryData = True", b"BinaryData = False")
    with pytest.raises(UnreadableFileError, match=r"a\.mha: holds values as text"):
        read_image(path)


@pytest.mark.parametrize("spacing", ["inf 1 1", "nan 1 1", "1e308 1 1", "0 1 1"])
def test_a_spacing_that_is_no_length_is_refused_by_name(tmp_path: Path, spacing: str) -> None:
    path = edited(saved(tmp_path / "a.mha"), b"ElementSpacing = 0.5 1.25 3", f"ElementSpacing = {spacing}".encode())
    with pytest.raises(GeometryError, match=r"a\.mha: shape .* singular or non-finite"):
        read_geometry(path)

import gzip
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from itk_pictures import LPS_TO_RAS, VOXELS, edited, lps_affine, picture, saved

from medseg.errors import GeometryError, InputError, MedsegError, UnreadableFileError
from medseg.io import read_geometry, read_image

HEAD = "NRRD0004\n# a comment: of no account\ntype: int16\ndimension: 3\nsizes: 4 5 6\nendian: little\n"
DATA = VOXELS.tobytes(order="F")


def typed(path: Path, fields: str, data: bytes = DATA) -> Path:
    path.write_bytes((HEAD + fields).encode() + b"\n\n" + data)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_values_type_and_grid_are_itks_turned_to_ras(tmp_path: Path, packed: bool, dtype: str) -> None:
    made = picture((VOXELS % 100).astype(dtype))
    path = saved(tmp_path / "a.nrrd", made, packed=packed)
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
            geometry = read_geometry(saved(tmp_path / "a.nrrd", made))
            np.testing.assert_array_equal(geometry.affine, LPS_TO_RAS @ lps_affine(made))


@pytest.mark.parametrize("space", ["right-anterior-superior", "LAS", "left-posterior-superior", "RAS"])
def test_every_anatomical_space_is_read_as_itk_reads_it(tmp_path: Path, space: str) -> None:
    axes = "space directions: (1,0.5,0) (-0.5,1,0) (0,0,3)\nspace origin: (10,20,30)\nencoding: raw"
    path = typed(tmp_path / "a.nrrd", f"space: {space}\n{axes}")
    image, peer = read_image(path), SimpleITK.ReadImage(str(path))
    np.testing.assert_allclose(image.geometry.affine, LPS_TO_RAS @ lps_affine(peer), atol=1e-12)
    np.testing.assert_array_equal(image.voxels[0], SimpleITK.GetArrayFromImage(peer).T)
    assert image.notes == ()


def test_a_space_without_sides_is_taken_as_itk_takes_it_with_a_note(tmp_path: Path) -> None:
    axes = "space directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (10,20,30)\nencoding: raw"
    for space in ("space dimension: 3", "space: scanner-xyz"):
        path = typed(tmp_path / "a.nrrd", f"{space}\n{axes}")
        image, peer = read_image(path), SimpleITK.ReadImage(str(path))
        np.testing.assert_allclose(image.geometry.affine, LPS_TO_RAS @ lps_affine(peer), atol=1e-12)
        assert "no anatomical space is stated" in image.notes[0]


def test_spacings_alone_are_a_grid_and_nothing_at_all_is_no_spacing(tmp_path: Path) -> None:
    assert read_geometry(typed(tmp_path / "a.nrrd", "spacings: 1 2 3\nencoding: raw")).spacing_mm == (1, 2, 3)
    assert not read_geometry(typed(tmp_path / "b.nrrd", "encoding: raw")).spacing_known


def test_a_detached_header_reads_the_one_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"skipped" + DATA)
    (tmp_path / "a.raw.gz").write_bytes(gzip.compress(DATA))
    for fields in (
        "encoding: raw\nbyte skip: 7\ndata file: a.raw",
        "encoding: raw\nbyte skip: -1\ndatafile: a.raw",
        "encoding: gzip\ndata file: a.raw.gz",
    ):
        (tmp_path / "a.nhdr").write_text(HEAD + fields)
        np.testing.assert_array_equal(read_image(tmp_path / "a.nhdr").voxels[0], VOXELS)


@pytest.mark.parametrize("name", ["../a.raw", "/etc/passwd", "LIST\na.raw", "a%d.raw 1 4 1", "absent.raw"])
def test_data_elsewhere_or_in_several_files_is_not_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "a.raw").write_bytes(DATA)
    (tmp_path / "study" / "a.nhdr").write_text(f"{HEAD}encoding: raw\ndata file: {name}")
    with pytest.raises(UnreadableFileError, match=r"a\.nhdr"):
        read_image(tmp_path / "study" / "a.nhdr")


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_one_volume_of_a_series_is_picked(tmp_path: Path, encoding: str) -> None:
    data = np.stack([VOXELS, VOXELS + 1], axis=-1).tobytes(order="F")
    content = gzip.compress(data) if encoding == "gzip" else data
    axes = "space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,2) none\nkinds: domain domain domain list"
    path = typed(tmp_path / "t.nrrd", f"encoding: {encoding}\n{axes}", content)
    edited(path, b"sizes: 4 5 6", b"sizes: 4 5 6 2")
    np.testing.assert_array_equal(read_image(f"{path}:/1").voxels[0], VOXELS + 1)
    assert read_geometry(f"{path}:/0").spacing_mm == (1, 1, 2)
    with pytest.raises(GeometryError, match=r"t\.nrrd: holds 2 volumes"):
        read_image(path)
    with pytest.raises(InputError, match="no volume 2"):
        read_image(f"{path}:/2")


def test_a_series_that_itk_wrote_gives_its_volumes(tmp_path: Path) -> None:
    series = SimpleITK.JoinSeries([picture(VOXELS + volume) for volume in range(3)])
    image = read_image(f"{saved(tmp_path / 't.nrrd', series, packed=True)}:/2")
    np.testing.assert_array_equal(image.voxels[0], VOXELS + 2)
    np.testing.assert_allclose(image.geometry.affine, LPS_TO_RAS @ lps_affine(picture()), atol=1e-12)


def test_vectors_are_refused_by_name(tmp_path: Path) -> None:
    vector = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.float32), isVector=True)
    with pytest.raises(UnreadableFileError, match=r"v\.nrrd: holds several numbers a voxel"):
        read_image(saved(tmp_path / "v.nrrd", vector))


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ("encoding: bzip2", "encoding 'bzip2'"),
        ("encoding: ascii", "encoding 'ascii'"),
        ("encoding: raw\nline skip: 2", "skips lines"),
        ("encoding: gzip\nbyte skip: -1", "byte skip"),
        ('encoding: raw\nspacings: 1 1 1\nspace units: "um" "um" "um"', "lengths in 'um'"),
        ("encoding: raw\nspacings: 1 1 nan", "singular or non-finite"),
        ("encoding: raw\nspacings: 1 1", "expected 3 numbers"),
        ("encoding: raw\nspace: LPS\nspace directions: (1,0,0) (0,1,0)", "expected 3 vectors"),
        ("encoding: raw\nspace: LPS\nspace directions: (1,0,0) (0,1,0) (0,1,0)", "singular"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(tmp_path: Path, fields: str, found: str) -> None:
    with pytest.raises(MedsegError, match=rf"a\.nrrd: .*{found}"):
        read_image(typed(tmp_path / "a.nrrd", fields))


def test_cut_spoilt_and_oversized_files_are_refused_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for packed in (False, True):
        path = saved(tmp_path / "a.nrrd", packed=packed)
        whole = path.read_bytes()
        huge = whole.replace(b"sizes: 4 5 6", b"sizes: 40000 50000 60000")
        for content in (b"", b"NRRD0004\nnonsense", b"words" * 20, whole[:120], whole[:-9], huge):
            path.write_bytes(content)
            with pytest.raises(UnreadableFileError, match=r"a\.nrrd"):
                read_image(path)
    assert capfd.readouterr() == ("", "")


def test_every_real_file_equals_itk(test_data: Path) -> None:
    files = [path for folder in ("pyradiomics", "dicom_seg") for path in (test_data / folder).rglob("*.nrrd")]
    assert len(files) == 16
    for path in files:
        image, peer = read_image(path), SimpleITK.ReadImage(str(path))
        np.testing.assert_array_equal(image.voxels[0], SimpleITK.GetArrayFromImage(peer).T)
        np.testing.assert_allclose(image.geometry.affine, LPS_TO_RAS @ lps_affine(peer), rtol=1e-12, atol=1e-9)

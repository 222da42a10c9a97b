"""Images inside a zip: read as they are beside it, refused where the zip is not what it should be."""

import io
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import InputError, MedsegError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io.archive import members, open_binary, size_of
from medseg.io.dicom.scan import scan_dicom
from medseg.io.reading import read_geometry, read_image


def _zip_of(folder: Path, path: Path, way: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", way) as whole:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                whole.write(file, file.relative_to(folder.parent))
    return path


def _of(path: Path, **content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as whole:
        for name, held in content.items():
            whole.writestr(name, held)
    return path


def _grid(geometry: Geometry) -> tuple[tuple[int, ...], list[list[float]]]:
    return geometry.shape, geometry.affine.tolist()


def _volume(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    voxels = np.random.default_rng(3).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, 2.0, 3.0, 1.0])), path)
    return path


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_generated_study_reads_as_it_does_beside_the_zip(ct_studies: Path, tmp_path: Path, way: int) -> None:
    folder = min(path.parent for path in ct_studies.rglob("*.dcm"))
    path = _zip_of(folder, tmp_path / "study.zip", way)
    inside, beside = read_image(path), read_image(folder)
    assert np.array_equal(inside.voxels, beside.voxels)
    assert _grid(inside.geometry) == _grid(beside.geometry) == _grid(read_geometry(path))
    assert inside.facts == beside.facts


@pytest.mark.parametrize("name", ["a.nii.gz", "deep/er/a.nii"])
def test_a_nifti_file_in_a_zip(tmp_path: Path, name: str) -> None:
    original = _volume(tmp_path / "in" / name)
    path = _zip_of(tmp_path / "in", tmp_path / "a.ZIP")
    image = read_image(path)
    assert np.array_equal(image.voxels, read_image(original).voxels)
    expected = _grid(read_image(original).geometry)
    assert _grid(image.geometry) == _grid(read_geometry(f"{path}:/in/{name}")) == expected


def test_nothing_is_written_while_a_zip_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip_of(_volume(tmp_path / "in" / "a.nii.gz").parent, tmp_path / "a.zip")
    shutil.rmtree(tmp_path / "in")
    temporary = tmp_path / "tmp"
    temporary.mkdir(mode=0o500)
    monkeypatch.setenv("TMPDIR", str(temporary))
    read_image(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "tmp"]
    assert not list(temporary.iterdir())


def test_real_compressed_files_in_a_zip(test_data: Path, tmp_path: Path) -> None:
    root = test_data / "dicom_transfer_syntaxes"
    tree = scan_dicom(root)
    packed = scan_dicom(_zip_of(root, tmp_path / "all.zip"))
    names = {volume.first.header.get("SOPInstanceUID"): at for at, volume in tree.volumes if volume.refusal is None}
    compared = 0
    for where, volume in packed.volumes:
        beside = names.get(volume.first.header.get("SOPInstanceUID"))
        if beside is None or volume.refusal is not None:
            continue
        try:
            expected = read_image(beside)
        except MedsegError:
            with pytest.raises(MedsegError):
                read_image(where)
            continue
        assert np.array_equal(read_image(where).voxels, expected.voxels)
        compared += 1
    assert compared >= 5


def test_a_real_study_of_three_series_lists_them(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "dicom_series" / "sts_002"
    path = _zip_of(folder, tmp_path / "sts.zip")
    with pytest.raises(InputError, match="holds 3 images"):
        read_image(path)
    tree, beside = scan_dicom(path), scan_dicom(folder)
    assert [one.uid for one in tree.series] == [one.uid for one in beside.series]
    readable = [(where, one) for where, one in tree.volumes if one.refusal is None and not one.tilt]
    where, volume = min(readable, key=lambda pair: len(pair[1].files))
    pair = next(where for where, one in beside.volumes if one.first.series == volume.first.series)
    assert np.array_equal(read_image(where).voxels, read_image(pair).voxels)


@pytest.mark.parametrize("name", ["/etc/a.nii", "../a.nii", "a/../../b.nii", "..\\a.nii", "C:\\a.nii", "a:/b.nii"])
def test_names_outside_the_zip_are_refused(tmp_path: Path, name: str) -> None:
    path = _of(tmp_path / "a.zip", **{"fine.nii": b"1", name: b"2"})
    with pytest.raises(UnreadableFileError, match="outside the zip"):
        read_image(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = _of(tmp_path / "a.zip", **{"a.nii": b"secret"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="encrypted"):
        read_image(path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("a.nii")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr(info, "/etc/passwd")
    with pytest.raises(UnreadableFileError, match="a link"):
        read_image(path)


@pytest.mark.parametrize(("files", "size", "told"), [(1, 1 << 30, "of 'a0.dcm' would"), (30, 60 << 20, "would become")])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, files: int, size: int, told: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        for number in range(files):
            whole.writestr(f"a{number}.dcm", bytes(1 << 16))
    content, at = bytearray(path.read_bytes()), 0
    for _ in range(files):
        at = content.index(b"PK\x01\x02", at + 4)
        content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=told):
        members(path)


def test_a_member_that_claims_to_be_small_gives_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("a.nii", bytes(1 << 20))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 1000)
    path.write_bytes(content)
    with open_binary(Path(f"{path}:/a.nii")) as file, pytest.raises(OSError, match="checksum"):
        file.read()


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = _of(tmp_path / "a.zip", **{"a.dcm": b"1" * 100, "b.dcm": b"1" * 100})
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    content[second + 42 : second + 46] = bytes(4)  # it begins where the first does
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"over another|damaged"):
        members(path)


def test_a_list_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = _of(tmp_path / "a.zip", **{"a.dcm": b"1"})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x05\x06") + 12
    content[at : at + 4] = struct.pack("<I", 1 << 30)
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="1024 MiB"):
        members(path)


def test_a_changed_byte_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = _zip_of(_volume(tmp_path / "in" / "a.nii").parent, tmp_path / "a.zip", zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="checksum"):
        read_image(path)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_zip_cut_off_is_refused(tmp_path: Path, keep: float) -> None:
    path = _zip_of(_volume(tmp_path / "in" / "a.nii.gz").parent, tmp_path / "a.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(UnreadableFileError, match="zip"):
        read_image(path)


def test_what_macs_add_is_no_image_and_other_formats_are_named(tmp_path: Path) -> None:
    path = _of(tmp_path / "a.zip", **{"__MACOSX/._a.dcm": b"x", ".DS_Store": b"x"})
    with pytest.raises(UnreadableFileError, match="is empty"):
        read_image(path)
    with pytest.raises(UnreadableFileError, match=r"no image, but 1 other files \(a.png"):
        read_image(_of(tmp_path / "b.zip", **{"a.png": b"x"}))


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=5000), deflated=st.booleans(), starts=st.lists(st.integers(0, 5200), max_size=5))
def test_a_member_reads_from_any_byte_as_a_file_does(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, deflated: bool, starts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as whole:
        whole.writestr("a", content)
    member, plain = Path(f"{path}:/a"), io.BytesIO(content)
    assert size_of(member) == len(content)
    with open_binary(member) as file:
        for start in starts:
            file.seek(start)
            plain.seek(start)
            assert file.read(300) == plain.read(300)

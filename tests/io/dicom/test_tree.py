"""Scanning trees of DICOM files."""

import gzip
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from medseg.errors import InputError, UnreadableFileError
from medseg.io import read_image
from medseg.io.dicom.scan import scan_dicom

Series = Callable[..., Path]
VOLUME = np.arange(4 * 3 * 5, dtype=np.int16).reshape(4, 3, 5)


@pytest.fixture
def study(write_series: Series, tmp_path: Path) -> Path:
    """A tree of two series in one flat folder, one nested without endings, and other files between."""
    root = tmp_path / "study"
    for name, patient in (("flat/a", "p1"), ("flat/b", "p1"), ("deep/er", "p2")):
        folder = write_series(VOLUME, name.replace("/", "-"), PatientID=patient, StudyInstanceUID=f"1.2.{patient[1]}")
        target = root / (name if name.startswith("deep") else "flat")
        target.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            shutil.move(path, target / (path.stem if name.startswith("deep") else f"{name[-1]}{path.name}"))
    (root / "flat" / "report.txt").write_text("words")
    (root / "flat" / "LICENCE").write_text("words that are no DICOM")
    (root / ".hidden").mkdir()
    shutil.copy(root / "flat" / "a001.dcm", root / ".hidden")
    return root


def test_a_tree_of_any_shape_is_grouped_into_series(study: Path) -> None:
    tree = scan_dicom(study)
    assert (len(tree.series), tree.files, tree.foreign, tree.problems) == (3, 13, 1, ())
    table = tree.table
    assert table["patient"].tolist() == ["p1", "p1", "p2"]
    assert table["slices"].tolist() == [4, 4, 4]
    assert table["status"].tolist() == ["readable"] * 3
    assert table["size"].tolist() == ["5×3×4"] * 3
    for where, volume in tree.volumes:
        np.testing.assert_array_equal(read_image(where).voxels[0].T, VOLUME)
        assert volume.geometry.same_as(read_image(where).geometry, 0)


def test_a_series_alone_in_its_folder_is_addressed_by_it_and_others_by_their_uid(study: Path) -> None:
    *flat, deep = (where for where, _volume in scan_dicom(study).volumes)
    assert deep == study / "deep" / "er"
    assert all(str(where).startswith(f"{study / 'flat'}:/") for where in flat)


def test_several_processes_find_the_same(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medseg.io.dicom.scan._PARALLEL_FROM", 2)
    monkeypatch.setattr("medseg.io.dicom.scan._BATCH", 5)
    one, several = scan_dicom(study, jobs=1), scan_dicom(study, jobs=2)
    assert one.table.equals(several.table)


def test_a_gzipped_file_is_read_like_any_other(study: Path) -> None:
    folder = study / "deep" / "er"
    for path in list(folder.iterdir()):
        with gzip.open(path.with_name(path.name + ".dcm.gz"), "wb") as packed:
            packed.write(path.read_bytes())
        path.unlink()
    np.testing.assert_array_equal(read_image(folder).voxels[0].T, VOLUME)


def test_a_file_that_claims_to_be_dicom_and_is_not_is_a_problem(study: Path) -> None:
    (study / "deep" / "empty.dcm").touch()
    (study / "deep" / "text.dcm").write_text("words")
    tree = scan_dicom(study)
    assert [path.name for path, _error in tree.problems] == ["empty.dcm", "text.dcm"]
    assert tree.table["status"].tolist() == ["readable"] * 3 + ["refused"] * 2
    assert tree.table["files"].dropna().map(str).tolist() == ["4"] * 3  # whole numbers still


def test_an_unreadable_file_beside_one_series_refuses_it(study: Path) -> None:
    (study / "deep" / "er" / "broken.dcm").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match=r"broken\.dcm"):
        read_image(study / "deep" / "er")


def test_objects_without_an_image_are_listed_but_are_no_volume(study: Path) -> None:
    folder = study / "deep" / "er"
    other = pydicom.dcmread(folder / "001", stop_before_pixels=True)
    other.Modality, other.SeriesInstanceUID = "RTSTRUCT", "1.2.3"
    del other.Rows
    other.save_as(folder / "rt.dcm")
    table = scan_dicom(study).table
    (row,) = table[table["status"] == "object"].to_dict("records")
    assert (row["kind"], Path(row["address"]).name) == ("RTSTRUCT", "rt.dcm")
    assert read_image(folder).geometry.shape[2] == 4


def test_a_dicomdir_lists_the_files(study: Path, tmp_path: Path) -> None:
    files = FileSet()
    for path in sorted((study / "deep" / "er").iterdir()):
        header = pydicom.dcmread(path)
        header.StudyDate, header.StudyTime, header.StudyID, header.SeriesNumber = "20200101", "1000", "1", 1
        header.PatientName = "P"
        files.add(header)
    files.write(tmp_path / "disc")
    files._stage["t"].cleanup()  # pydicom leaves it to the garbage collector, which warns
    tree = scan_dicom(tmp_path / "disc" / "DICOMDIR")
    assert (tree.files, len(tree.volumes)) == (4, 1)
    np.testing.assert_array_equal(read_image(tree.volumes[0][0]).voxels[0].T, VOLUME)
    np.testing.assert_array_equal(read_image(tmp_path / "disc").voxels[0].T, VOLUME)


def write_dicomdir(folder: Path, parts: list[str]) -> None:
    record, directory = pydicom.Dataset(), pydicom.Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", parts
    directory.DirectoryRecordSequence = [record]
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    folder.mkdir()
    directory.save_as(folder / "DICOMDIR", enforce_file_format=True)


@pytest.mark.parametrize("parts", [["..", "secret"], ["/etc", "passwd"], ["a", "..", "..", "secret"]])
def test_paths_in_a_dicomdir_cannot_leave_its_folder(tmp_path: Path, parts: list[str]) -> None:
    (tmp_path / "secret").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom minds the characters
        write_dicomdir(tmp_path / "disc", parts)
    with pytest.raises(InputError, match="outside its folder"):
        scan_dicom(tmp_path / "disc" / "DICOMDIR")


def test_a_symbolic_link_in_a_dicomdir_cannot_leave_its_folder_either(tmp_path: Path, study: Path) -> None:
    files = FileSet()
    header = pydicom.dcmread(study / "deep" / "er" / "001")
    header.StudyDate, header.StudyTime, header.StudyID, header.SeriesNumber = "20200101", "1000", "1", 1
    header.PatientName = "P"
    files.add(header)
    files.write(tmp_path / "disc")
    files._stage["t"].cleanup()  # pydicom leaves it to the garbage collector, which warns
    (path,) = (path for path in (tmp_path / "disc").rglob("*") if path.is_file() and path.name != "DICOMDIR")
    path.unlink()
    path.symlink_to(study / "deep" / "er" / "002")
    with pytest.raises(InputError, match="outside its folder"):
        scan_dicom(tmp_path / "disc" / "DICOMDIR")


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="does not exist"):
        scan_dicom(tmp_path / "absent")


@pytest.mark.parametrize("asked", ["9.9.9", "1.2.3/4"])
def test_an_address_of_what_is_not_there_lists_what_is(study: Path, asked: str) -> None:
    with pytest.raises(InputError, match=r"has no series.*CT 'flat-a'"):
        read_image(f"{study / 'flat'}:/{asked}")


def test_the_scan_draws_itself_with_every_refusal(study: Path) -> None:
    (study / "deep" / "<b>.dcm").touch()
    shown = scan_dicom(study)._repr_html_()
    assert "3 series, 3 volumes, 1 unreadable files" in shown
    assert "&lt;b&gt;.dcm" in shown


def test_the_real_media_tree_is_found_by_its_dicomdir_and_by_walking(test_data: Path) -> None:
    root = test_data / "awkward" / "dicomdir_tree"
    walked, listed = scan_dicom(root), scan_dicom(root / "DICOMDIR")
    assert len(walked.series) == len(listed.series)
    assert walked.table["patient"].nunique() == 2
    assert {one.header.get("Modality") for one in walked.series} == {"CR", "CT", "MR"}

"""Whole trees: what comes out, that nothing of the originals is in it, and that a run goes on where it was stopped."""

import csv
import json
import shutil
from datetime import datetime
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage
from tagged_objects import BORN, SEEN, UID_ROOT, full_object, plain_object, save

from medseg.deidentify import BlankRule, Profile, deidentify
from medseg.errors import ConfigError, InputError, OutputError, UnreadableFileError
from medseg.ledger import Lock
from medseg.pseudonyms import Pseudonyms

NAMES = ("SECRET", "GIVEN", UID_ROOT, BORN, SEEN)


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """Two patients, one with everything in the table, files that are no objects, and one that is broken."""
    root = tmp_path / "hospital"
    for patient in ("SECRETONE", "SECRETTWO"):
        for number in (1, 2, 3):
            save(plain_object(number=number, patient=patient), root / patient / f"{patient}_{number}.dcm")
    save(full_object(EnhancedCTImageStorage), root / "SECRETALL" / "all.dcm")
    save(full_object(CTImageStorage, number=2), root / "SECRETALL2" / "all.dcm")
    (root / "SECRETletter.txt").write_text("SECRET")
    (root / "SECRETphoto.png").write_bytes(b"\x89PNG SECRET")
    whole = (root / "SECRETONE" / "SECRETONE_1.dcm").read_bytes()
    (root / "SECRETcut.dcm").write_bytes(whole[:-100])
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([1, 2, 3, 1]))
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = b"SECRET", b"SECRET.mat", b"SECRETDB"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"SECRETCOMMENT"))
    nibabel.save(image, root / "SECRETvolume.nii.gz")
    nibabel.save(nibabel.Nifti2Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.eye(4)), root / "plain.nii")
    return root


def bytes_of(folder: Path) -> bytes:
    """Names and contents of all files."""
    found = [str(path.relative_to(folder)).encode() + path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    packed = [nibabel.load(path).header.binaryblock for path in folder.rglob("*.nii.gz")]
    return b"\n".join(found + packed)


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "report.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("dates", ["remove", "shift"])
def test_nothing_of_the_originals_is_in_the_results(hospital, tmp_path, dates):
    out = tmp_path / "out"
    found = deidentify(hospital, out, key=tmp_path / "key", profile=Profile(dates=dates))
    assert found.summary["files"] == {"done": 10, "failed": 1, "skipped": 2}
    content = bytes_of(out)
    # Versions of code lists are no dates of anybody's, and stay where dates are shifted.
    searched = [name for name in NAMES if not (name == SEEN and dates == "shift")]
    assert [name for name in searched if name.encode() in content] == []
    assert [name for name in searched if name.lower().encode() in content] == []
    assert [name for name in searched if name.encode("utf-16-le") in content] == []


def test_the_search_would_find_them(hospital):
    content = bytes_of(hospital)
    assert all(name.encode() in content for name in NAMES)


def test_the_object_says_what_was_done_to_it(hospital, tmp_path):
    profile = Profile(dates="shift", keep=frozenset(["device", "patient"]), clean_descriptors=True)
    deidentify(hospital, tmp_path / "out", key=tmp_path / "key", profile=profile)
    for path in (tmp_path / "out").rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        assert ds.PatientIdentityRemoved == "YES"
        assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
        codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113105", "113107", "113108", "113109", "113111"]
        assert ds.preamble == bytes(128)
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert "SourceApplicationEntityTitle" not in ds.file_meta
        assert "PrivateInformation" not in ds.file_meta


def test_the_same_patient_study_and_series_stay_together_in_every_run(hospital, tmp_path):
    for out in ("first", "second"):
        deidentify(hospital, tmp_path / out, key=tmp_path / "key", profile=Profile(dates="shift"))
    first, second = (bytes_of(tmp_path / out) for out in ("first", "second"))
    assert first == second
    folders = {row["patient"] for row in rows_of(tmp_path / "first") if row["modality"] == "CT"}
    pseudonyms = Pseudonyms.from_file(tmp_path / "key", create=False)
    assert {pseudonyms.of("patient", f"SECRET{name}ID") for name in ("ONE", "TWO")} < folders
    ds = [pydicom.dcmread(path) for path in sorted((tmp_path / "first").rglob("*.dcm"))]
    of_one = [one for one in ds if one.PatientID == pseudonyms.of("patient", "SECRETONEID")]
    assert len({one.SeriesInstanceUID for one in of_one}) == 1
    assert len({one.SOPInstanceUID for one in of_one}) == 3
    assert len({one.StudyDate for one in of_one}) == 1


def test_another_key_gives_other_pseudonyms(hospital, tmp_path):
    for name in ("a", "b"):
        deidentify(hospital, tmp_path / name, key=tmp_path / f"key_{name}")
    a, b = ({row["patient"] for row in rows_of(tmp_path / name)} - {""} for name in ("a", "b"))
    assert not a & b


def test_pixels_stay_as_they_are(hospital, tmp_path):
    deidentify(hospital / "SECRETONE", tmp_path / "out", key=tmp_path / "key")
    before = sorted(pydicom.dcmread(path).PixelData for path in hospital.glob("SECRETONE/*.dcm"))
    after = sorted(pydicom.dcmread(path).PixelData for path in (tmp_path / "out").rglob("*.dcm"))
    assert before == after


def test_volumes_lose_their_texts_and_nothing_else(hospital, tmp_path):
    deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    written = {path.suffix: nibabel.load(path) for path in (tmp_path / "out" / "nifti").rglob("*.nii*")}
    for suffix, name in ((".gz", "SECRETvolume.nii.gz"), (".nii", "plain.nii")):
        before, after = nibabel.load(hospital / name), written[suffix]
        assert np.array_equal(np.asanyarray(before.dataobj), np.asanyarray(after.dataobj))
        assert np.array_equal(before.affine, after.affine)
        assert not after.header.extensions
        assert after.header["descrip"] == b""
        assert after.header["aux_file"] == b""


def test_a_second_run_does_nothing_and_a_changed_file_is_done_again(hospital, tmp_path):
    out = tmp_path / "out"
    deidentify(hospital, out, key=tmp_path / "key")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.dcm")}
    ledger = (out / "deidentified.jsonl").read_text().splitlines()
    deidentify(hospital, out, key=tmp_path / "key")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.dcm")} == before
    assert len((out / "deidentified.jsonl").read_text().splitlines()) == len(ledger) + 1  # the broken one, tried again
    changed = plain_object(number=9, patient="SECRETONE")
    save(changed, hospital / "SECRETONE" / "SECRETONE_1.dcm")
    deidentify(hospital, out, key=tmp_path / "key")
    after = set(out.rglob("*.dcm"))
    assert len(after) == len(before)
    assert len(after & set(before)) == len(before) - 1


def test_a_line_that_was_cut_off_is_done_again(hospital, tmp_path):
    out = tmp_path / "out"
    deidentify(hospital, out, key=tmp_path / "key")
    wanted = bytes_of(out)
    ledger = out / "deidentified.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:6]) + lines[6][:40])
    deidentify(hospital, out, key=tmp_path / "key")
    assert len(ledger.read_text().splitlines()) >= len(lines)
    ledger.write_text("".join(lines))
    assert bytes_of(out) == wanted


def test_two_processes_write_the_same(hospital, tmp_path):
    for workers in (1, 2):
        deidentify(hospital, tmp_path / str(workers), key=tmp_path / "key", workers=workers)
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")


def test_copies_of_one_object_are_written_once_and_counted(hospital, tmp_path):
    shutil.copy(hospital / "SECRETONE" / "SECRETONE_1.dcm", hospital / "SECRETONE" / "copy.dcm")
    found = deidentify(hospital / "SECRETONE", tmp_path / "out", key=tmp_path / "key")
    assert found.summary["files"] == {"done": 3, "skipped": 1}
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 3


def test_another_object_of_the_same_uid_is_not_lost_unseen(hospital, tmp_path):
    other = plain_object(number=1, patient="SECRETONE")
    other.PixelData = bytes(len(other.PixelData))
    save(other, hospital / "SECRETONE" / "z.dcm")
    found = deidentify(hospital / "SECRETONE", tmp_path / "out", key=tmp_path / "key")
    assert found.summary["files"] == {"done": 3, "failed": 1}
    assert [(path.name, "that differs" in reason) for path, reason in found.failures] == [("z.dcm", True)]


def test_text_in_pictures_is_flagged_withheld_or_blanked(tmp_path):
    ds = plain_object()
    ds.BurnedInAnnotation, ds.Modality = "YES", "US"
    save(ds, tmp_path / "in" / "us.dcm")
    flagged = deidentify(tmp_path / "in", tmp_path / "a", key=tmp_path / "key").summary
    assert flagged["text_in_pictures"] == {"declared": 1}
    assert flagged["not_blanked"] == 1
    held = deidentify(tmp_path / "in", tmp_path / "b", key=tmp_path / "key", profile=Profile(burnt_in="withhold"))
    assert held.summary["files"] == {"withheld": 1}
    assert [path.name for path, _ in held.failures] == ["us.dcm"]
    assert not list((tmp_path / "b").rglob("*.dcm"))
    rules = (BlankRule(match={"Modality": "US"}, boxes=((0, 0, 32, 6),)),)
    profile = Profile(burnt_in="withhold", blank=rules)
    blanked = deidentify(tmp_path / "in", tmp_path / "c", key=tmp_path / "key", profile=profile)
    assert blanked.summary["not_blanked"] == 0
    (path,) = (tmp_path / "c").rglob("*.dcm")
    written = pydicom.dcmread(path)
    assert written.BurnedInAnnotation == "NO"
    assert "113101" in [item.CodeValue for item in written.DeidentificationMethodCodeSequence]
    assert written.pixel_array[:6].max() == 0
    assert np.array_equal(written.pixel_array[6:], ds.pixel_array[6:])


def test_a_key_that_would_be_handed_on_is_refused(hospital, tmp_path):
    for place in (tmp_path / "out" / "key", hospital / "key"):
        with pytest.raises(ConfigError, match="key"):
            deidentify(hospital, tmp_path / "out", key=place)
        assert not place.exists()
    deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_results_of_other_options_or_another_key_are_not_mixed(hospital, tmp_path):
    deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    with pytest.raises(ConfigError, match="other options"):
        deidentify(hospital, tmp_path / "out", key=tmp_path / "key", profile=Profile(dates="keep"))
    with pytest.raises(ConfigError, match="another key"):
        deidentify(hospital, tmp_path / "out", key=tmp_path / "key2")


def test_a_damaged_ledger_is_refused_by_name(hospital, tmp_path):
    deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    ledger = tmp_path / "out" / "deidentified.jsonl"
    ledger.write_text(ledger.read_text().replace('"state"', '"stat"'))
    with pytest.raises(UnreadableFileError, match=r"deidentified\.jsonl: is damaged"):
        deidentify(hospital, tmp_path / "out", key=tmp_path / "key")


def test_a_second_process_is_refused(hospital, tmp_path):
    (tmp_path / "out").mkdir()
    with Lock(tmp_path / "out" / ".lock", tmp_path / "out"), pytest.raises(OutputError):
        deidentify(hospital, tmp_path / "out", key=tmp_path / "key")


def test_the_table_beside_the_key_tells_whose_each_file_was(hospital, tmp_path):
    deidentify(hospital, tmp_path / "out", key=tmp_path / "keys" / "key", profile=Profile(dates="shift"))
    table = tmp_path / "keys" / "deidentified.csv"
    assert table.stat().st_mode & 0o777 == 0o600
    with table.open(newline="") as file:
        rows = {row["original"]: row for row in csv.DictReader(file)}
    assert set(rows) == {str(path) for path in hospital.rglob("*") if path.is_file()}
    row = rows[str(hospital / "SECRETONE" / "SECRETONE_2.dcm")]
    before, after = pydicom.dcmread(row["original"]), pydicom.dcmread(tmp_path / "out" / row["file"])
    assert (row["original_patient"], row["patient"]) == (before.PatientID, after.PatientID)
    moved = datetime.strptime(after.StudyDate, "%Y%m%d") - datetime.strptime(before.StudyDate, "%Y%m%d")
    assert moved.days == int(row["days"])
    assert before.PixelData == after.PixelData


@pytest.mark.parametrize("out", ["hospital/out", ".", "hospital"])
def test_folders_in_one_another_are_refused(hospital, tmp_path, out):
    with pytest.raises(InputError, match=r"lies inside|key"):
        deidentify(hospital, tmp_path / out, key=tmp_path.parent / f"{tmp_path.name}_key")


def test_a_folder_of_something_else_is_refused(hospital, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    assert (tmp_path / "out" / "precious.txt").read_text() == "mine"


def test_the_report_counts_what_was_done(hospital, tmp_path):
    deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert found["attributes"]["PatientName"] == {"replaced": 10}  # eight objects, two of which have it in an item, too
    assert found["attributes"]["private attributes"] == {"removed": 4}
    assert found["patients"] == 3
    page = (tmp_path / "out" / "report.html").read_text()
    assert "10 files de-identified, 1 failed" in page
    assert all(row["source"] in page for row in rows_of(tmp_path / "out"))


def test_nothing_hides_behind_pixels_or_voxels(tmp_path):
    hospital = tmp_path / "hospital"
    ds = plain_object()
    pixels = len(ds.PixelData)
    ds.PixelData += b"SECRET"
    save(ds, hospital / "one.dcm")
    nibabel.save(nibabel.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4)), hospital / "volume.nii")
    whole = (hospital / "volume.nii").read_bytes()
    (hospital / "volume.nii").write_bytes(whole + b"SECRET")
    (hospital / "cut.nii").write_bytes(whole[:-1])
    found = deidentify(hospital, tmp_path / "out", key=tmp_path / "key")
    assert [(path.name, why) for path, why in found.failures] == [("cut.nii", "is no whole NIfTI file")]
    assert b"SECRET" not in bytes_of(tmp_path / "out")
    assert [len(pydicom.dcmread(path).PixelData) for path in (tmp_path / "out").rglob("*.dcm")] == [pixels]
    assert [nibabel.load(path).get_fdata().sum() for path in (tmp_path / "out").rglob("*.nii")] == [60]


def test_uids_that_were_made_up_under_dicoms_own_root_go(tmp_path):
    ds = plain_object()
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2.19620312"
    save(ds, tmp_path / "hospital" / "one.dcm")
    deidentify(tmp_path / "hospital", tmp_path / "out", key=tmp_path / "key")
    assert b"19620312" not in bytes_of(tmp_path / "out")


def test_the_values_that_rules_match_are_not_in_the_report(hospital, tmp_path):
    rule = BlankRule(match={"InstitutionName": "SECRET clinic", "Modality": "US"}, boxes=((0, 0, 4, 4),))
    found = deidentify(hospital, tmp_path / "out", key=tmp_path / "key", profile=Profile(blank=(rule,)))
    assert found.summary["settings"]["blank"] == [
        {"match": ["InstitutionName", "Modality"], "boxes": [[0, 0, 4, 4]], "keep": None}
    ]
    assert b"SECRET" not in bytes_of(tmp_path / "out")


def test_the_table_of_originals_lies_beside_the_key_and_not_beside_a_link_to_it(hospital, tmp_path):
    Pseudonyms.from_file(tmp_path / "kept" / "key")
    (tmp_path / "link").symlink_to(tmp_path / "kept" / "key")
    deidentify(hospital, tmp_path / "out", key=tmp_path / "link")
    assert (tmp_path / "kept" / "deidentified.csv").is_file()
    assert not (tmp_path / "deidentified.csv").exists()

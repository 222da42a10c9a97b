"""`medseg deidentify` on real files: judged by dciodvfy and SimpleITK, searched for what named the patients."""

import csv
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from tagged_objects import plain_object, save
from typer.testing import CliRunner

from medseg.cli import app
from medseg.pseudonyms import Pseudonyms

IDENTIFYING = {
    "PatientName", "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "ReferringPhysicianName",
    "OperatorsName", "PerformingPhysicianName", "InstitutionName", "InstitutionAddress", "StationName",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "DeviceSerialNumber",
    "ReferencedSOPInstanceUID", "StudyDescription", "SeriesDescription", "InstitutionalDepartmentName",
    "NameOfPhysiciansReadingStudy",
}  # fmt: skip
FILES = (
    "CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "rtstruct.dcm", "emri_small.dcm", "liver_1frame.dcm",
    "rtdose_1frame.dcm", "reportsi.dcm", "SC_rgb_rle.dcm", "color-px.dcm", "OBXXXX1A_rle_2frame.dcm", "693_J2KI.dcm",
    "eCT_Supplemental.dcm",
)  # fmt: skip


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["deidentify", *(str(word) for word in words)])
    return done.exit_code, done.output


@pytest.fixture
def real(test_data: Path, tmp_path: Path) -> tuple[dict[Path, Path], Path]:
    """Real files of many kinds, each with what became of it, and the folder of the results."""
    root, out, key = tmp_path / "in", tmp_path / "out", tmp_path / "key"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(test_data / "dicom_pydicom" / name, root / name)
    code, said = run(root, out, "--key", key, "--dates", "shift")
    assert code == 0, said
    with (out / "report.csv").open(newline="") as file:
        rows = {row["source"]: row for row in csv.DictReader(file)}
    pseudonyms = Pseudonyms.from_file(key, create=False)
    found = {path: rows[pseudonyms.of("file", path.name)] for path in root.iterdir()}
    return {path: out / row["file"] for path, row in found.items() if row["outcome"] == "done"}, out


def values_of(path: Path) -> set[str]:
    """What names the patient, people, places and objects in a file."""
    found = set()
    with pydicom.config.disable_value_validation():  # some break the rules, as files of hospitals do
        for element in pydicom.dcmread(path, force=True).iterall():
            if element.keyword in IDENTIFYING and not element.is_empty:
                several = element.value if element.VM > 1 else [element.value]
                found |= {str(one).strip() for one in several}
    said = {one for one in found if not one.startswith("1.2.840.10008.")} - {"Anonymized", "000000000"}
    return {one for one in said if len(one) > 5}  # fewer letters stand somewhere in pixels by chance


def test_real_files_keep_nothing_that_named_anybody(real):
    pairs, out = real
    assert len(pairs) == len(FILES)
    content = b"\n".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    wanted = set().union(*(values_of(path) for path in pairs))
    assert len(wanted) > 50
    left = [one for one in sorted(wanted) if one.encode() in content]
    assert left == [], str(left)


def test_the_verifier_finds_no_error_that_the_original_has_not(real):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    for before, after in real[0].items():
        assert not _errors(after) - _errors(before), before.name


def _errors(path: Path) -> Counter[str]:
    """Kinds of errors, without the values that they quote."""
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False, timeout=60)
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    return Counter(line.split(" = <")[0] for line in lines)


def test_another_reader_sees_the_same_pixels_in_the_same_place(real):
    compared = 0
    for before, after in real[0].items():
        if before.name.startswith(("rtstruct", "reportsi", "rtdose")):
            continue  # no pictures, and one that GDCM does not read
        pictures = [SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO") for path in (before, after)]
        assert np.array_equal(*(SimpleITK.GetArrayFromImage(picture) for picture in pictures)), before.name
        assert pictures[0].GetOrigin() == pictures[1].GetOrigin()
        assert pictures[0].GetDirection() == pictures[1].GetDirection()
        compared += 1
    assert compared == 10


@pytest.mark.parametrize(
    "name", ["MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jp2klossless", "image_dfl", "JPEG-LL"]
)
def test_encodings_stay_as_they_are(test_data, tmp_path, name):
    source = test_data / "dicom_pydicom" / f"{name}.dcm"
    code, said = run(source, tmp_path / "out", "--key", tmp_path / "key")
    assert code == 0, said
    (written,) = (tmp_path / "out").rglob("*.dcm")
    before, after = (pydicom.dcmread(path) for path in (source, written))
    assert before.file_meta.TransferSyntaxUID == after.file_meta.TransferSyntaxUID
    pictures = [SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO") for path in (source, written)]
    assert np.array_equal(*(SimpleITK.GetArrayFromImage(picture) for picture in pictures))


@pytest.mark.parametrize("name", ["693_J2KI", "emri_small_RLE", "reportsi", "rtstruct", "CT_small", "JPEG2000"])
@pytest.mark.parametrize("left", [0.9, 0.5])
def test_a_file_that_was_cut_off_is_no_shorter_object(test_data, tmp_path, name, left):
    whole = (test_data / "dicom_pydicom" / f"{name}.dcm").read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cut.dcm").write_bytes(whole[: int(left * len(whole))])
    code, said = run(tmp_path / "in", tmp_path / "out", "--key", tmp_path / "key")
    assert code == 1, said
    assert "cut.dcm: " in said
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_structures_still_lie_on_their_images(test_data, tmp_path):
    source = test_data / "dicom_series" / "sts_002" / "CT"
    code, said = run(source, tmp_path / "out", "--key", tmp_path / "key", "--descriptions", "clean", "--dates", "shift")
    assert code == 0, said
    by_kind = {pydicom.dcmread(path, stop_before_pixels=True).Modality: path for path in tmp_path.rglob("*.dcm")}
    (structures,) = (source / "mask").iterdir()
    pairs = [(structures, source / "image"), (by_kind["RTSTRUCT"], by_kind["CT"].parent)]
    masks = []
    for number, (path, image) in enumerate(pairs):
        mask = tmp_path / f"{number}.nii.gz"
        done = CliRunner().invoke(app, ["convert", str(path), str(mask), "--like", str(image)])
        assert done.exit_code == 0, done.output
        masks.append(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(mask))))
    assert masks[0].sum() == 17090
    assert np.array_equal(*masks)
    assert pydicom.dcmread(by_kind["RTSTRUCT"]).StructureSetROISequence[0].ROIName == "GTV Mass CT"


def test_the_command_says_what_failed_and_where_and_the_report_does_not(tmp_path):
    save(plain_object(), tmp_path / "in" / "good.dcm")
    (tmp_path / "in" / "SECRETname.dcm").write_bytes((tmp_path / "in" / "good.dcm").read_bytes()[:-50])
    code, said = run(tmp_path / "in", tmp_path / "out", "--key", tmp_path / "key", "--json")
    assert code == 1
    assert "SECRETname.dcm: is broken: it cannot be read to its end" in said
    assert json.loads(said[said.index("{") :])["files"] == {"done": 1, "failed": 1}
    assert "SECRETname" not in (tmp_path / "out" / "report.csv").read_text()


@pytest.mark.parametrize("words", [["--keep", "everything"], ["--blank", "missing.yaml"]])
def test_words_that_mean_nothing_are_refused(tmp_path, words):
    save(plain_object(), tmp_path / "in" / "good.dcm")
    code, _ = run(tmp_path / "in", tmp_path / "out", "--key", tmp_path / "key", *words)
    assert code != 0
    assert not (tmp_path / "out").exists()

"""Which series of a study becomes its case: real and generated DICOM, zips, and NIfTI with dcm2niix's JSON."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from medseg.case import Case
from medseg.datasets import cases_from_inputs
from medseg.errors import InputError, LeftOutError
from medseg.io import read_case_image

Writer = Callable[..., Path]


def _series_of(ct_studies: Path) -> Path:
    return min(path.parent for path in ct_studies.rglob("*.dcm"))


def _copied(folder: Path, to: Path, most: int, **changes: object) -> Path:
    """A series of fewer slices with another header."""
    to.mkdir(parents=True)
    uid = generate_uid()
    slices = sorted(map(pydicom.dcmread, folder.glob("*.dcm")), key=lambda one: one.ImagePositionPatient[2])
    for number, one in enumerate(slices[:most]):
        one.SeriesInstanceUID, one.SOPInstanceUID = uid, generate_uid()
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        for keyword, value in changes.items():
            setattr(one, keyword, value)
        one.save_as(to / f"{number}.dcm")
    return to


@pytest.fixture(scope="module")
def studies(ct_studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies: one of three series, one of one."""
    root, source = tmp_path_factory.mktemp("studies"), _series_of(ct_studies)
    one = {"StudyInstanceUID": "1.2.3.1", "PatientID": "A"}
    _copied(source, root / "a" / "thin", 30, SeriesNumber=2, ConvolutionKernel="B70f", SeriesTime="100000", **one)
    _copied(source, root / "a" / "thick", 8, SeriesNumber=3, ConvolutionKernel="B30f", SeriesTime="100500", **one)
    _copied(source, root / "a" / "late", 12, SeriesNumber=4, ContrastBolusAgent="Iohexol", SeriesTime="110000", **one)
    two = {"StudyInstanceUID": "1.2.3.2", "PatientID": "B", "SeriesTime": "090000"}
    _copied(source, root / "b" / "only", 9, SeriesNumber=1, **two)
    return root


def _by_id(cases: list[Case]) -> dict[str, Case]:
    return {case.id: case for case in cases}


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("newest", "late"),
        ("oldest", "thin"),
        ("largest", "thin"),
        ("first", "thin"),
        ("kernel=B30f|B35f, newest", "thick"),
        ("contrast=yes", "late"),
        ("slices<10, newest", "thick"),
        ("modality=CT, slices>9, orientation=axial, number>2", "late"),
    ],
)
def test_a_rule_chooses_one_series_of_each_study(studies: Path, rule: str, chosen: str) -> None:
    found = _by_id(cases_from_inputs([studies], series=rule))
    assert found["a"].images == (studies / "a" / chosen,)
    assert found["a"].patient == "A"
    assert f"1 of 3 by {rule!r}" in found["a"].columns["series_chosen"]
    assert len(found) == 2
    assert found.keys() == {"a", "b_only"}


def test_series_named_one_by_one_are_still_one_study(studies: Path) -> None:
    (case,) = cases_from_inputs([str(studies / "a" / "*")], series="newest")
    assert (case.id, case.images) == ("a", (studies / "a" / "late",))


def test_a_study_of_which_nothing_fits_is_left_out_with_its_reason(studies: Path) -> None:
    found = _by_id(cases_from_inputs([studies], series="slices>20"))
    assert found["a"].refusal is None
    with pytest.raises(LeftOutError, match=r"none of its 1 series fits 'slices>20' .*slices is 9, not slices>20"):
        read_case_image(found["b_only"])


def test_several_that_fit_without_a_word_are_not_guessed_among(studies: Path) -> None:
    found = _by_id(cases_from_inputs([studies], series="modality=CT"))
    with pytest.raises(InputError, match=r"3 of 3 series fit 'modality=CT'.*Add what tells them apart"):
        read_case_image(found["a"])
    assert found["b_only"].refusal is None


def test_a_zip_of_a_study_is_a_case_by_its_own_name(studies: Path, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "Study 7"), "zip", studies / "a"))
    (case,) = cases_from_inputs([path], series="newest")
    assert case.id == "Study_7"
    assert read_case_image(case).geometry.shape[2] == 12
    assert len(cases_from_inputs([path])) == 3
    only = Path(shutil.make_archive(str(tmp_path / "only"), "zip", studies / "b"))
    assert [(one.id, one.patient) for one in cases_from_inputs([only])] == [("only", "B")]


def test_a_hostile_zip_is_a_row_and_the_others_go_on(studies: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    shutil.copytree(studies / "b", inbox / "b")
    with zipfile.ZipFile(inbox / "bad.zip", "w") as whole:
        whole.writestr("../../evil.dcm", b"x")
    (inbox / "code.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    found = _by_id(cases_from_inputs([inbox]))
    assert sorted(found) == ["b_only", "bad"]
    with pytest.raises(InputError, match="outside the zip"):
        read_case_image(found["bad"])


def test_nifti_is_chosen_by_what_dcm2niix_says(tmp_path: Path, volume: Writer) -> None:
    for number, (name, modality) in enumerate([("t1", "MR"), ("t2", "MR"), ("pet", "PT")]):
        volume(tmp_path / "sub" / f"{name}.nii.gz")
        said = {"Modality": modality, "SeriesNumber": number, "SeriesDescription": name, "AcquisitionTime": "10:00:00"}
        (tmp_path / "sub" / f"{name}.json").write_text(json.dumps(said))
    (case,) = cases_from_inputs([tmp_path], series="modality=MR, description~2")
    assert (case.id, case.images[0].name) == ("sub", "t2.nii.gz")
    (case,) = cases_from_inputs([tmp_path], series="modality=MR, newest")
    with pytest.raises(InputError, match="none of them says when"):
        read_case_image(case)


def test_an_image_that_says_nothing_of_a_series_is_refused(tmp_path: Path, volume: Writer) -> None:
    volume(tmp_path / "a.nii.gz")
    (case,) = cases_from_inputs([tmp_path], series="newest")
    with pytest.raises(InputError, match=r"a.nii.gz: nothing says of which series .*dcm2niix"):
        read_case_image(case)


def test_a_manifest_may_name_study_folders(studies: Path, tmp_path: Path, volume: Writer) -> None:
    volume(tmp_path / "plain.nii.gz")
    (tmp_path / "manifest.csv").write_text(f"id,patient,image\none,A,{studies / 'a'}\ntwo,B,plain.nii.gz\n")
    first, second = cases_from_inputs([tmp_path / "manifest.csv"], series="oldest")
    assert (first.id, first.images) == ("one", (studies / "a" / "thin",))
    assert second.images == (tmp_path / "plain.nii.gz",)


def test_a_real_study_of_ct_mr_and_pet(test_data: Path) -> None:
    root = test_data / "dicom_series" / "sts_002"
    found = cases_from_inputs([root / "*" / "image"], series="modality=PT")
    assert [case.images for case in found if case.refusal is None] == [(root / "PET" / "image",)]
    assert all("modality is" in str(case.refusal) for case in found if case.refusal is not None)
    whole = cases_from_inputs([root], series="modality=CT|PT|MR, largest")
    assert whole
    assert all("by 'modality=CT|PT|MR, largest'" in one.columns["series_chosen"] for one in whole)


def test_patterns(studies: Path) -> None:
    assert [case.id for case in cases_from_inputs([str(studies / "?" / "th*")])] == ["thick", "thin"]
    assert len(cases_from_inputs([str(studies / "**" / "only")])) == 1
    with pytest.raises(InputError, match="matches nothing"):
        cases_from_inputs([str(studies / "*.nii")])


def test_one_of_several_inputs_that_holds_nothing_is_a_row(studies: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    first, second = cases_from_inputs([studies / "b", tmp_path / "empty"])
    assert (first.refusal, second.id) == (None, "empty")
    with pytest.raises(InputError, match="holds no image"):
        read_case_image(second)

"""The words by which a case could be told: of paths, members of a zip, headers, and the JSON beside a NIfTI file."""

import json
import zipfile

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from medseg.batch.telling_words import telling_words
from medseg.case import Case
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.line.tasks import Finishing, finish


def test_words_of_a_folder_are_those_of_its_path_its_files_and_the_first_header_that_is_read(tmp_path):
    folder = tmp_path / "Wing B" / "Doe, Jane" / "images"
    folder.mkdir(parents=True)
    (folder / "0.dcm").write_bytes(b"broken")
    header = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    header.PatientName, header.OperatorsName, header.SeriesDescription = "Smith^Ann=Schmidt", "Wu^Li", "thin, for Ann"
    header.save_as(folder / "Jones_7.dcm")
    words = telling_words(Case("Wing_B_Doe_Jane", "PID 44", (folder,)))
    assert {
        "doe jane",
        "jane",
        "wing b",
        "pid 44",
        "jones 7",
        "smith",
        "schmidt",
        "thin for ann",
        "smith ann schmidt",
    } <= words
    assert not words & {"images", "dcm", "li", "b", "0", ""}


def test_words_of_a_zip_are_those_of_its_members_and_a_nifti_files_those_beside_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as whole:
        whole.writestr("Miller/Kim.dcm", b"")
    assert {"miller", "kim"} <= telling_words(Case("study", "study", (tmp_path / "study.zip",)))
    (tmp_path / "scan1.nii.gz").write_bytes(b"")
    (tmp_path / "scan1.json").write_text(json.dumps({"PatientName": "Baker^Lou", "EchoTime": 3}))
    assert {"baker", "lou"} <= telling_words(Case("scan1", "scan1", (tmp_path / "scan1.nii.gz",)))


@pytest.mark.parametrize("kind", [nibabel.Nifti1Header, nibabel.Nifti2Header])
def test_a_mask_without_names_has_the_grid_of_its_header_and_none_of_its_texts(tmp_path, kind):
    header = kind()
    header.set_data_shape((4, 5, 6))
    header.set_sform(np.diag([2.0, 2.0, 3.0, 1.0]), code=2)
    header["descrip"], header["aux_file"] = b"Doe", b"Jane"
    image = Image(np.zeros((1, 4, 5, 6)), Geometry((4, 5, 6), np.diag([2.0, 2.0, 3.0, 1.0])), header=header)
    mask = Segmentation(np.ones((4, 5, 6), np.uint8), image.geometry, Labels.from_config({"a": 1}), image=image)
    written = {}
    for nameless in (False, True):
        out = tmp_path / str(nameless)
        out.mkdir()
        finish(Finishing(out, nameless=nameless), (Case("c", "c", (tmp_path,)), image, mask))
        written[nameless] = nibabel.load(out / "c" / "mask.nii.gz")
    assert written[False].header["descrip"] == b"Doe"
    assert b"Doe" not in written[True].header.binaryblock
    assert b"Jane" not in written[True].header.binaryblock
    assert np.array_equal(written[True].affine, written[False].affine)
    assert written[True].header["sform_code"] == 2
    assert header["descrip"] == b"Doe"

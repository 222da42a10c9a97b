"""Trees of DICOM studies: labels find the image that they were drawn on, and what they do not find is named."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_objects import frames_of, segmentation
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medseg.datasets import open_dataset
from medseg.datasets.opening import recognised, survey_dataset
from medseg.errors import LabelError
from medseg.geometry import Geometry
from medseg.io.cases import read_case_image, read_case_label_map
from medseg.labels import Labels
from medseg.options import ReadOptions

SHAPE = (12, 10, 4)
GRID = Geometry(SHAPE, np.diag([-1.0, -1.0, 2.0, 1.0]))


def ct(folder: Path, patient: str = "P1", **fields: str) -> tuple[str, str]:
    """Four slices on `GRID`; the UIDs of their series and frame of reference."""
    folder.mkdir(parents=True)
    series, frame = generate_uid(), generate_uid()
    for k in range(SHAPE[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = patient, "1.2.3", series
        ds.FrameOfReferenceUID, ds.Modality, ds.SeriesNumber, ds.InstanceNumber = frame, "CT", 1, k
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [1, 1], 2
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = SHAPE[1], SHAPE[0], 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 1
        for name, value in fields.items():
            setattr(ds, name, value)
        ds.PixelData = np.full((SHAPE[1], SHAPE[0]), k, np.int16).tobytes()
        pydicom.dcmwrite(folder / f"{k}", ds, enforce_file_format=True)
    return series, frame


def seg(path: Path, drawn_on: tuple[str, str], names: dict[int, str], x: int = 2, creator: str = "") -> None:
    """One block a segment, side by side along y, unless their numbers fall on one place."""
    masks = {}
    for number in names:
        masks[number] = np.zeros(SHAPE, bool)
        masks[number][x : x + 3, 2 * number % 8 : 2 * number % 8 + 2, 1:3] = True
    ds = segmentation(frames_of(masks, GRID), GRID, names)
    ds.FrameOfReferenceUID, ds.ContentCreatorName = drawn_on[1], creator
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = drawn_on[0], []
    ds.ReferencedSeriesSequence, ds.SeriesInstanceUID = [series], generate_uid()
    ds.PatientID, ds.StudyInstanceUID = "P1", "1.2.3"
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


def test_a_tree_gives_a_case_an_image_with_the_labels_that_name_it(tmp_path: Path) -> None:
    one = ct(tmp_path / "a" / "image", Manufacturer="ACME", ManufacturerModelName="One", KVP="120", PatientSex="F")
    ct(tmp_path / "b" / "image", patient="P2")
    seg(tmp_path / "a" / "seg.dcm", one, {1: "GTVp", 2: "heart"})
    assert recognised(tmp_path) == ("dicom",)
    dataset = open_dataset(tmp_path, labels=Labels.from_config({"tumour": ["GTV_Mass", "GTVp"]}))
    labelled, other = dataset.cases
    assert (labelled.id, labelled.patient, other.patient, other.labelled) == ("a_image", "P1", "P2", False)
    assert labelled.annotated == ("GTVp", "heart", "tumour")
    assert dataset.labels is not None
    assert dataset.labels.judged(labelled.annotated) == ("tumour",)  # by either of its names
    assert labelled.columns["scanner"] == "ACME One"
    assert (labelled.columns["kvp"], labelled.columns["sex"]) == ("120", "F")
    assert dataset.modality == "CT"
    image = read_case_image(labelled)
    assert image.facts["scanner"] == "ACME One"
    assert read_case_label_map(labelled, image, dataset.labels).mask.sum() == 3 * 2 * 2
    own = open_dataset(tmp_path)
    assert own.labels is not None
    assert own.labels.names == ("GTVp", "heart")


def test_unlabelled_studies_are_a_data_set_too(tmp_path: Path) -> None:
    ct(tmp_path / "image")
    (case,) = open_dataset(tmp_path).cases
    assert (case.id, case.labelled) == ("image", False)


def test_files_of_several_makers_of_the_same_structures_are_readers(tmp_path: Path) -> None:
    drawn_on = ct(tmp_path / "image")
    seg(tmp_path / "1.dcm", drawn_on, {1: "lesion"}, creator="Ada")
    seg(tmp_path / "2.dcm", drawn_on, {1: "lesion"}, x=3, creator="Bo")
    (case,) = open_dataset(tmp_path).cases
    assert set(case.readers) == {"Ada", "Bo"}
    image = read_case_image(case)
    options = ReadOptions(consensus="staple")
    assert read_case_label_map(case, image, Labels.of_structures(["lesion"]), options).mask.any()


def test_files_of_different_structures_are_one_reference(tmp_path: Path) -> None:
    drawn_on = ct(tmp_path / "image")
    seg(tmp_path / "1.dcm", drawn_on, {1: "lesion"})
    seg(tmp_path / "2.dcm", drawn_on, {2: "node"})
    dataset = open_dataset(tmp_path)
    (case,) = dataset.cases
    mask = read_case_label_map(case, read_case_image(case), dataset.labels).mask
    assert [(mask == value).sum() for value in (1, 2)] == [12, 12]


def test_labels_of_an_image_that_is_not_there_are_a_problem(tmp_path: Path) -> None:
    ct(tmp_path / "image")
    seg(tmp_path / "seg.dcm", (generate_uid(), generate_uid()), {1: "lesion"})
    (tmp_path / "broken.dcm").write_bytes(b"no DICOM")
    problems = [str(problem) for problem in survey_dataset(tmp_path).problems]
    assert len(problems) == 2
    assert "broken.dcm: is empty or not DICOM" in problems[0]
    assert "lesion" in problems[1]
    assert "an image that is not here" in problems[1]


def test_structures_that_overlap_say_what_to_write(tmp_path: Path) -> None:
    drawn_on = ct(tmp_path / "image")
    seg(tmp_path / "seg.dcm", drawn_on, {1: "lesion", 5: "organ"})
    dataset = open_dataset(tmp_path)
    (case,) = dataset.cases
    with pytest.raises(LabelError, match="overlapping: true"):
        read_case_label_map(case, read_case_image(case), dataset.labels)
    both = Labels.of_structures(["lesion", "organ"], exclusive=False)
    assert read_case_label_map(case, read_case_image(case), both).mask.shape == (2, *SHAPE)


def test_sarcoma_labels_of_three_series_are_found(test_data: Path) -> None:
    tumour = ["GTV_Mass_CT", "GTV_Mass_PET", "GTV_Mass_MR_T1"]
    dataset = open_dataset(test_data / "dicom_series" / "sts_002", labels=Labels.from_config({"tumour": tumour}))
    assert [case.id for case in dataset.cases] == ["CT_image", "MR_T1_image", "PET_image"]
    assert dataset.patients == ("STS_002",)
    counts = [int(read_case_label_map(c, read_case_image(c), dataset.labels).mask.sum()) for c in dataset.cases]
    assert counts == [17090, 17090, 555]

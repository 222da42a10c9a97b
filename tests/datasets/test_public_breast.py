"""Public breast sets, a few files of exactly the published layout each."""

from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medseg.datasets import open_dataset
from medseg.datasets.opening import recognised, survey_dataset
from medseg.io.cases import read_case_image, read_case_label_map
from medseg.labels import Labels


def picture(path: Path, column: int | None = None) -> None:
    pixels = np.zeros((6, 8), np.uint8)
    if column is not None:
        pixels[:, column] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


def test_busi(tmp_path: Path) -> None:
    root = tmp_path / "Dataset_BUSI_with_GT"
    for kind, number in (("benign", 1), ("malignant", 1), ("normal", 1)):
        picture(root / kind / f"{kind} ({number}).png")
        picture(root / kind / f"{kind} ({number})_mask.png", None if kind == "normal" else 1)
    picture(root / "benign" / "benign (1)_mask_1.png", 5)
    assert recognised(tmp_path) == ("busi",)
    dataset = open_dataset(root)
    benign, malignant, normal = dataset.cases
    assert (benign.columns["class"], len(benign.masks), normal.negative, normal.masks) == ("benign", 2, True, ())
    read = [read_case_label_map(case, read_case_image(case), dataset.labels).mask for case in dataset.cases]
    assert [(int(mask.max()), int((mask != 0).sum())) for mask in read] == [(1, 12), (2, 6), (0, 0)]
    lesion = Labels.from_config({"lesion": 255})
    (united, *_rest) = open_dataset(root, labels=lesion).cases
    assert (read_case_label_map(united, read_case_image(united), lesion).mask == 255).sum() == 12
    (root / "malignant" / "malignant (1)_mask.png").unlink()
    assert "has no mask" in str(survey_dataset(root).problems[0])
    assert malignant.id == "malignant_1"


def test_the_selection_of_ultrasound_opens_on_sight(test_data: Path) -> None:
    dataset = open_dataset(test_data / "busi_ultrasound")
    assert (dataset.layout, len(dataset.labelled), sum(case.negative for case in dataset.cases)) == ("busi", 44, 3)


def mammogram(path: Path, pixels: np.ndarray) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.SeriesInstanceUID = "MG", generate_uid()
    (ds.Rows, ds.Columns), ds.SamplesPerPixel, ds.PhotometricInterpretation = pixels.shape, 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit, ds.PixelRepresentation, ds.PixelData = ds.BitsStored - 1, 0, pixels.tobytes()
    ds["PixelData"].VR = "OW"
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


HEADER = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
    "mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
)


def line(film: str, number: int, pathology: str) -> str:
    inner = "1.3.6.1/1.3.6.2/00000"
    return (
        f"P_00001,3,LEFT,CC,{number},mass,IRREGULAR,SPICULATED,4,{pathology},4,{film}/{inner}0.dcm,"
        f'"{film}_{number}/{inner}0.dcm\n","{film}_{number}/{inner}1.dcm\n"\n'
    )


@pytest.fixture
def cbis(tmp_path: Path) -> Path:
    for part, pathologies in (("Training", ("MALIGNANT", "BENIGN_WITHOUT_CALLBACK")), ("Test", ("BENIGN",))):
        film = f"Mass-{part}_P_00001_LEFT_CC"
        mammogram(tmp_path / "CBIS-DDSM" / film / "1" / "2" / "1-1.dcm", np.full((20, 16), 500, np.uint16))
        rows = [line(film, number, pathology) for number, pathology in enumerate(pathologies, start=1)]
        table = "train" if part == "Training" else "test"
        (tmp_path / f"mass_case_description_{table}_set.csv").write_text(HEADER + "".join(rows))
        for number in range(1, len(rows) + 1):
            mask = np.zeros((20, 16), np.uint8)
            mask[2 * number : 2 * number + 2, 3:5] = 255
            both = (mask, np.full((4, 4), 9, np.uint8))
            for name, pixels in zip(("1-1.dcm", "1-2.dcm"), both if number == 1 else both[::-1], strict=True):
                mammogram(tmp_path / "CBIS-DDSM" / f"{film}_{number}" / "1" / "2" / name, pixels)
    return tmp_path


def test_cbis_ddsm_tells_masks_from_crops_and_unites_abnormalities(cbis: Path) -> None:
    assert recognised(cbis) == ("cbis_ddsm",)
    dataset = open_dataset(cbis)
    tested, trained = dataset.cases
    assert (trained.id, trained.patient) == ("Mass-Training_P_00001_LEFT_CC", "P_00001")
    assert [mask.name for mask in trained.masks] == ["1-1.dcm", "1-2.dcm"]
    assert trained.structures == ("malignant", "benign")
    assert (trained.columns["laterality"], trained.columns["view"], trained.columns["density"]) == ("L", "CC", "3")
    mask = read_case_label_map(trained, read_case_image(trained), dataset.labels).mask
    assert mask[3, 2] == 2
    assert mask[3, 4] == 1
    assert [(mask == value).sum() for value in (1, 2)] == [4, 4]
    assert (tested.split, trained.split) == ("test", "test")
    assert "1 patients are in the train and the test part" in dataset.warnings[0]


def test_cbis_ddsm_names_the_line_of_a_mask_that_fits_no_film(cbis: Path) -> None:
    folder = cbis / "CBIS-DDSM" / "Mass-Test_P_00001_LEFT_CC_1" / "1" / "2"
    mammogram(folder / "1-1.dcm", np.zeros((19, 16), np.uint8))
    (problem,) = survey_dataset(cbis).problems
    assert "mass_case_description_test_set.csv, line" in str(problem)
    assert "19×16" in str(problem)
    assert "20×16" in str(problem)

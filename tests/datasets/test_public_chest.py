"""Public chest X-ray sets, a few files of exactly the published layout each."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.datasets import open_dataset
from medseg.datasets.opening import recognised, survey_dataset
from medseg.errors import DatasetError, GridMismatchError, UnreadableFileError
from medseg.io import read_image
from medseg.io.cases import read_case_image, read_case_label_map
from medseg.labels import Labels


def picture(path: Path, columns: int = 8, rows: int = 6, box: tuple[int, int] = (0, 0), value: int = 255) -> None:
    """Black, with the columns of `box` at a value."""
    pixels = np.zeros((rows, columns), np.uint8)
    pixels[:, box[0] : box[1]] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


def test_montgomery(tmp_path: Path) -> None:
    root = tmp_path / "MontgomerySet"
    picture(root / "CXR_png" / "MCUCXR_0001_0.png")
    picture(root / "ManualMask" / "leftMask" / "MCUCXR_0001_0.png", box=(5, 8))
    picture(root / "ManualMask" / "rightMask" / "MCUCXR_0001_0.png", box=(0, 2))
    (root / "ClinicalReadings").mkdir()
    readings = root / "ClinicalReadings" / "MCUCXR_0001_0.txt"
    readings.write_text("Patient's Sex: F\nPatient's Age: 027Y\nnormal\n\n")
    assert recognised(tmp_path) == ("montgomery",)
    dataset = open_dataset(root)
    (case,) = dataset.cases
    assert case.columns == {"tuberculosis": "no", "sex": "F", "patient_age_y": "27", "finding": "normal"}
    mask = read_case_label_map(case, read_case_image(case), dataset.labels).mask
    assert mask[:, 0].tolist() == [2, 2, 0, 0, 0, 1, 1, 1]
    both = Labels.from_config({"lung": ["left lung", "right lung"]})
    assert read_case_label_map(case, read_case_image(case), both).mask.sum() == 5 * 6
    picture(root / "CXR_png" / "MCUCXR_0002_1.png")
    picture(root / "ManualMask" / "leftMask" / "MCUCXR_0002_1.png")
    assert "has a mask of the left lung only" in str(survey_dataset(root).problems[0])


def test_shenzhen(tmp_path: Path) -> None:
    for name in ("CHNCXR_0001_0", "CHNCXR_0327_1"):
        picture(tmp_path / "CXR_png" / f"{name}.png")
    picture(tmp_path / "mask" / "CHNCXR_0327_1_mask.png", box=(1, 4))
    (tmp_path / "ClinicalReadings").mkdir()
    (tmp_path / "ClinicalReadings" / "CHNCXR_0327_1.txt").write_text("male 37yrs\nbilateral PTB")
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "shenzhen"
    without, drawn = dataset.cases
    assert not without.labelled
    assert drawn.columns == {"tuberculosis": "yes", "sex": "M", "patient_age_y": "37", "finding": "bilateral PTB"}
    assert read_case_label_map(drawn, read_case_image(drawn), dataset.labels).mask.sum() == 3 * 6
    values = Labels.from_config({"lung": 255})
    (case,) = open_dataset(tmp_path, labels=values).labelled
    assert read_case_label_map(case, read_case_image(case), values).mask.max() == 255


def film(path: Path) -> np.ndarray:
    stored = np.zeros((2048, 2048), ">u2")
    stored[10, 20] = 4095
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stored.tobytes())
    return stored


def test_jsrt(tmp_path: Path) -> None:
    film(tmp_path / "All247images" / "JPCLN001.IMG")
    film(tmp_path / "All247images" / "JPCNN002.IMG")
    names = ("left lung", "right lung", "heart", "left clavicle", "right clavicle")
    for place, name in enumerate(names):
        picture(tmp_path / "scratch" / "fold1" / "masks" / name / "JPCLN001.gif", 1024, 1024, (place, place + 2))
    said = "JPCLN001.IMG\t5\t15\t53\tMale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer\r"
    (tmp_path / "CLNDAT_EN.txt").write_text(said)
    (tmp_path / "CNNDAT_EN.TXT").write_text("JPCNN002.IMG 61 Female non-nodule\r")
    assert recognised(tmp_path) == ("jsrt",)
    dataset = open_dataset(tmp_path)
    drawn, bare = dataset.cases
    assert (drawn.columns["sex"], drawn.columns["patient_age_y"], drawn.columns["fold"]) == ("M", "53", "fold1")
    assert (bare.columns["sex"], bare.columns["nodule"], bare.labelled) == ("F", "no", False)
    image = read_case_image(drawn)
    assert image.voxels[0, 20, 10] == 0
    assert image.voxels.max() == 4095
    assert image.geometry.spacing_mm == (0.175, 0.175)
    found = read_case_label_map(drawn, image, dataset.labels)
    assert found.mask.shape == (5, 2048, 2048)
    assert found.mask[2, :, 0].nonzero()[0].tolist() == [4, 5, 6, 7]
    assert "2×2" in found.notes[0]
    with pytest.raises(DatasetError, match=r"name none of the structures .*heart"):
        open_dataset(tmp_path, labels=Labels.from_config({"lung": 255}))
    picture(drawn.masks[0], 1000, 1024)
    with pytest.raises(GridMismatchError, match="2 times smaller"):
        read_case_label_map(drawn, image, dataset.labels)


def test_a_headerless_file_of_the_size_of_a_film_but_not_its_depth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.img"
    path.write_bytes(np.full((2048, 2048), 5000, ">u2").tobytes())
    with pytest.raises(UnreadableFileError, match="samples up to 5000"):
        read_image(path)


def test_covid_with_the_masks_of_v7(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "scan 1.png")
    picture(tmp_path / "images" / "b.png")
    masks = tmp_path / "covid-19-xray-dataset" / "annotations" / "all-images-semantic-masks"
    picture(masks / "1676192.png", box=(2, 4), value=255)
    (masks.with_name("all-images")).mkdir()
    described = {"image": {"filename": "0001.png", "original_filename": "scan 1.png"}, "annotations": []}
    (masks.with_name("all-images") / "1676192.json").write_text(json.dumps(described))
    (tmp_path / "metadata.csv").write_text(
        "patientid,sex,age,finding,view,modality,folder,filename\n"
        "2,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,scan 1.png\n"
        "2,M,65,Pneumonia/Viral/COVID-19,AP,X-ray,images,b.png\n"
        "4,F,52,Pneumonia,Axial,CT,volumes,c.nii.gz\n"
        "6,,,,PA,X-ray,images,absent.jpg\n"
    )
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, len(dataset), dataset.patients) == ("covid_cxr", 2, ("2",))
    assert "1 films of metadata.csv are not in images/ (absent.jpg)" in dataset.warnings
    (case,) = dataset.labelled
    assert (case.id, case.columns["view"], case.columns["age"]) == ("scan 1", "PA", "65")
    assert set(np.unique(read_case_label_map(case, read_case_image(case), dataset.labels).mask)) == {0, 255}


def test_the_selection_of_chest_films_opens_on_sight(test_data: Path) -> None:
    dataset = open_dataset(test_data / "cxr_lungs")
    assert (len(dataset.labelled), len(dataset.patients)) == (67, 33)
    assert dataset.labels is not None
    assert (dataset.labels.names, dataset.labels.ignore) == (("lung",), 127)

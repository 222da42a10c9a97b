"""mini-MIAS, INbreast and CDD-CESM: a few files of exactly the published layouts."""

import plistlib
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.data import get_testdata_file

from medseg.datasets import open_dataset, survey_dataset
from medseg.datasets.opening import recognised
from medseg.errors import DatasetError
from medseg.io import read_case_image, read_case_label_map
from medseg.labels import Labels

INFO = """MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY

mdb001 G CIRC B 535 425 197
mdb002 G CIRC M 522 280 69
mdb003 D NORM\x20
mdb005 F CIRC B 477 133 30
mdb005 F SPIC B 500 268 26
mdb059 F CIRC B
mdb216 D CALC M *NOTE 3*\x20
"""
OUTLINES = (
    "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    'P1_L_DM_MLO.jpg,9,"{}",2,0,"{""name"":""polygon"",""all_points_x"":[2,6,6,2],""all_points_y"":[1,1,5,5]}","{}"\n'
    'P1_L_DM_MLO.jpg,9,"{}",2,1,"{""name"":""circle"",""cx"":20,""cy"":9,""r"":3}","{}"\n'
    'P2_R_CM_CC .jpg,9,"{}",1,0,"{""name"":""rect"",""x"":2,""y"":3,""width"":4,""height"":5}","{}"\n'
    'P3_R_DM_CC.jpg,9,"{}",0,0,"{}","{}"\n'
)


def picture(path: Path, pixels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.zeros((24, 32), np.uint8) if pixels is None else pixels).save(path)
    return path


@pytest.fixture(params=["", "images"])
def mini_mias(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for number, ending in ((1, "pgm"), (2, "png"), (3, "pgm"), (5, "pgm"), (59, "pgm"), (216, "pgm")):
        picture(tmp_path / request.param / f"mdb{number:03d}.{ending}", np.zeros((1024, 1024), np.uint8))
    (tmp_path / "Info.txt").write_text(INFO)
    return tmp_path


def test_mini_mias_pairs_films_of_one_woman_and_knows_what_is_normal(mini_mias: Path) -> None:
    assert recognised(mini_mias) == ("mini_mias",)
    dataset = open_dataset(mini_mias)
    by_id = {case.id: case for case in dataset.cases}
    assert by_id["mdb001"].patient == by_id["mdb002"].patient != by_id["mdb003"].patient
    assert by_id["mdb003"].negative
    assert [by_id[name].labelled for name in ("mdb001", "mdb003", "mdb059", "mdb216")] == [True, True, False, False]
    assert "2 films have a lesion without a place and count as unlabelled (mdb059, mdb216)" in dataset.warnings
    columns = {"laterality": "R", "tissue": "F", "abnormality": "CIRC+SPIC", "severity": "benign"}
    assert dict(by_id["mdb005"].columns) == columns
    image = read_case_image(by_id["mdb002"])
    assert image.geometry.spacing_mm == (0.2, 0.2)
    mask = read_case_label_map(by_id["mdb002"], image, dataset.labels).mask
    assert mask[522, 1023 - 280] == 2
    assert dataset.labels is not None
    assert dataset.labels.names == ("benign", "malignant")


def test_mini_mias_names_films_that_are_not_listed_and_lines_without_film(mini_mias: Path) -> None:
    folder = mini_mias / "images" if (mini_mias / "images").is_dir() else mini_mias
    (folder / "mdb001.pgm").rename(folder / "mdb300.pgm")
    dataset = survey_dataset(mini_mias)
    assert [str(problem).split(": ")[1][:22] for problem in dataset.problems] == [
        "is not in Info.txt, exp"[:18] + ". Ad"
    ]
    assert "1 films of Info.txt are not here (mdb001)" in dataset.warnings


def test_a_broken_mini_mias_table_is_refused_by_line(mini_mias: Path) -> None:
    (mini_mias / "Info.txt").write_text("mdb001 G CIRC B 535\n")
    with pytest.raises(DatasetError, match="line 1: the circle '535'"):
        open_dataset(mini_mias)


def test_mini_mias_on_real_data(test_data: Path) -> None:
    dataset = open_dataset(test_data / "mini_mias")
    assert (dataset.layout, len(dataset), len(dataset.labelled), len(dataset.patients)) == ("mini_mias", 8, 8, 8)


@pytest.fixture
def inbreast(tmp_path: Path) -> Path:
    root = tmp_path / "INbreast Release 1.0"
    (root / "AllDICOMs").mkdir(parents=True)
    (root / "AllXML").mkdir()
    source = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    source.Modality = "MG"
    del source.ImagePositionPatient, source.ImageOrientationPatient
    names = (
        "20586908_6c613a14b80a8591_MG_R_CC",
        "20586934_6c613a14b80a8591_MG_L_CC",
        "22427705_abe4d3a1a8a3ef8b_MG_L_ML",
    )
    for name in (*names, "22427751_abe4d3a1a8a3ef8b_MG_R_ML"):
        source.save_as(root / "AllDICOMs" / f"{name}_ANON.dcm")
    points = ["(10.5, 20.0)", "(30.5, 20.0)", "(30.5, 40.0)", "(10.5, 40.0)"]
    rois = [{"Name": "Mass", "NumberOfPoints": 4, "Point_px": points}]
    rois += [{"Name": "Calcification", "NumberOfPoints": 1, "Point_px": ["(20.2, 30.7)"]}]
    content = {"Images": [{"ImageIndex": 0, "NumberOfROIs": 2, "ROIs": rois}]}
    (root / "AllXML" / "20586908.xml").write_bytes(plistlib.dumps(content))
    (root / "AllXML" / "99999999.xml").write_bytes(plistlib.dumps(content))
    (root / "INbreast.csv").write_text(
        "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n"
        "removed;removed;R;CC;201001;20586908;4;5\n"
        "removed;removed;L;CC;201001;20586934;4;1\n"
        "removed;removed;L;MLO;201002;22427705;1;4a\n"
    )
    return root


def test_inbreast_reads_patients_from_names_and_the_rest_from_its_table(inbreast: Path) -> None:
    assert recognised(inbreast) == ("inbreast",)
    dataset = open_dataset(inbreast)
    drawn, normal, unknown, unlisted = dataset.cases
    assert drawn.patient == normal.patient != unknown.patient
    assert dict(drawn.columns) == {"laterality": "R", "view": "CC", "density": "4", "birads": "5", "date": "201001"}
    assert [case.negative for case in dataset.cases] == [False, True, False, False]
    assert [case.labelled for case in (unknown, unlisted)] == [False, False]
    assert dataset.warnings == (
        "2 images have neither contours nor BI-RADS 1 (22427705, 22427751)",
        "1 files of AllXML/ have no image and are left out (99999999)",
    )


def test_inbreast_findings_may_lie_in_one_another(inbreast: Path) -> None:
    dataset = open_dataset(inbreast)
    assert dataset.labels is not None
    image = read_case_image(dataset.cases[0])
    stack = read_case_label_map(dataset.cases[0], image.geometry, dataset.labels).mask
    assert dict(zip(dataset.labels.names, stack.sum(axis=(1, 2)).tolist(), strict=True)) == {
        **dict.fromkeys(dataset.labels.names, 0),
        "mass": 400,
        "calcification": 1,
    }
    assert stack[1, 20, 30]


def test_inbreast_names_a_file_that_is_called_otherwise(inbreast: Path) -> None:
    (inbreast / "AllDICOMs" / "scan.dcm").write_bytes(b"")
    (problem,) = survey_dataset(inbreast).problems
    assert "scan.dcm: has no name of INbreast, expected IMAGE_PATIENT_MG_L_CC_ANON.dcm" in str(problem)
    (inbreast / "INbreast.csv").write_text("File Name,Bi-Rads\n1,2\n")
    with pytest.raises(DatasetError, match="lacks the column"):
        open_dataset(inbreast)


@pytest.fixture
def cdd_cesm(tmp_path: Path) -> Path:
    picture(tmp_path / "Low energy images of CDD-CESM" / "P1_L_DM_MLO.jpg")
    picture(tmp_path / "Low energy images of CDD-CESM" / "P3_R_DM_CC.jpg")
    picture(tmp_path / "Subtracted images of CDD-CESM" / "P2_R_CM_CC.jpg")
    (tmp_path / "Radiology_hand_drawn_segmentations_v2.csv").write_text(OUTLINES)
    return tmp_path


def test_cdd_cesm_as_published(cdd_cesm: Path) -> None:
    assert recognised(cdd_cesm) == ("cdd_cesm",)
    dataset = open_dataset(cdd_cesm)
    first, second, third = dataset.cases
    assert (first.id, first.patient) == ("P1_L_DM_MLO", "P1")
    assert dict(second.columns) == {"laterality": "R", "kind": "CM", "view": "CC"}
    assert [case.labelled for case in (first, second, third)] == [True, True, False]
    for case, area in ((first, 16 + 32), (second, 20)):
        assert read_case_label_map(case, read_case_image(case), dataset.labels).mask.sum() == area


def test_cdd_cesm_with_colour_coded_and_jpeg_masks(tmp_path: Path) -> None:
    coloured = np.zeros((24, 32, 3), np.uint8)
    coloured[4:10, 4:10], coloured[14:20, 14:24] = (0, 255, 0), (255, 0, 0)
    white = np.zeros((24, 32), np.uint8)
    white[8:16, 8:16] = 255
    picture(tmp_path / "images" / "flipped_P1_L_DM_CC.jpg")
    picture(tmp_path / "masks" / "flipped_P1_L_DM_CC.png", coloured)
    assert recognised(tmp_path) == ("cdd_cesm",)
    only_coloured = open_dataset(tmp_path)
    assert only_coloured.labels is not None
    assert only_coloured.labels.names == ("benign", "malignant")
    picture(tmp_path / "jpeg_masks" / "images" / "flipped_P1_L_CM_CC.jpg")
    picture(tmp_path / "jpeg_masks" / "masks" / "flipped_P1_L_CM_CC.jpg", white)
    dataset = open_dataset(tmp_path)
    assert [case.patient for case in dataset.cases] == ["P1", "P1"]
    assert "white whatever the lesion is" in dataset.warnings[0]
    masks = [read_case_label_map(case, read_case_image(case), dataset.labels).mask for case in dataset.cases]
    assert [mask.sum() for mask in masks] == [64, 36 + 60]
    kinds = Labels.from_config({"benign": "#00ff00", "malignant": "#ff0000", "ignore": "#ffffff"})
    masks = [read_case_label_map(case, read_case_image(case), kinds).mask for case in dataset.cases]
    assert [(mask == value).sum() for mask, value in ((masks[0], 255), (masks[1], 1), (masks[1], 2))] == [64, 36, 60]


def test_cdd_cesm_names_what_is_called_otherwise(cdd_cesm: Path) -> None:
    picture(cdd_cesm / "Low energy images of CDD-CESM" / "scan.jpg")
    (problem,) = survey_dataset(cdd_cesm).problems
    assert "has no name of CDD-CESM, expected P1_L_DM_MLO.jpg" in str(problem)


def test_cdd_cesm_masks_are_those_that_were_made_elsewhere(test_data: Path) -> None:
    root = test_data / "cddcesm_mammo"
    dataset = open_dataset(root)
    assert (dataset.layout, len(dataset), len(dataset.labelled)) == ("cdd_cesm", 34, 34)
    assert len(dataset.patients) == 31
    for case in dataset.cases:
        folder = root / "jpeg_masks" / "masks_binary" if "jpeg_masks" in case.masks[0].parts else root / "masks_index"
        with PIL.Image.open(folder / f"{case.id}.png") as derived:
            expected = np.array(derived).T > 0
        found = read_case_label_map(case, read_case_image(case), dataset.labels).mask
        np.testing.assert_array_equal(found > 0, expected)

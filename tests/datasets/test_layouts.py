import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medseg.datasets import CaseTable, open_dataset, survey_dataset
from medseg.datasets.case_table import parse_spacing
from medseg.errors import DatasetError
from medseg.labels import Labels

Writer = Callable[..., Path]


def test_paired_folders_match_by_name(paired: Path) -> None:
    dataset = open_dataset(paired)
    assert (dataset.layout, [case.id for case in dataset.cases]) == ("paired", ["a", "b", "c"])
    assert all(case.masks == (paired / "labels" / case.images[0].name,) for case in dataset.cases)
    assert [case.patient for case in dataset.cases] == ["a", "b", "c"]
    assert "each case counts as a patient" in dataset.warnings[0]
    assert "a.nii.gz" in dataset._repr_html_()


def test_images_and_labels_without_the_other_are_warnings(paired: Path, volume: Writer) -> None:
    (paired / "labels" / "a.nii.gz").unlink()
    volume(paired / "labels" / "z.nii.gz", 1)
    (paired / "images" / "._b.nii.gz").write_bytes(b"finder")
    (paired / "images" / "notes.txt").write_text("words")
    dataset = open_dataset(paired)
    assert [case.id for case in dataset.labelled] == ["b", "c"]
    assert len(dataset) == 3
    assert "1 images have no file in labels/ (a)" in dataset.warnings
    assert "1 files in labels/ have no image and are left out (z)" in dataset.warnings


def test_a_case_table_gives_patients_and_columns(paired: Path) -> None:
    (paired / "cases.csv").write_text("\ufeffname,who,sex\na.nii.gz,p1,F\nb, p1 ,M\nc,p2,\nd,p3,F\n", encoding="utf-8")
    dataset = open_dataset(paired, table=CaseTable(id="name", patient="who"))
    assert [case.patient for case in dataset.cases] == ["p1", "p1", "p2"]
    assert dataset.cases[0].columns == {"sex": "F"}
    assert dataset.warnings == ("1 rows of cases.csv have no image (d)",)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("name,who\na,p\nb,p\n", "no row for the case 'c'"),
        ("name,who\na,p\na,p\n", "line 3: the case 'a' has a row already"),
        ("name,who\na,p\nb,\nc,p\n", "line 3: the patient is empty"),
        ("name,patient\na,p\n", r"lacks the column who \(it has: name, patient\)"),
        ("name,who\na,p,q\n", "line 2: does not have 2 fields"),
    ],
)
def test_a_case_table_that_does_not_fit_is_refused_with_its_line(paired: Path, content: str, found: str) -> None:
    (paired / "cases.csv").write_text(content)
    with pytest.raises(DatasetError, match=found):
        open_dataset(paired, table=CaseTable(id="name", patient="who"))


def test_all_that_does_not_fit_a_case_table_is_listed_and_the_rest_is_read(paired: Path) -> None:
    (paired / "cases.csv").write_text("name,who,part\na,p,train\nb,,\n")
    dataset = survey_dataset(paired, table=CaseTable(id="name", patient="who", split="part"))
    assert [(case.id, case.patient, case.split) for case in dataset.cases] == [("a", "p", "train")]
    assert [str(problem).partition(": ")[2][:20] for problem in dataset.problems] == [
        "the patient is empty",
        "has no row for the c",
    ]


def test_a_table_without_patients_leaves_each_case_one_of_its_own(paired: Path) -> None:
    (paired / "cases.csv").write_text("name,sex\na,F\nb,M\nc,F\n")
    dataset = open_dataset(paired, table=CaseTable(id="name"))
    assert (dataset.patients, dataset.cases[1].columns) == (("a", "b", "c"), {"sex": "M"})
    assert dataset.warnings == ("nothing says whose the images are: each case counts as a patient of its own",)


def test_a_manifest_refuses_a_case_table(tmp_path: Path, volume: Writer) -> None:
    path = manifest(tmp_path, volume, A)
    for place in (path, tmp_path):
        with pytest.raises(DatasetError, match="a case table was named too"):
            open_dataset(place, table=CaseTable(patient="patient"))


def test_two_files_of_one_name_are_refused(paired: Path, volume: Writer) -> None:
    volume(paired / "images" / "a.nii")
    with pytest.raises(DatasetError, match="has the name of"):
        open_dataset(paired)


def decathlon(root: Path, volume: Writer, **changes: object) -> Path:
    volume(root / "imagesTr" / "a.nii.gz")
    volume(root / "labelsTr" / "a.nii.gz", 1)
    volume(root / "imagesTs" / "t.nii.gz")
    described = {
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [
            {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"},
            {"image": "./imagesTr/._a.nii.gz", "label": "./labelsTr/._a.nii.gz"},
        ],
        "test": ["./imagesTs/t.nii.gz"],
    }
    (root / "dataset.json").write_text(json.dumps(described | changes))
    return root


def test_a_decathlon_task_gives_labels_channels_and_cases(tmp_path: Path, volume: Writer) -> None:
    dataset = open_dataset(decathlon(tmp_path, volume))
    assert dataset.layout == "msd"
    assert [(case.id, bool(case.masks)) for case in dataset.cases] == [("a", True), ("t", False)]
    assert (dataset.channels, dataset.modality) == (("MRI",), "MR")
    assert dataset.labels is not None
    assert dataset.labels.to_config() == {"background": [0], "Anterior": [1], "Posterior": [2]}
    mine = Labels.from_config({"all": [1, 2]})
    assert open_dataset(tmp_path, labels=mine).labels is mine


def test_names_to_values_are_labels_too(tmp_path: Path, volume: Writer) -> None:
    root = decathlon(tmp_path, volume, labels={"background": 0, "tumour": 3}, channel_names={"1": "CT", "0": "PET"})
    dataset = open_dataset(root)
    assert dataset.labels is not None
    assert dataset.labels.written_values == (0, 3)
    assert (dataset.channels, dataset.modality) == (("PET", "CT"), "PT")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"training": [{"image": "imagesTr/b.nii.gz", "label": "x"}]}, "imagesTr/b.nii.gz, which is missing"),
        ({"training": [{"image": "../b.nii.gz", "label": "x"}]}, "relative to dataset.json"),
        ({"training": [{"image": "imagesTr/a.nii.gz"}]}, "training entry"),
        ({"training": [], "test": []}, "lists no case"),
        ({"test": ["imagesTr/a.nii.gz"]}, "becomes the case 'a'"),
    ],
)
def test_a_broken_dataset_json_is_refused(tmp_path: Path, volume: Writer, changes: dict, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        open_dataset(decathlon(tmp_path, volume, **changes))


def manifest(root: Path, volume: Writer, *lines: str) -> Path:
    for name in ("a", "b"):
        volume(root / "scans" / f"{name}.nii.gz")
        volume(root / "drawn" / f"{name}.nii.gz", 1)
    (root / "manifest.csv").write_text("\n".join(["id,patient,image,image_2,label,split,age", *lines]) + "\n")
    return root / "manifest.csv"


B = "b,p2,scans/b.nii.gz,scans/a.nii.gz,,test,70"
A = "a,p1,scans/a.nii.gz,scans/b.nii.gz,drawn/a.nii.gz,train,60"


def test_a_manifest_gives_everything(tmp_path: Path, volume: Writer) -> None:
    path = manifest(tmp_path, volume, B, A)
    dataset = open_dataset(path)
    assert open_dataset(tmp_path).cases == dataset.cases
    first, second = dataset.cases
    assert (first.id, first.patient, first.split, first.columns) == ("a", "p1", "train", {"age": "60"})
    assert first.images == (tmp_path / "scans/a.nii.gz", tmp_path / "scans/b.nii.gz")
    assert second.masks == ()
    assert dataset.channels == ("image", "image_2")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a,p1,scans/a.nii.gz,scans/b.nii.gz,,,", "line 3: the id 'a' was used before"),
        ("x,,scans/a.nii.gz,scans/b.nii.gz,,,", "line 3: the patient is empty"),
        ("x,p,scans/x.nii.gz,scans/b.nii.gz,,,", "line 3: image 'scans/x.nii.gz' does not exist"),
        ("x,p,scans/a.nii.gz,,,,", "line 3: image_2 is empty"),
        ("x,p,scans/../../a.nii.gz,scans/b.nii.gz,,,", "line 3: .* leaves the manifest's folder"),
        ("x,p,scans/a.nii.gz,scans/b.nii.gz,,training,", "line 3: unknown split 'training'"),
        ("x/y,p,scans/a.nii.gz,scans/b.nii.gz,,,", "line 3: the id 'x/y' cannot name a folder"),
        ("x,p", "line 3: does not have 7 fields"),
    ],
)
def test_a_wrong_line_of_a_manifest_is_refused_by_its_number(
    tmp_path: Path, volume: Writer, line: str, found: str
) -> None:
    path = manifest(tmp_path, volume, A, line)
    with pytest.raises(DatasetError, match=found):
        open_dataset(path)


def test_a_manifest_without_rows_or_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,patient,image\n")
    with pytest.raises(DatasetError, match="has no row"):
        open_dataset(tmp_path)
    (tmp_path / "manifest.csv").write_text("id,image\n")
    with pytest.raises(DatasetError, match="lacks the column patient"):
        open_dataset(tmp_path)


def test_no_layout_or_several_are_refused_with_the_mend(paired: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a data set that medseg knows"):
        open_dataset(paired / "images")
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match="unknown layout 'brats'"):
        open_dataset(paired, layout="brats")
    (paired / "manifest.csv").write_text("id,patient,image\nx,p,images/a.nii.gz\n")
    assert open_dataset(paired).layout == "manifest"  # a manifest says more than names of folders
    (paired / "dataset.json").write_text('{"training": []}')
    with pytest.raises(DatasetError, match=r"several layouts \(msd, manifest\).*layout=msd"):
        open_dataset(paired)
    assert len(open_dataset(paired, layout="manifest")) == 1


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        open_dataset(tmp_path)


def test_real_chest_radiographs_have_several_images_a_patient(test_data: Path) -> None:
    dataset = open_dataset(test_data / "cxr_lungs", table=CaseTable(id="name", patient="patientid"))
    assert (len(dataset.labelled), len(dataset.patients)) == (67, 33)


def test_a_manifest_gives_masks_of_several_files_and_the_spacing(tmp_path: Path, volume: Writer) -> None:
    for name in ("a", "one", "two", "ten"):
        volume(tmp_path / f"{name}.nii.gz")
    (tmp_path / "manifest.csv").write_text(
        "id,patient,image,label_10,label,label_2,spacing_mm\n"
        "x,p,a.nii.gz,ten.nii.gz,one.nii.gz,two.nii.gz,0.2x0.3 x1\n"
        "y,p,two.nii.gz,,,two.nii.gz,\n"
    )
    several, one = open_dataset(tmp_path).cases
    assert [path.name for path in several.masks] == ["one.nii.gz", "two.nii.gz", "ten.nii.gz"]
    assert (several.spacing_mm, several.columns) == ((0.2, 0.3, 1.0), {})
    assert [path.name for path in one.masks] == ["two.nii.gz"]
    assert one.spacing_mm is None


@pytest.mark.parametrize("text", ["0.2 mm", "0", "-1x1", "nan", "1e999", "1x2x3x4", "0,2", "x"])
def test_a_spacing_that_is_none_is_refused_by_its_line(text: str) -> None:
    with pytest.raises(DatasetError, match=r"line 3: the spacing .* cannot be read"):
        parse_spacing(text, "line 3")


@pytest.mark.parametrize(
    ("text", "spacing"), [("0.2", (0.2,)), ("0.2x0.3", (0.2, 0.3)), ("0.2 0.3", (0.2, 0.3)), ("1×1 × 2", (1, 1, 2))]
)
def test_a_spacing_is_one_number_or_one_an_axis(text: str, spacing: tuple[float, ...]) -> None:
    assert parse_spacing(text, "line 2") == spacing


def test_a_case_table_may_give_the_spacing(paired: Path) -> None:
    (paired / "cases.csv").write_text("name,who,pixel\na,p1,0.2\nb,p1,\nc,p2,0.1x0.4\n")
    dataset = open_dataset(paired, table=CaseTable(id="name", patient="who", spacing_mm="pixel"))
    assert [case.spacing_mm for case in dataset.cases] == [(0.2,), None, (0.1, 0.4)]
    assert dataset.cases[0].columns == {}

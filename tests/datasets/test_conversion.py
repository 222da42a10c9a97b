import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

from medseg.datasets import open_dataset, survey_dataset
from medseg.errors import DatasetError, MedsegError, OutputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import read_case_image, read_case_mask, write_image
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.workflow import convert_dataset

Writer = Callable[..., Path]
ANGLE = np.deg2rad(20)
OBLIQUE = np.array(
    [[-0.9 * np.cos(ANGLE), 1.1 * np.sin(ANGLE), 0, 12.3], [0.9 * np.sin(ANGLE), 1.1 * np.cos(ANGLE), 0, -45.6],
     [0, 0, 3.3, 7.8], [0, 0, 0, 1]]
)  # fmt: skip
LUNGS = Labels.from_config({"lung": 255, "lesion": [7, 9], "ignore": 127})


def assert_identical(one: Path, other: Path, labels: Labels) -> None:
    """Voxels, grids, file values, patients, splits and columns."""
    before, after = open_dataset(one, labels=labels), open_dataset(other, labels=labels)
    assert [case.id for case in before.cases] == [case.id for case in after.cases]
    for old, new in zip(before.cases, after.cases, strict=True):
        assert (old.patient, old.split, old.negative, old.labelled) == (
            new.patient, new.split, new.negative, new.labelled,
        )  # fmt: skip
        assert {k: v for k, v in old.columns.items() if v} == {k: v for k, v in new.columns.items() if v}
        image, copy = read_case_image(old), read_case_image(new)
        np.testing.assert_array_equal(image.voxels, copy.voxels)
        assert image.voxels.dtype == copy.voxels.dtype
        assert image.geometry.same_as(copy.geometry, 1e-9)
        assert image.geometry.spacing_known == copy.geometry.spacing_known
        if old.labelled:
            np.testing.assert_array_equal(read_case_mask(old, image, labels), read_case_mask(new, copy, labels))


def there_and_back(root: Path, tmp_path: Path, labels: Labels) -> dict[str, Any]:
    there, back = tmp_path / "Dataset001_X", tmp_path / "back"
    assert not convert_dataset(root, there, "nnunet", labels=labels).failures
    assert open_dataset(there).layout == "nnunet"
    assert not convert_dataset(there, back, "manifest").failures
    assert_identical(root, back, labels)
    described: dict[str, Any] = json.loads((there / "dataset.json").read_text())
    return described


def study(root: Path, grid: Geometry, ending: str, kind: Any = np.int16) -> Path:
    rng = np.random.default_rng(1)
    lines = ["id,patient,image,image_2,label,split,spacing_mm,negative,age,site name"]
    for number, (split, labelled) in enumerate([("train", "x"), ("", "x"), ("test", "x"), ("", ""), ("train", "no")]):
        for channel in (1, 2):
            voxels = rng.integers(0, 200, (1, *grid.shape)).astype(kind)
            write_image(root / f"im{number}_{channel}{ending}", Image(voxels, grid))
        mask = rng.choice(np.array([0, 255, 7, 127], np.uint8), (1, *grid.shape))
        write_image(root / f"mask{number}{ending}", Image(mask, grid))
        label, spacing = f"mask{number}{ending}" if labelled == "x" else "", "0.2x0.3" if grid.ndim == 2 else ""
        negative = "yes" if labelled == "no" else ""
        lines.append(
            f"c{number},p{number // 2},im{number}_1{ending},im{number}_2{ending},{label},{split},{spacing},{negative},"
            f"{60 + number},Ä b"
        )
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def test_volumes_of_several_channels_on_oblique_grids_come_back_identical(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    described = there_and_back(study(tmp_path / "in", Geometry((6, 5, 4), OBLIQUE), ".nii.gz"), tmp_path, LUNGS)
    assert described["labels"] == {"background": 0, "lung": 1, "lesion": 2, "ignore": 3}
    assert (described["numTraining"], described["file_ending"]) == (3, ".nii.gz")
    assert described["channel_names"] == {"0": "image", "1": "image_2"}
    there = tmp_path / "Dataset001_X"
    names = {
        folder: sorted(p.name for p in (there / folder).iterdir()) for folder in ("labelsTr", "imagesTs", "labelsTs")
    }
    assert names["labelsTr"] == ["c0.nii.gz", "c1.nii.gz", "c4.nii.gz"]
    assert names["imagesTs"] == [f"c{case}_000{channel}.nii.gz" for case in (2, 3) for channel in (0, 1)]
    assert names["labelsTs"] == ["c2.nii.gz"]
    for path in there.glob("imagesTr/*_0000.nii.gz"):  # nnU-Net reads with SimpleITK and compares the two
        image, mask = (
            SimpleITK.ReadImage(path),
            SimpleITK.ReadImage(there / "labelsTr" / path.name.replace("_0000", "")),
        )
        np.testing.assert_allclose(image.GetDirection(), mask.GetDirection())
        np.testing.assert_allclose(image.GetOrigin(), mask.GetOrigin())
        assert set(np.unique(SimpleITK.GetArrayFromImage(mask))) <= {0, 1, 2, 3}


@pytest.mark.parametrize(("ending", "kind"), [(".png", np.uint8), (".png", np.uint16), (".tif", np.float32)])
def test_pictures_come_back_identical_with_their_spacing(tmp_path: Path, ending: str, kind: Any) -> None:
    (tmp_path / "in").mkdir()
    grid = Geometry.from_spacing((9, 7), None)
    described = there_and_back(study(tmp_path / "in", grid, ending, kind), tmp_path, LUNGS)
    assert described["file_ending"] == ending


def test_the_one_channel_of_ct_series_has_the_name_by_which_nnunet_knows_hounsfield_units(
    ct_studies: Path, tmp_path: Path
) -> None:
    convert_dataset(ct_studies, tmp_path / "Dataset001_X", "nnunet", labels=Labels.from_config({"lesion": 1}))
    assert json.loads((tmp_path / "Dataset001_X" / "dataset.json").read_text())["channel_names"] == {"0": "CT"}


def test_overlapping_structures_become_regions_and_come_back(tmp_path: Path, volume: Writer) -> None:
    root, grid = tmp_path / "in", Geometry((4, 5, 6), np.eye(4))
    volume(root / "images" / "a.nii.gz")
    for name, length in (("core", 2), ("whole", 4), ("enhancing", 1)):
        mask = np.zeros((1, 4, 5, 6), np.uint8)
        mask[:, :length] = 1
        write_image_at(root / "labels" / "a" / f"{name}.nii.gz", Image(mask, grid))
    labels = Labels.of_structures(["core", "whole", "enhancing"], exclusive=False)
    described = there_and_back(root, tmp_path, labels)
    assert list(described["labels"]) == ["background", "whole", "core", "enhancing"]
    assert {name: len(numbers) for name, numbers in list(described["labels"].items())[1:]} == {
        "whole": 3, "core": 2, "enhancing": 1,
    }  # fmt: skip
    placed = nibabel.load(tmp_path / "Dataset001_X" / "labelsTr" / "a.nii.gz").get_fdata()[:, 0, 0]
    assert described["regions_class_order"] == [placed[3], placed[1], placed[0]]


def test_masks_of_several_readers_become_files_of_their_own_or_one_consensus(tmp_path: Path, volume: Writer) -> None:
    for name, value in (("image", None), ("ann", 1), ("bob", 1)):
        volume(tmp_path / "set" / f"{name}.nii.gz", value)
    rows = "id,patient,image,reader:ann,reader:bob\na,p,image.nii.gz,ann.nii.gz,bob.nii.gz\n"
    (tmp_path / "set" / "manifest.csv").write_text(rows)
    labels = Labels.from_config({"lesion": 1})
    convert_dataset(tmp_path / "set", tmp_path / "apart", "manifest", labels=labels)
    (case,) = open_dataset(tmp_path / "apart", labels=labels).cases
    assert {name: [path.name for path in masks] for name, masks in case.readers.items()} == {
        "ann": ["a.ann.nii.gz"],
        "bob": ["a.bob.nii.gz"],
    }
    assert case.masks == ()
    one = ReadOptions(consensus="majority")
    convert_dataset(tmp_path / "set", tmp_path / "one", "manifest", labels=labels, options=one)
    (case,) = open_dataset(tmp_path / "one", labels=labels).cases
    assert ([path.name for path in case.masks], case.readers) == (["a.nii.gz"], {})
    assert read_case_mask(case, read_case_image(case), labels).sum() == 120


def write_image_at(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)


def test_a_case_that_fails_is_reported_and_leaves_no_file(paired: Path, tmp_path: Path, volume: Writer) -> None:
    (paired / "images" / "b.nii.gz").write_bytes(b"broken")
    volume(paired / "labels" / "c.nii.gz", 9)
    done = convert_dataset(paired, tmp_path / "out", "nnunet", labels=Labels.from_config({"x": 1}))
    assert [case for case, _ in done.failures] == ["b", "c"]
    assert "9" in done.failures[1][1]
    assert [path.name for path in (tmp_path / "out" / "imagesTr").iterdir()] == ["a_0000.nii.gz"]
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["numTraining"] == 1


def test_a_run_that_died_is_begun_again_and_no_other_folder_is_written_to(paired: Path, tmp_path: Path) -> None:
    out, labels = tmp_path / "out", Labels.from_config({"x": 1})
    convert_dataset(paired, out, "nnunet", labels=labels)
    (out / "dataset.json").unlink()
    (out / "imagesTr" / "left_0000.nii.gz").write_bytes(b"")
    (out / "imagesTr" / "a_0000.nii.gz").unlink()
    assert len(convert_dataset(paired, out, "nnunet", labels=labels).cases) == 3
    assert len(list((out / "imagesTr").iterdir())) == 3
    for taken, to in ((out, "manifest"), (paired, "nnunet")):
        with pytest.raises(OutputError, match="holds something else"):
            convert_dataset(paired, taken, to, labels=labels)


def test_what_cannot_be_converted_is_refused_with_the_mend(paired: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not say what its label values mean"):
        convert_dataset(paired, tmp_path / "out", "nnunet")
    with pytest.raises(MedsegError, match="unknown arrangement 'coco'"):
        convert_dataset(paired, tmp_path / "out", "coco")
    for path in (paired / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match="no case could be converted"):
        convert_dataset(paired, tmp_path / "out", "manifest")


def raw(root: Path, volume: Writer, **changes: object) -> Path:
    for name in ("a", "b"):
        for channel in ("0000", "0001"):
            volume(root / "imagesTr" / f"{name}_{channel}.nii.gz")
        volume(root / "labelsTr" / f"{name}.nii.gz", 1)
    described = {
        "channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0, "PZ": 1, "TZ": 2, "ignore": 3},
        "numTraining": 2, "file_ending": ".nii.gz",
    }  # fmt: skip
    (root / "dataset.json").write_text(json.dumps(described | changes))
    return root


def test_raw_data_of_nnunet_are_read(tmp_path: Path, volume: Writer) -> None:
    dataset = open_dataset(raw(tmp_path, volume))
    assert (dataset.layout, dataset.channels, dataset.modality) == ("nnunet", ("T2", "ADC"), "MR")
    assert dataset.labels is not None
    assert (dataset.labels.names, dataset.labels.ignore) == (("PZ", "TZ"), 3)
    assert [len(case.images) for case in dataset.labelled] == [2, 2]


def test_regions_overlap(tmp_path: Path, volume: Writer) -> None:
    root = raw(tmp_path, volume, labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3})
    dataset = open_dataset(root)
    assert dataset.labels is not None
    assert not dataset.labels.exclusive
    case = dataset.cases[0]
    assert read_case_mask(case, read_case_image(case), dataset.labels).any(axis=(1, 2, 3)).tolist() == [1, 0, 0]


def test_what_is_missing_of_raw_data_is_listed(tmp_path: Path, volume: Writer) -> None:
    root = raw(tmp_path, volume)
    (root / "imagesTr" / "a_0001.nii.gz").unlink()
    (root / "labelsTr" / "b.nii.gz").unlink()
    volume(root / "labelsTr" / "z.nii.gz")
    volume(root / "imagesTr" / "y.nii.gz")
    problems = [str(problem) for problem in survey_dataset(root).problems]
    for part in ("lacks a_0001", "has no label in labelsTr", "has no image in imagesTr", "names no channel"):
        assert any(part in problem for problem in problems), part
    assert len(problems) == 4


def test_files_that_the_json_lists_may_be_anywhere(tmp_path: Path, volume: Writer) -> None:
    volume(tmp_path / "far" / "i.nii.gz")
    volume(tmp_path / "far" / "m.nii.gz", 1)
    listed = {"q": {"images": ["../far/i.nii.gz"], "label": "../far/m.nii.gz"}, "r": {"images": ["no"], "label": "no"}}
    root = raw(tmp_path / "raw", volume, dataset=listed, channel_names={"0": "CT"})
    found = survey_dataset(root, layout="nnunet")
    assert [case.id for case in found.cases] == ["q"]
    assert "no, which is missing" in str(found.problems[0])


@pytest.mark.parametrize(
    "changes", [{"channel_names": {"1": "CT"}}, {"channel_names": []}, {"labels": {"a": "x"}}, {"labels": {"a": 0}}]
)
def test_a_broken_description_is_refused(tmp_path: Path, volume: Writer, changes: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        open_dataset(raw(tmp_path, volume, **changes))


def test_real_volumes_and_radiographs_come_back_identical(test_data: Path, tmp_path: Path) -> None:
    part = tmp_path / "hippocampus"
    for folder in ("images", "labels"):
        (part / folder).mkdir(parents=True)
        for path in sorted((test_data / "hippocampus" / folder).iterdir())[:5]:
            (part / folder / path.name).write_bytes(path.read_bytes())
    there_and_back(part, tmp_path / "3d", Labels.from_config({"anterior": 1, "posterior": 2}))
    lungs = Labels.from_config({"lung": 255, "ignore": 127})
    there_and_back(test_data / "cxr_lungs", tmp_path / "2d", lungs)

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from medseg.datasets import inspect_dataset, open_dataset
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import write_image, write_mask
from medseg.labels import Labels

Writer = Callable[..., Path]
LABELS = Labels.from_config({"lesion": 1, "ignore": 9})


def test_a_sound_data_set_has_figures_and_no_problem(paired: Path) -> None:
    seen = []
    inspection = inspect_dataset(
        open_dataset(paired, labels=LABELS), lambda cases: (seen.append(c) or c for c in cases)
    )
    assert len(seen) == 3
    assert inspection.problems == ()
    summary = inspection.summary
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["cases"], summary["labelled"], summary["patients"]) == (3, 3, 3)
    assert summary["size"] == [[4, 4, 4], [5, 5, 5], [6, 6, 6]]
    assert summary["spacing_mm"] == [[1, 1, 1]] * 3
    assert summary["label_voxels"] == {"lesion": 360}
    assert inspection.table["voxels_lesion"].tolist() == [120] * 3
    assert "No problem found" in inspection._repr_html_()


def test_every_problem_of_every_case_is_found(paired: Path, volume: Writer) -> None:
    (paired / "images" / "a.nii.gz").write_bytes(b"broken")
    volume(paired / "labels" / "b.nii.gz", 1, shift=2)
    volume(paired / "labels" / "c.nii.gz", 7)
    volume(paired / "images" / "d.nii.gz", 3)
    volume(paired / "labels" / "d.nii.gz", 0)
    volume(paired / "images" / "e.nii.gz")
    inspection = inspect_dataset(open_dataset(paired, labels=LABELS))
    found = dict.fromkeys("abcde", "")
    for one in inspection.problems:
        for name in one.cases:
            found[name] += one.text
    assert "a.nii.gz" in found["a"]
    assert "its origin is 2 mm away" in found["b"]
    assert "undeclared values: 7" in found["c"]
    assert "channel 0 is constant" in found["d"]
    assert "the mask is empty" in found["d"]
    assert found["e"] == ""
    assert len(inspection.table) == 5
    assert inspection.summary["label_voxels"] == {"lesion": 120, "7": 120}  # those of b, which is off its image


def test_a_picture_among_volumes_is_a_problem(paired: Path) -> None:
    flat = Image(np.eye(5, dtype=np.uint8)[np.newaxis], Geometry.from_spacing((5, 5), None))
    write_image(paired / "images" / "d.png", flat)
    (found,) = inspect_dataset(open_dataset(paired)).problems
    assert (found.kind, found.cases, found.text) == ("dimension", ("d",), "the image is 2D where most are 3D")


def test_without_declared_labels_the_values_found_are_reported(paired: Path, volume: Writer) -> None:
    volume(paired / "labels" / "c.nii.gz", 12)
    inspection = inspect_dataset(open_dataset(paired))
    assert inspection.problems == ()
    assert inspection.summary["labels"] is None
    assert inspection.summary["label_voxels"] == {"1": 240, "12": 120}


def test_a_mask_of_more_values_than_labels_can_be_is_a_finding_and_no_defect(paired: Path) -> None:
    values = np.arange(1, 301, dtype=np.uint16).reshape(10, 5, 6)
    grid = Geometry.from_spacing(values.shape, (1, 1, 1))
    write_image(paired / "images" / "d.nii.gz", Image(values[np.newaxis], grid))
    write_mask(paired / "labels" / "d.nii.gz", Segmentation(values, grid, LABELS))
    inspection = inspect_dataset(open_dataset(paired), thumbnails=32)
    (found,) = [one for one in inspection.findings if one.cases == ("d",)]
    assert (found.kind, found.severity) == ("undeclared_values", "problem")
    assert "300 different values" in found.text
    assert [name for name in inspection.table if name.startswith("voxels_")] == ["voxels_1"]


def test_real_radiographs_keep_their_unknown_spacing(test_data: Path) -> None:
    labels = Labels.from_config({"lung": 255, "ignore": 127})
    summary = inspect_dataset(open_dataset(test_data / "cxr_lungs", labels=labels)).summary
    assert (summary["spacing_unknown"], summary["spacing_mm"], summary["problems"]) == (67, [], [])
    assert summary["cases_with_label"]["ignore"] > 0

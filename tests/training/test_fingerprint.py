"""What is read off the training cases."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import label as scipy_components

from medseg.case import Case
from medseg.datasets import open_dataset
from medseg.errors import DatasetError, UnreadableFileError
from medseg.labels import Labels
from medseg.reporting import Silent
from medseg.training.case_facts import facts_of
from medseg.training.each_case import CaseWork
from medseg.training.fingerprint import take_fingerprint

LABELS = Labels.from_config({"low": 1, "high": 4})


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def saved(folder: Path, name: str, image: np.ndarray, label: np.ndarray, spacing=(1.0, 1.0, 2.5)) -> Case:
    for kind, array in (("image", image), ("label", label)):
        nibabel.save(
            nibabel.Nifti1Image(array, np.diag([-spacing[0], *spacing[1:], 1.0])), folder / f"{name}_{kind}.nii"
        )
    return Case(name, name, (folder / f"{name}_image.nii",), (folder / f"{name}_label.nii",))


@pytest.mark.parametrize(("modality", "air", "body"), [("CT", 1.0, [12, 14, 10]), ("MR", 0.0, [12, 14, 10])])
def test_a_ct_from_nifti_is_known_by_the_config_to_have_air_around_it(modality, air, body, tmp_path):
    voxels = np.full((12, 14, 10), -1000, np.int16)
    voxels[3:9, 3:11, 2:8] = 40
    labels = np.zeros(voxels.shape, np.uint8)
    labels[5, 5, 5] = 1
    case = saved(tmp_path, "a", voxels, labels)
    found = take_fingerprint([case], Labels.from_config({"lesion": 1}), Silent(), modality)
    assert found.zero_border == air
    assert found.modality == modality
    assert found.shapes.tolist() == [body]
    assert found.spacings_mm.tolist() == [[1.0, 1.0, 2.5]]
    assert found.intensities[0].tolist() == [40.0]
    assert found.anisotropy == 2.5


def test_sizes_are_after_the_crop_to_the_body(tmp_path):
    voxels = np.full((40, 30, 20), -1000, np.int16)
    voxels[12:22, 10:18, 9:12] = 40
    labels = (voxels > 0).astype(np.uint8)
    found = take_fingerprint([saved(tmp_path, "a", voxels, labels)], Labels.from_config({"all": 1}), Silent(), "CT")
    assert found.shapes.tolist() == [[10 + 8, 8 + 8, 3 + 8]]  # four voxels of margin on each side
    assert found.crop_above == -500


def test_volumes_and_lesions_are_those_that_scipy_counts(tmp_path):
    rng = np.random.default_rng(3)
    labels = (rng.random((20, 24, 16)) < 0.05).astype(np.uint8)
    case = saved(tmp_path, "a", rng.normal(100, 5, labels.shape).astype(np.float32), labels)
    facts = facts_of(case, Labels.from_config({"lesion": 1}))
    components, count = scipy_components(labels, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(components.ravel())[1:])[::-1] * 2.5 / 1000
    assert len(facts.labels["lesion"].components) == count
    np.testing.assert_allclose(facts.labels["lesion"].components, sizes, rtol=1e-5)
    assert facts.labels["lesion"].size == pytest.approx(labels.sum() * 2.5 / 1000)


def test_overlapping_labels_are_counted_each_on_its_own(tmp_path):
    image = np.ones((8, 8, 8), np.float32)
    whole, core = np.zeros((2, 8, 8, 8), np.uint8)
    whole[2:6, 2:6, 2:6], core[3:5, 3:5, 3:5] = 1, 1
    case = saved(tmp_path, "a", image, whole, (1.0, 1.0, 1.0))
    saved(tmp_path, "b", image, core, (1.0, 1.0, 1.0))
    case = replace(case, masks=(*case.masks, tmp_path / "b_label.nii"), structures=("whole", "core"))
    labels = Labels.from_config({"whole": ["whole"], "core": ["core"], "overlapping": True})
    facts = facts_of(case, labels)
    assert {name: one.size for name, one in facts.labels.items()} == pytest.approx({"whole": 0.064, "core": 0.008})


def test_facts_are_kept_a_file_a_case_and_taken_anew_when_a_file_changes(blobs, tmp_path):
    cases = open_dataset(blobs).cases[:3]
    first = take_fingerprint(cases, LABELS, Silent(), "MR", folder=tmp_path)
    files = sorted(tmp_path.glob("case*.json"))
    assert len(files) == 3
    altered = json.loads(files[0].read_text()) | {"shape": [7, 7, 7]}
    files[0].write_text(json.dumps(altered))
    again = take_fingerprint(cases, LABELS, Silent(), "MR", folder=tmp_path)
    assert again.shapes[0].tolist() == [7, 7, 7]  # read, not taken anew
    np.testing.assert_array_equal(again.intensities[0], first.intensities[0])
    files[1].write_text("{}")
    assert take_fingerprint(cases, LABELS, Silent(), "MR", folder=tmp_path).facts[1] == first.facts[1]
    copy = tmp_path / "case0.nii.gz"
    copy.write_bytes(cases[0].images[0].read_bytes())
    facts_of(replace(cases[0], images=(copy,)), LABELS, "MR", folder=tmp_path)
    assert len(list(tmp_path.glob("case*.json"))) == 3  # the same bytes elsewhere are the same case
    nibabel.save(nibabel.Nifti1Image(np.full((20, 24, 18), 3.0), np.eye(4)), copy)
    other = replace(cases[0], images=(copy,), masks=cases[0].masks)
    nibabel.save(
        nibabel.Nifti1Image(np.asarray(nibabel.load(cases[0].masks[0]).dataobj), np.eye(4)), tmp_path / "m.nii"
    )
    facts_of(replace(other, masks=(tmp_path / "m.nii",)), LABELS, "MR", folder=tmp_path)
    assert len(list(tmp_path.glob("case*.json"))) == 4


def test_the_summary_says_how_many_cases_hold_each_label(blobs, tmp_path):
    cases = list(open_dataset(blobs).cases[:4])
    cases[1] = replace(cases[1], annotated=("low",))
    take_fingerprint(cases, LABELS, Silent(), "MR", folder=tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["labels"]["high"]["judged_cases"] == 3
    assert summary["labels"]["low"]["share_of_cases"] == 1
    assert summary["size_unit"] == "ml"


def test_a_label_that_no_case_shows_is_refused(blobs):
    labels = Labels.from_config({"low": 1, "high": 4, "third": 9})
    with pytest.raises(DatasetError, match="third in none of the 2 training cases"):
        take_fingerprint(open_dataset(blobs).cases[:2], labels, Silent())


def test_no_case_and_cases_of_two_kinds_are_refused(blobs, tmp_path):
    with pytest.raises(DatasetError, match="no labelled case"):
        take_fingerprint([], LABELS, Silent())
    cases = list(open_dataset(blobs).cases[:2])
    cases[1] = replace(cases[1], images=cases[1].images * 2)
    with pytest.raises(DatasetError, match=r"is 3D with 2 channel\(s\), expected 3D with 1"):
        take_fingerprint(cases, LABELS, Silent())


def test_an_unreadable_case_stops_or_is_left_out_and_named(blobs, tmp_path):
    cases = list(open_dataset(blobs).cases[:3])
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(cases[1].images[0].read_bytes()[:500])
    cases[1] = replace(cases[1], images=(broken,))
    with pytest.raises(UnreadableFileError, match="broken"):
        take_fingerprint(cases, LABELS, Silent(), "MR")
    told = Told()
    work = CaseWork("Looking", unreadable="leave_out", record=tmp_path / "left_out.csv")
    found = take_fingerprint(cases, LABELS, told, "MR", work=work)
    assert [one.id for one in found.facts] == ["case0", "case2"]
    assert list(found.left_out) == ["case1"]
    assert told.lines[0].startswith("Warning: case1 is left out")
    assert (tmp_path / "left_out.csv").read_text().splitlines()[1].startswith("case1,")
    with pytest.raises(DatasetError, match="none of 1 cases can be read"):
        take_fingerprint(cases[1:2], LABELS, Silent(), work=work)


def test_a_case_is_seen_alike_whatever_comes_before_it(blobs):
    cases = open_dataset(blobs).cases[:4]
    one, two = (take_fingerprint(order, LABELS, Silent(), "MR") for order in (cases, cases[::-1]))
    assert one.facts == two.facts[::-1]

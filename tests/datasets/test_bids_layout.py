import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medseg.datasets import open_dataset, survey_dataset
from medseg.errors import DatasetError
from medseg.io import read_case_image, read_case_mask
from medseg.labels import Labels
from medseg.options import ReadOptions

Writer = Callable[..., Path]


@pytest.fixture
def study(tmp_path: Path, volume: Writer) -> Path:
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    for name in (
        "sub-01/ses-a/anat/sub-01_ses-a_",
        "sub-01/ses-b/anat/sub-01_ses-b_",
        "sub-02/ses-a/anat/sub-02_ses-a_",
    ):
        volume(tmp_path / f"{name}T1w.nii.gz")
        volume(tmp_path / f"{name}FLAIR.nii.gz")
    volume(tmp_path / "sub-02/ses-a/pet/sub-02_ses-a_pet.nii.gz")
    facts = {"Manufacturer": "Maker", "MagneticFieldStrength": 3, "EchoTime": 0.1}
    (tmp_path / "sub-02/ses-a/anat/sub-02_ses-a_FLAIR.json").write_text(json.dumps(facts))
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t60\tF\nsub-02\tn/a\tM\n")
    (tmp_path / "sub-01/sub-01_sessions.tsv").write_text("session_id\tacq_time\nses-b\t2001\n")
    return tmp_path


def derived(root: Path, pipeline: str, case: str, ending: str) -> Path:
    subject, session = case.split("_")
    return root / "derivatives" / pipeline / subject / session / "anat" / f"{case}_{ending}.nii.gz"


def test_sessions_are_cases_of_a_patient_with_what_the_tables_and_sidecars_say(study: Path) -> None:
    dataset = open_dataset(study)
    assert (dataset.layout, dataset.channels) == ("bids", ("FLAIR", "T1w"))
    assert [(case.id, case.patient) for case in dataset.cases] == [
        ("sub-01_ses-a", "sub-01"), ("sub-01_ses-b", "sub-01"), ("sub-02_ses-a", "sub-02"),
    ]  # fmt: skip
    assert dataset.warnings == ("not every session has pet (1 of 3): left out",)
    assert dataset.cases[1].columns == {"age": "60", "sex": "F", "acq_time": "2001", "session": "ses-b"}
    assert dataset.cases[2].columns == {
        "sex": "M", "session": "ses-a", "Manufacturer": "Maker", "MagneticFieldStrength": "3",
    }  # fmt: skip


def test_masks_of_structures_are_named_and_a_missing_one_was_not_annotated(study: Path, volume: Writer) -> None:
    for case, name in (("sub-01_ses-a", "lesion"), ("sub-01_ses-a", "brain"), ("sub-02_ses-a", "lesion")):
        volume(derived(study, "manual", case, f"space-T1w_label-{name}_mask"), 1)
    volume(derived(study, "manual", "sub-02_ses-a", "desc-brain_mask"), 1)  # has no label
    first, none, last = open_dataset(study).cases
    assert (first.structures, first.annotated) == (("brain", "lesion"), None)
    assert (last.structures, last.annotated) == (("lesion",), ("lesion",))
    assert not none.labelled


def test_a_segmentation_is_read_with_the_values_of_its_table(study: Path, volume: Writer) -> None:
    path = volume(derived(study, "fs", "sub-01_ses-a", "dseg"), 17)
    path.with_name("sub-01_ses-a_dseg.tsv").write_text("index\tname\tcolor\n0\tbackground\t#0\n17\thippocampus\t#0f0\n")
    dataset = open_dataset(study)
    assert dataset.labels is not None
    assert (dataset.labels.names, dataset.labels.written_values) == (("hippocampus",), (0, 17))
    assert dataset.cases[0].masks == (path,)


def test_pipelines_that_segmented_the_same_are_readers(study: Path, volume: Writer) -> None:
    for reader, value in (("anna", 1), ("ben", 1), ("cem", 0)):
        volume(derived(study, reader, "sub-01_ses-a", "label-lesion_mask"), value)
    dataset = open_dataset(study)
    case = dataset.cases[0]
    assert (list(case.readers), case.masks, case.structures) == (["anna", "ben", "cem"], (), ())
    assert dataset.labels == Labels.from_config({"lesion": 1})
    majority = read_case_mask(case, read_case_image(case), dataset.labels, ReadOptions(consensus="majority"))
    assert majority.all()


def test_pipelines_of_different_structures_are_one_reference_and_of_mixed_ones_a_problem(
    study: Path, volume: Writer
) -> None:
    volume(derived(study, "one", "sub-01_ses-a", "label-lesion_mask"), 1)
    volume(derived(study, "two", "sub-01_ses-a", "label-brain_mask"), 1)
    assert set(open_dataset(study).cases[0].structures) == {"lesion", "brain"}
    volume(derived(study, "two", "sub-01_ses-a", "label-lesion_mask"), 1)
    assert "show different labels" in str(survey_dataset(study).problems[0])


def test_images_without_sessions_and_with_runs_are_cases_and_two_of_a_kind_a_problem(
    tmp_path: Path, volume: Writer
) -> None:
    (tmp_path / "dataset_description.json").write_text("{}")
    for name in ("sub-1_run-1_T2w", "sub-1_run-2_T2w", "sub-2_T2w", "sub-2_acq-high_T2w"):
        volume(tmp_path / name.split("_")[0] / "anat" / f"{name}.nii")
    found = survey_dataset(tmp_path)
    assert [case.id for case in found.cases] == ["sub-1_run-1", "sub-1_run-2", "sub-2"]
    assert len(found.problems) == 1
    for path in tmp_path.glob("sub-*/anat/*"):
        path.unlink()
    with pytest.raises(DatasetError, match="holds no image"):
        open_dataset(tmp_path)

"""`medseg compare` and `medseg.compare` on files, folders and tables: what is written, what is refused, exit codes."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import InputError
from medseg.workflow import FollowUp

SHAPE = (40, 36, 24)


def body(path: Path, *balls, value: int = 1, shift: float = 0.0) -> Path:
    """A mask of balls (centre, radius), 1 mm voxels; written with an image of the same bodies beside it."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    mask = np.zeros(SHAPE, np.uint8)
    for centre, radius in balls:
        mask[((index - np.array(centre)) ** 2).sum(-1) <= radius**2] = value
    affine = np.eye(4)
    affine[0, 3] = shift
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(mask, affine), path)
    noise = np.random.default_rng(0).normal(100, 10, SHAPE)
    nibabel.save(
        nibabel.Nifti1Image((noise + 60 * mask).astype(np.float32), affine), path.with_name(f"image_{path.name}")
    )
    return path


@pytest.fixture
def three(tmp_path) -> list[Path]:
    a = body(tmp_path / "a.nii.gz", ((12, 12, 12), 6), ((28, 24, 12), 5))
    b = body(tmp_path / "b.nii.gz", ((12, 12, 12), 4), ((28, 24, 12), 5))
    c = body(tmp_path / "c.nii.gz", ((12, 12, 12), 8), ((10, 28, 12), 4))
    return [a, b, c]


def run(*words) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["compare", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_masks_of_three_times_give_tables_pictures_and_json(three, tmp_path):
    images = [word for path in three for word in ("--image", path.with_name(f"image_{path.name}"))]
    code, said = run(*three, *images, "--label", "lesion=1", "--dates", "2024-01-01,2024-03-01,2024-06-01",
                     "--out", tmp_path / "out")  # fmt: skip
    assert code == 0
    assert "PD" in said
    assert "to judge at c: whether 1 new lesion(s)" in said
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "followup.json", "lesions.csv", "lesions.png", "patients.csv", "responses.csv", "sum.png", "tracks.csv",
    ]  # fmt: skip
    tracks = pd.read_csv(out / "tracks.csv")
    assert tracks["state"].tolist() == [
        "baseline",
        "matched",
        "matched",
        "baseline",
        "matched",
        "gone",
        "absent",
        "absent",
        "new",
    ]
    found = json.loads((out / "followup.json").read_text())
    assert [row["response"] for row in found["responses"]] == ["", "SD", "PD"]
    assert found["responses"][2]["days"] == 152
    assert (out / "lesions.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_inputs_give_the_same_bytes(three, tmp_path):
    for name in ("one", "two"):
        medseg.compare(*three[:2]).save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_json_alone_is_printed(three):
    code, said = run(*three[:2], "--json")
    assert code == 0
    assert json.loads(said)["tracks"][0]["label"] == "label 1"


def test_an_empty_follow_up_is_a_complete_response(three, tmp_path):
    empty = body(tmp_path / "empty.nii.gz")
    found = medseg.compare(three[0], empty, picture=False)
    assert isinstance(found, FollowUp)
    assert found.responses["response"].tolist() == ["", "CR"]
    assert "<table" in found._repr_html_()


def test_tables_segmentations_and_frames_are_taken_alike(three, tmp_path):
    image = [path.with_name(f"image_{path.name}") for path in three[:2]]
    labels = medseg.Labels.from_config({"lesion": 1})
    tables = [medseg.measure(one, mask, labels) for one, mask in zip(image, three[:2], strict=True)]
    tables[0].to_csv(tmp_path / "first.csv", index=False)
    by_tables = medseg.compare(tmp_path / "first.csv", tables[1])
    by_masks = medseg.compare(*[medseg.read_segmentation(path, labels=labels) for path in three[:2]])
    columns = ["track", "state", "longest_axial_mm", "longest_axial_change_mm", "volume_change_percent"]
    pd.testing.assert_frame_equal(by_tables.tracks[columns], by_masks.tracks[columns], rtol=1e-9)
    assert "only the region tables" in by_tables.patients["notes"].iloc[0]
    assert by_tables.pictures == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dates", "2024-05-01,2024-01-01"], "comes after a of 2024-05-01"),
        (["--dates", "yesterday,2024-01-01"], "Write dates as 2024-01-31"),
        (["--dates", "2024-01-01"], "1 for 2 time points"),
        (["--register", "rigid"], "no image of a, b"),
        (["--node", "spleen"], "no such label"),
        (["--target", "lesion:7"], "no lesion of the baseline"),
        (["--min-overlap", "0"], "above 0 and up to 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(three, words, message):
    with pytest.raises(medseg.MedsegError, match=message):
        run(*three[:2], "--label", "lesion=1", *words)


def test_another_place_is_refused_until_none_is_said(three, tmp_path):
    moved = body(tmp_path / "moved.nii.gz", ((12, 12, 12), 6), shift=3.0)
    with pytest.raises(medseg.GeometryError, match="--register rigid"):
        run(three[0], moved)
    code, said = run(three[0], moved, "--register", "none")
    assert code == 0
    assert "positions were taken as they are" in said


def test_one_mask_a_folder_among_files_and_tables_of_many_cases_are_refused(three, tmp_path):
    with pytest.raises(InputError, match="1 time point"):
        medseg.compare(three[0])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "cases.csv").write_text("case\nx\n")
    with pytest.raises(InputError, match="a folder among files"):
        medseg.compare(three[0], tmp_path / "run")
    table = medseg.measure(three[0].with_name("image_a.nii.gz"), three[0]).assign(case=["x", "y"])
    with pytest.raises(InputError, match="regions of several cases"):
        medseg.compare(table, table)


def folder(path: Path, studies: dict[str, tuple[str, str, list]], failed: tuple[str, ...] = ()) -> Path:
    """What `medseg predict` leaves: case: (patient, date, balls)."""
    rows = []
    for case, (patient, day, balls) in studies.items():
        mask = body(path / case / "mask.nii.gz", *balls)
        image = mask.with_name("image_mask.nii.gz")
        status = "failed" if case in failed else "done"
        rows.append({"case": case, "patient": patient, "status": status, "error": "no such file" * (case in failed),
                     "images": str(image), "study_date": day})  # fmt: skip
        if case in failed:
            mask.unlink()
    pd.DataFrame(rows).to_csv(path / "cases.csv", index=False)
    (path / "run.json").write_text(json.dumps({"plan": {"labels": {"lesion": 1}}}))
    return path


BALL, LARGER = [((12, 12, 12), 6)], [((12, 12, 12), 8)]


def test_folders_are_matched_by_patient_and_a_patient_that_lacks_a_time_is_not_evaluable_then(tmp_path):
    first = folder(tmp_path / "first", {"p1_a": ("p1", "2024-01-01", BALL), "p2_a": ("p2", "2024-01-05", BALL)})
    second = folder(
        tmp_path / "second",
        {"p1_b": ("p1", "2024-06-01", LARGER), "p3": ("p3", "2024-06-01", BALL), "p2_b": ("p2", "2024-06-02", BALL)},
        failed=("p2_b",),
    )
    code, said = run(first, second, "--out", tmp_path / "out")
    assert code == 1
    assert "failed: p3" in said
    patients = pd.read_csv(tmp_path / "out" / "patients.csv")
    assert patients["status"].tolist() == ["done", "done", "failed"]
    assert "nothing is known of the baseline: no study in" in patients["error"].iloc[2]
    responses = pd.read_csv(tmp_path / "out" / "responses.csv", keep_default_na=False)
    assert responses[["patient", "response"]].to_numpy().tolist() == [
        ["p1", ""],
        ["p1", "SD"],
        ["p2", ""],
        ["p2", "NE"],
    ]
    assert "no such file" in responses["to_judge"].iloc[3]
    assert responses["days"].iloc[1] == 152
    assert (tmp_path / "out" / "p1_lesions.png").is_file()
    assert pd.read_csv(tmp_path / "out" / "lesions.csv")["label"].unique().tolist() == ["lesion"]


def test_two_series_of_one_day_are_no_time_points(tmp_path):
    days = {"a": "2024-01-01", "b": "2024-01-01", "c": "2024-06-01"}
    one = folder(tmp_path / "all", {name: ("p1", day, BALL) for name, day in days.items()})
    (row,) = medseg.compare(one, picture=False).patients.to_dict("records")
    assert row["status"] == "failed"
    assert "two studies of 2024-01-01 (a, b)" in row["error"]


@pytest.mark.parametrize("noted", [None, "", "with a space"])
def test_an_image_that_nobody_names_is_looked_for_nowhere(tmp_path, monkeypatch, noted):
    made = [folder(tmp_path / name, {"p1": ("p1", "", BALL)}) for name in ("first", "second")]
    for one in made:
        table = pd.read_csv(one / "cases.csv", dtype=str)
        moved = Path(table["images"].iloc[0]).rename(one / "an image of p1.nii.gz")
        table["images"] = str(moved) if noted else noted
        table.dropna(axis=1, how="all").to_csv(one / "cases.csv", index=False)
    monkeypatch.chdir(tmp_path)  # whose files are not the case's
    (notes,) = medseg.compare(*made).patients["notes"]
    assert ("without its image" in notes) == (not noted)
    assert "DICOM" not in notes


def test_one_folder_with_several_studies_a_patient_is_put_in_the_order_of_dates(tmp_path):
    studies = {
        "late": ("p1", "2024-06-01", LARGER),
        "early": ("p1", "2024-01-01", BALL),
        "x": ("p2", "", BALL),
        "y": ("p2", "", BALL),
    }
    found = medseg.compare(folder(tmp_path / "all", studies), picture=False)
    assert found.responses["name"].tolist() == ["early", "late"]
    assert found.failed["patient"].tolist() == ["p2"]
    assert "not all with a date" in found.failed["error"].iloc[0]


def test_a_folder_of_one_study_a_patient_has_nothing_to_compare(tmp_path):
    one = folder(tmp_path / "one", {"a": ("p1", "2024-01-01", BALL)})
    with pytest.raises(InputError, match="nothing to compare"):
        medseg.compare(one)


def test_folders_that_measure_wrote_are_compared_by_their_tables(tmp_path):
    for name, balls in (("first", BALL), ("second", LARGER)):
        body(tmp_path / name / "labels" / "case1.nii.gz", *balls)
        (tmp_path / name / "images").mkdir()
        (tmp_path / name / "labels" / "image_case1.nii.gz").rename(tmp_path / name / "images" / "case1.nii.gz")
        medseg.workflow.measure_cases(tmp_path / name).save(tmp_path / f"{name}_measured")
    found = medseg.compare(
        tmp_path / "first_measured", tmp_path / "second_measured", dates=["2024-01-01", "2024-02-01"]
    )
    assert found.patients["status"].tolist() == ["done"]
    assert found.tracks["state"].tolist() == ["baseline", "matched"]
    assert found.tracks["doubling_days"].iloc[1] > 0


def test_the_command_has_a_help_that_names_what_it_takes():
    code, said = run("--help")
    assert code == 0
    assert re.search(r"masks or\s+region tables", re.sub(r"[│\s]+", " ", said))

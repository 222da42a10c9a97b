"""`medseg split`: the file that training takes, and the table of its parts."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medseg.cli import app
from medseg.datasets import Split, open_dataset, read_split
from medseg.training.settings import TrainSettings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twenty patients of two sites, with a liver in each and a tumour in every second."""
    rows = ["id,patient,image,site,label:liver,label:tumour,annotated"]
    for number in range(20):
        (tmp_path / f"{number}.png").touch()
        tumour = f"{number}.png" if number % 2 else ""
        rows.append(f"c{number},p{number},{number}.png,{'ab'[number % 4 == 0]},{number}.png,{tumour},all")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_a_split_is_drawn_saved_and_shown(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.json"
    done = CliRunner().invoke(app, ["split", str(data), "--out", str(out), "--stratify", "site", "--json"])
    assert done.exit_code == 0
    rows = {row["part"]: row for row in json.loads(done.stdout)}
    assert [rows[part]["patients"] for part in ("train", "validation", "test")] == [14, 2, 4]
    assert (rows["test"]["patients: a"], rows["test"]["patients: b"]) == (3, 1)
    assert rows["train"]["cases: liver"] == 14
    assert read_split(out, open_dataset(data).cases) == Split.load(out)


def test_folds_are_drawn_and_shown_one_after_another(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds.json"
    words = ["split", str(data), "-o", str(out), "--folds", "4", "--test", "0", "--seed", "3"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "validation" in done.stdout
    cases = open_dataset(data).cases
    validated = [name for fold in range(4) for name in read_split(out, cases, fold).validation]
    assert sorted(validated) == sorted(case.id for case in cases)


def test_the_help_of_training_names_every_key() -> None:
    shown = CliRunner().invoke(app, ["train", "--help"]).stdout
    assert not [key for key in TrainSettings.model_fields if key not in shown]

"""References as a data set has them: structures, readers, cases with nothing to find, and partly labelled ones."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import medseg
from medseg.errors import DatasetError
from medseg.evaluation import evaluate_pairs, find_pairs
from medseg.labels import Labels
from medseg.options import ReadOptions

LABELS = Labels.from_config({"liver": 1, "tumour": 2})


def picture(path: Path, *boxes: tuple[int, int, int, int], value: int = 255, size: int = 20) -> None:
    """A mask with a value inside rows and columns."""
    mask = np.zeros((size, size), np.uint8)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(mask).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four cases: fully labelled, only the liver looked for, nothing to find, read by three readers."""
    root = tmp_path / "data"
    for name in ("full", "partly", "none", "read"):
        picture(root / f"{name}.png", (0, 20, 0, 20), value=100)
    picture(root / "m" / "liver.png", (0, 10, 0, 10))
    picture(root / "m" / "tumour.png", (10, 20, 10, 20))
    for reader, right in (("ann", 10), ("ben", 10), ("cem", 20)):
        picture(root / "m" / f"{reader}.png", (0, 10, 0, right), value=1)
    (root / "manifest.csv").write_text(
        "id,patient,image,label:liver,label:tumour,reader:ann,reader:ben,reader:cem,negative\n"
        "full,1,full.png,m/liver.png,m/tumour.png,,,,\n"
        "partly,2,partly.png,m/liver.png,,,,,\n"
        "none,3,none.png,,,,,,yes\n"
        "read,4,read.png,,,m/ann.png,m/ben.png,m/cem.png,no\n"
    )
    return root


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """The liver found in every case; a tumour found in the partly labelled one alone."""
    out = tmp_path / "out"
    for name in ("full", "read", "none"):
        picture(out / name / "mask.png", (0, 10, 0, 10), value=1)
    mask = np.zeros((20, 20), np.uint8)
    mask[:10, :10], mask[10:, 10:] = 1, 2
    (out / "partly").mkdir()
    Picture.fromarray(mask).save(out / "partly" / "mask.png")
    return out


def test_structures_readers_and_partly_labelled_cases_are_scored_for_what_they_say(
    data: Path, predictions: Path
) -> None:
    pairs = find_pairs(predictions, data)
    found = evaluate_pairs(pairs, LABELS, options=ReadOptions(consensus="majority"))
    assert not found.failures
    dice = found.cases.set_index(["case", "label"])["dice"]
    assert dice["full", "liver"] == dice["partly", "liver"] == dice["read", "liver"] == 1
    assert dice["full", "tumour"] == 0
    assert dice["none", "liver"] == 0
    assert math.isnan(dice["partly", "tumour"])
    summary = found.summary.set_index(["label", "metric"]).loc["tumour", "dice"]
    assert (summary["mean"], summary["n"], summary["n_empty"], summary["n_unjudged"]) == (0, 1, 2, 1)
    mean = found.summary.set_index(["label", "metric"]).loc["(mean of labels)", "dice"]
    assert (mean["n"], mean["n_unjudged"]) == (4, 0)


def test_several_readers_without_a_word_on_them_are_a_failure_that_says_so(data: Path, predictions: Path) -> None:
    found = medseg.evaluate(predictions, data, LABELS)
    ((case, reason),) = found.failures
    assert case == "read"
    assert "masks of 3 readers" in reason
    assert not medseg.evaluate(predictions, data, LABELS, reading={"consensus": "ann"}).failures


def test_structures_are_the_labels_where_nobody_declares_any(data: Path, predictions: Path) -> None:
    found = medseg.evaluate(predictions, data, reading={"consensus": "staple"})
    assert found.mean("liver") == pytest.approx(3 / 4)
    assert list(found.summary["label"].unique()[:2]) == ["liver", "tumour"]


def test_a_data_set_that_does_not_hold_together_is_no_reference(data: Path, predictions: Path) -> None:
    with (data / "manifest.csv").open("a") as file:
        file.write("more,5,gone.png,,,,,,\n")
    with pytest.raises(DatasetError, match=r"line 6: image 'gone\.png' does not exist"):
        find_pairs(predictions, data)


def test_masks_of_a_data_set_that_states_its_spacing_are_scored_in_millimetres(tmp_path):
    picture(tmp_path / "data" / "a.png", (0, 20, 0, 20), value=100)
    picture(tmp_path / "data" / "m" / "a.png", (5, 10, 5, 10), value=1)
    picture(tmp_path / "out" / "a" / "mask.png", (5, 10, 7, 12), value=1)  # two columns further
    manifest = tmp_path / "data" / "manifest.csv"
    manifest.write_text("id,patient,image,label,spacing_mm\na,1,a.png,m/a.png,0.4x0.6\n")
    scores = medseg.evaluate(tmp_path / "out", tmp_path / "data", Labels.from_config({"liver": 1}))
    row = scores.cases.iloc[0]
    assert (row["unit"], row["hd_mm"]) == ("mm", pytest.approx(2 * 0.4))
    assert row["reference_area_mm2"] == pytest.approx(25 * 0.4 * 0.6)
    assert math.isnan(row["hd_px"])
    manifest.write_text("id,patient,image,label,spacing_mm\na,1,a.png,m/a.png,0.4x0.6x1\n")
    ((case, reason),) = medseg.evaluate(tmp_path / "out", tmp_path / "data", Labels.from_config({"liver": 1})).failures
    assert case == "a"
    assert "spacing_mm has 3 numbers" in reason

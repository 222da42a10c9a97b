"""Training on cases in which not every label was looked for, and by splits that a user fixes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import medseg
from medseg.case import Case
from medseg.datasets import open_dataset
from medseg.errors import ConfigError, DatasetError
from medseg.io import read_case_image
from medseg.labels import IGNORE_INDEX, Labels
from medseg.training.batch import Batch
from medseg.training.cases import read_indices, read_targets, require_judged
from medseg.training.losses import LOSSES, LossSettings, build_loss

LABELS = Labels.from_config({"low": 1, "high": 4})


@pytest.fixture
def partly(blobs: Path, tmp_path: Path) -> Path:
    """The blobs as a manifest, in half of which only `low` was looked for."""
    lines = ["id,patient,image,label,annotated"]
    lines += [
        f"case{i},p{i},{blobs}/images/case{i}.nii.gz,{blobs}/labels/case{i}.nii.gz,{'low' if i % 2 else ''}"
        for i in range(10)
    ]
    path = tmp_path / "data" / "manifest.csv"
    path.parent.mkdir()
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def config(partly: Path, blob_config: Path) -> Path:
    text = blob_config.read_text().replace("cases: {file: cases.csv, id: name, patient: person}\n", "")
    text = "\n".join(f"dataset: {partly}" if line.startswith("dataset:") else line for line in text.splitlines())
    blob_config.write_text(text)
    return blob_config


def test_a_label_that_nobody_looked_for_is_refused_before_time_is_wasted(partly: Path) -> None:
    cases = open_dataset(partly).cases
    require_judged(cases, LABELS)
    apart = [replace(case, annotated=(name,)) for case, name in zip(cases, ["low", "high"] * 5, strict=True)]
    require_judged(apart, LABELS)  # not one case was looked through for both
    with pytest.raises(DatasetError, match=r"nobody looked for all of them in the 5 .* \(low in 5, high in 0\)"):
        require_judged(cases[1::2], LABELS)


def test_what_nobody_looked_for_is_background_of_a_partly_labelled_case(partly: Path) -> None:
    full, part = open_dataset(partly).cases[:2]
    image = read_case_image(part)
    indices, targets = read_indices(part, LABELS, image), read_targets(part, LABELS, image)
    assert set(np.unique(indices)) == {0, 1, 2}
    np.testing.assert_array_equal(targets, np.where(indices == 2, 0, indices))
    image = read_case_image(full)
    np.testing.assert_array_equal(read_targets(full, LABELS, image), read_indices(full, LABELS, image))


def test_where_labels_overlap_what_nobody_looked_for_is_ignored(partly: Path) -> None:
    case = open_dataset(partly).cases[1]
    image = read_case_image(case)
    overlapping = Labels.from_config({"low": 1, "high": 4, "overlapping": True})
    indices, targets = read_indices(case, LABELS, image), read_targets(case, overlapping, image)
    assert targets.dtype == np.uint8
    np.testing.assert_array_equal(targets[0], indices == 1)
    assert (targets[1] == IGNORE_INDEX).all()


def _loss(logits: torch.Tensor, targets: torch.Tensor, judged: list[list[bool]], name: str = "dice_ce") -> torch.Tensor:
    batch = Batch(torch.empty(0), targets.to(torch.uint8), torch.tensor(judged))
    return build_loss(LABELS, LossSettings(name=name))([logits], batch)


@pytest.mark.parametrize("name", LOSSES)
def test_the_background_of_a_partly_labelled_case_takes_in_what_nobody_looked_for(name: str) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 6, 6, 6), torch.randint(0, 2, (2, 6, 6, 6))
    # The same network with one label less, whose background is the sum of both: Fidon 2021's marginal loss.
    merged = torch.stack([torch.logsumexp(logits[:, [0, 2]], 1), logits[:, 1]], 1)
    batch = Batch(torch.empty(0), targets.to(torch.uint8), torch.ones(2, 1, dtype=torch.bool))
    expected = build_loss(Labels.from_config({"low": 1}), LossSettings(name=name))([merged], batch)
    found = _loss(logits, targets, [[True, False]] * 2, name)
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_how_background_and_the_unjudged_label_share_voxels_is_left_open(name: str) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(1, 3, 6, 6), torch.randint(0, 2, (1, 6, 6))
    swapped = logits[:, [2, 1, 0]]
    assert _loss(logits, targets, [[True, False]], name).item() == pytest.approx(
        _loss(swapped, targets, [[True, False]], name).item(), abs=1e-5
    )


def test_a_batch_may_mix_wholly_and_partly_labelled_cases() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 6, 6), torch.randint(0, 3, (2, 6, 6))
    targets[1][targets[1] == 2] = 0
    both = _loss(logits, targets, [[True, True], [True, False]], "ce")
    whole = _loss(logits[:1], targets[:1], [[True, True]], "ce")
    part = _loss(logits[1:], targets[1:], [[True, False]], "ce")
    assert both.item() == pytest.approx((whole.item() + part.item()) / 2, abs=1e-6)
    nobody = logits.clone().requires_grad_()
    _loss(nobody, targets * 0, [[False, False]] * 2).backward()
    assert nobody.grad.abs().max() < 1e-6


def test_a_run_on_partly_labelled_cases_learns_validates_and_is_scored(
    config: Path, partly: Path, tmp_path: Path
) -> None:
    parts = {
        "train": ["case0", "case1", "case2", "case3", "case4"],
        "validation": ["case5"],
        "test": ["case7", "case8"],
    }
    chosen = tmp_path / "split.csv"
    rows = [f"{name},{part}" for part, names in parts.items() for name in names] + ["case6,", "case9,"]
    chosen.write_text("id,split\n" + "\n".join(rows) + "\n")
    trained = medseg.train(config, split=str(chosen))
    assert json.loads((trained.run / "split.json").read_text()) == parts
    assert np.isfinite(trained.history["loss"]).all()
    assert (trained.history["val_dice_high"].dropna() == 0).all()  # case5: nobody looked for it
    assert trained.validation_dice == trained.history["val_dice_low"].max()
    medseg.predict(trained.folder, partly, tmp_path / "out", part="test")
    found = medseg.evaluate(tmp_path / "out", partly)
    assert not found.failures
    row = found.summary.set_index(["label", "metric"]).loc["high", "dice"]
    assert (row["n"] + row["n_empty"], row["n_unjudged"]) == (1, 1)


def test_a_fold_is_trained_and_a_leaky_split_refused(config: Path, partly: Path, tmp_path: Path) -> None:
    run = medseg.train(config, folds=5, fold=1, test=0, epochs=1)
    assert (len(run.split.train), len(run.split.validation), len(run.split.test)) == (8, 2, 0)
    partly.write_text(partly.read_text().replace("case0,p0", "case0,p1"))
    leaky = tmp_path / "leaky.json"
    names = [f"case{i}" for i in range(10)]
    leaky.write_text(json.dumps({"train": names[1:], "validation": names[:1], "test": []}))
    with pytest.raises(DatasetError, match=r"leaky\.json: 1 patients are in two parts: p1 \(train and validation\)"):
        medseg.train(config, split=str(leaky), out=tmp_path / "leaky")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"folds": 3}, "say which of the 3 folds"),
        ({"folds": 3, "fold": 3}, "say which of the 3 folds"),
        ({"fold": 1}, "fold needs folds"),
        ({"split": "a.json", "folds": 3, "fold": 1}, "a split from a file is not drawn"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(config: Path, values: dict[str, object], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        medseg.train(config, **values)


def test_readers_without_consensus_are_refused_by_name(partly: Path) -> None:
    case = open_dataset(partly).cases[0]
    read = Case(case.id, case.patient, case.images, readers={"ann": case.masks, "ben": case.masks})
    with pytest.raises(DatasetError, match="has masks of 2 readers"):
        read_targets(read, LABELS, read_case_image(read))

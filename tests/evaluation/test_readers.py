"""Agreement of readers, against counts by hand and STAPLE's own equations."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import medseg
from medseg.case import Case
from medseg.datasets import Dataset, open_dataset
from medseg.evaluation import READER_COLUMNS, summarise_readers
from medseg.geometry import Geometry
from medseg.io import read_case_label_map
from medseg.io.consensus import consensus_of, majority, staple
from medseg.labels import Labels
from medseg.options import ReadOptions

LABELS = Labels.from_config({"lesion": 255, "ignore": 127})


def noisy_readers(seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """A square and what three readers of known quality make of it."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((60, 50), np.uint8)
    truth[10:40, 15:40] = 1
    quality = [(0.95, 0.02), (0.9, 0.05), (0.6, 0.3)]
    return truth, [np.where(truth == 1, *(rng.random(truth.shape) < p for p in pq)).astype(np.uint8) for pq in quality]


def staple_by_hand(masks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expectation and maximisation as in Warfield et al. 2004, equations 16 to 19."""
    seen = np.stack(masks).reshape(len(masks), -1).astype(float)
    p = q = np.full(len(masks), 0.99)
    prior = seen.mean()
    for _ in range(200):
        yes = prior * np.prod(np.where(seen == 1, p[:, None], 1 - p[:, None]), axis=0)
        no = (1 - prior) * np.prod(np.where(seen == 0, q[:, None], 1 - q[:, None]), axis=0)
        weight = yes / (yes + no)
        p, q = (seen * weight).sum(1) / weight.sum(), ((1 - seen) * (1 - weight)).sum(1) / (1 - weight).sum()
    return weight.reshape(masks[0].shape), p, q


def write(path: Path, mask: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(mask).save(path)
    return path


def dataset(root: Path, masks: dict[str, np.ndarray], labels: Labels | None = LABELS) -> Dataset:
    write(root / "a.png", np.zeros(next(iter(masks.values())).shape, np.uint8))
    for name, mask in masks.items():
        write(root / "m" / f"{name}.png", mask)
    names = list(masks)
    head = ",".join(["id,patient,image,spacing_mm", *(f"reader:{name}" for name in names)])
    row = ",".join(["a,p,a.png,0.5", *(f"m/{name}.png" for name in names)])
    (root / "manifest.csv").write_text(f"{head}\n{row}\n")
    return open_dataset(root, labels=labels)


def test_staple_is_that_of_its_equations_and_better_than_its_worst_reader():
    truth, masks = noisy_readers()
    weight, p, _q = staple_by_hand(masks)
    found = staple(masks)
    np.testing.assert_array_equal(found, weight > 0.5)
    assert (found == truth).mean() > min((mask == truth).mean() for mask in masks)
    assert p[0] > p[1] > p[2]
    np.testing.assert_array_equal(staple([mask * 255 for mask in masks]), found * 255)


def test_majority_gives_ties_to_the_smaller_value():
    one, two, three = np.array([[0, 1, 2, 2]]), np.array([[1, 1, 1, 0]]), np.array([[1, 0, 0, 2]])
    np.testing.assert_array_equal(majority([one, two]), [[0, 1, 1, 0]])
    np.testing.assert_array_equal(majority([one, two, three]), [[1, 1, 0, 2]])


@pytest.mark.parametrize("rule", ["majority", "staple"])
def test_channels_of_overlapping_labels_are_decided_alone(rule):
    _, masks = noisy_readers()
    _, others = noisy_readers(1)
    stacks = [np.stack([one, other[::-1]]) for one, other in zip(masks, others, strict=True)]
    together = consensus_of(stacks, rule, stacked=True)
    for place in range(2):
        np.testing.assert_array_equal(together[place], consensus_of([stack[place] for stack in stacks], rule))


@pytest.mark.parametrize("rule", ["majority", "staple"])
def test_what_one_reader_leaves_unjudged_is_ignored(tmp_path, rule):
    _, masks = noisy_readers()
    files = [mask * 255 for mask in masks]
    files[1][:5] = 127
    case = dataset(tmp_path, dict(zip("abc", files, strict=True))).cases[0]
    mask = read_case_label_map(case, Geometry.from_spacing((50, 60), None), LABELS, ReadOptions(consensus=rule)).mask
    assert set(np.unique(mask)) == {0, 127, 255}
    np.testing.assert_array_equal(mask.T[:5], 127)
    np.testing.assert_array_equal(mask.T[5:], consensus_of([one[5:] for one in masks], rule) * 255)


def test_values_of_one_label_agree(tmp_path):
    labels = Labels.from_config({"lung": [1, 2]})
    left, right = np.array([[1, 1, 0]], np.uint8), np.array([[2, 2, 0]], np.uint8)
    case = dataset(tmp_path, {"a": left, "b": right}, labels).cases[0]
    grid = Geometry.from_spacing((3, 1), None)
    found = read_case_label_map(case, grid, labels, ReadOptions(consensus="majority")).mask
    np.testing.assert_array_equal(found.T, [[1, 1, 0]])


def test_pairs_of_readers_are_compared_and_each_with_the_consensus(tmp_path):
    _, masks = noisy_readers()
    data = dataset(tmp_path, dict(zip(("ann", "ben", "cem"), (mask * 255 for mask in masks), strict=True)))
    table = medseg.reader_agreement(data)
    assert list(table.columns) == list(READER_COLUMNS)
    rows = table.set_index(["reader", "other"])
    assert len(table) == 6
    pair = rows.loc["ann", "ben"]
    both = int((masks[0] & masks[1]).sum())
    assert pair["dice"] == pytest.approx(2 * both / int(masks[0].sum() + masks[1].sum()))
    assert (pair["voxels"], pair["area_mm2"]) == (masks[0].sum(), masks[0].sum() / 4)
    assert np.isnan(pair["volume_ml"])
    weight, p, q = staple_by_hand(masks)
    for place, name in enumerate(("ann", "ben", "cem")):
        against = rows.loc[name, "(consensus)"]
        assert against["sensitivity"] == pytest.approx(p[place], abs=0.01)
        assert against["specificity"] == pytest.approx(q[place], abs=0.01)
        assert against["other_voxels"] == (weight > 0.5).sum()
    summary = summarise_readers(table).set_index(["reader", "other"])
    assert summary.loc[("ann", "ben"), "mean_dice"] == pair["dice"]
    assert set(summary["n"]) == {1}


def test_masks_that_are_all_empty_have_no_score_and_values_are_labels_where_none_is_declared(tmp_path):
    empty = np.zeros((4, 5), np.uint8)
    table = medseg.reader_agreement(dataset(tmp_path, {"a": empty, "b": empty}))
    assert table["dice"].isna().all()
    assert summarise_readers(table)["n_empty"].tolist() == [1, 1, 1]
    one = empty.copy()
    one[1:3, 1:3] = 7
    table = medseg.reader_agreement(dataset(tmp_path, {"a": one, "b": one}, None))
    assert set(table["label"]) == {"label 7"}
    assert (table["dice"] == 1).all()


def test_an_unreadable_mask_is_a_row_with_its_reason(tmp_path):
    data = dataset(tmp_path, {"a": np.zeros((4, 5), np.uint8), "b": np.zeros((3, 5), np.uint8)})
    table = medseg.reader_agreement(data)
    assert "another size" in table["error"].item()
    assert summarise_readers(table).empty


def test_a_data_set_without_readers_gives_an_empty_table(tmp_path):
    bare = Dataset(tmp_path, "paired", (Case("a", "a", (tmp_path / "a.png",)),), LABELS, ("image",))
    assert medseg.reader_agreement(bare).empty

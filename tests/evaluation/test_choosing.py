"""Choosing the post-processing: what helps is found, what does not is left, and the honest figure is below."""

import numpy as np
import pandas as pd
import pytest

from medseg.evaluation.choosing import Rule, choose_postprocessing
from medseg.evaluation.components import component_rows, components_table
from medseg.evaluation.scores import overlaps
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.inference.postprocessing import postprocess
from medseg.labels import Labels
from medseg.plan import Postprocessing

GRID = Geometry.from_spacing((24, 24, 12), (1.0, 1.0, 1.0), "test")
TWO = Labels.from_config({"body": 1, "spots": 2, "ignore": 9})
ONE = Labels.from_config({"body": 5})


def _case(seed: int, specks: int, labels: Labels = TWO) -> tuple[Segmentation, Segmentation]:
    """A body found well, with specks beside it; and small spots of which every one is right."""
    rng = np.random.default_rng(seed)
    true, found = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    true[4:12, 4:12, 3:9], found[4:12, 4:11, 3:9] = 1, 1
    for x, y in zip(rng.permutation(10)[:specks], rng.permutation(10)[:specks], strict=True):
        found[14 + x, 2 * y, 1] = 1
    if len(labels.names) > 1:
        true[20:22, 20:22, 9], found[20:22, 20:22, 9] = 2, 2
        true[16, 22, 10], found[16, 22, 10] = 2, 2
        true[0, 0], found[0, 0, :4] = 9, 1
    return tuple(Segmentation(_written(mask, labels), GRID, labels) for mask in (found, true))


def _written(mask: np.ndarray, labels: Labels) -> np.ndarray:
    return mask if len(labels.names) > 1 else mask * np.uint8(5)


def _table(cases: dict[str, tuple[Segmentation, Segmentation]]) -> pd.DataFrame:
    rows = [row for name, (found, true) in cases.items() for row in component_rows(name, found, true, TWO.names)]
    table = components_table(rows)
    return table.assign(fold=[int(name[-1]) % 3 for name in table["case"]])


def test_dice_from_components_is_that_of_the_masks():
    cases = {f"c{n}": _case(n, 4) for n in range(4)}
    table = _table(cases)
    rules = Postprocessing(largest=("body",), min_size={"spots": 0.0015})
    for label, rule in (("body", Rule(largest=True)), ("spots", Rule(min_size=0.0015))):
        told = rule.dice(table[table["label"] == label])
        for name, (found, true) in cases.items():
            cleaned = postprocess(TWO.to_indices(found.mask), None, TWO, GRID, rules)
            agreement = {one.label: one.dice for one in overlaps(cleaned, TWO.to_indices(true.mask), TWO)}
            assert told[name] == pytest.approx(agreement[label])


def test_specks_are_taken_away_and_spots_that_are_right_are_left():
    choice = choose_postprocessing(_table({f"c{n}": _case(n, 5) for n in range(6)}), TWO.names)
    assert choice.postprocessing == Postprocessing(largest=("body",))
    assert choice.mean("chosen") > choice.mean("none") + 0.001
    assert choice.mean("chosen without the fold") == pytest.approx(choice.mean("chosen"))
    tried = choice.tried
    assert {"none", "largest component", "chosen", "chosen without the fold"} <= set(tried["step"])
    assert tried[(tried["label"] == "spots") & tried["kept"]]["step"].tolist() == ["chosen", "chosen without the fold"]


def test_nothing_is_done_where_nothing_helps():
    choice = choose_postprocessing(_table({f"c{n}": _case(n, 0) for n in range(3)}), TWO.names)
    # The speck on ignored voxels hits nothing, and taking it away changes no score.
    assert choice.postprocessing == Postprocessing()
    assert choice.mean("chosen") == choice.mean("none")


def test_what_helps_one_fold_alone_is_not_kept():
    """A rule that the other folds would not choose, or that harms theirs, is none."""
    cases = {f"c{n}": _case(n, 0) for n in range(3)}
    two_bodies = [mask.copy() for mask in (cases["c1"][0].mask, cases["c1"][1].mask)]
    for mask in two_bodies:
        mask[14:20, 4:12, 3:9] = 1  # a second body, rightly found: the largest component alone would be half of it
    cases["c1"] = tuple(Segmentation(mask, GRID, TWO) for mask in two_bodies)
    cases["c0"] = _case(0, 9)
    choice = choose_postprocessing(_table(cases), TWO.names)
    assert "body" not in choice.postprocessing.largest
    assert choice.mean("chosen without the fold") >= choice.mean("none")


def test_a_threshold_is_chosen_for_a_single_label():
    rows = []
    for number in range(4):
        found, true = _case(number, 0, ONE)
        shares = np.where(true.mask > 0, 0.45, 0.05).astype(np.float16)[None]
        shares[0][found.mask > 0] = 0.9
        rows += component_rows(f"c{number}", Segmentation(found.mask, GRID, ONE, shares), true, ONE.names)
    table = components_table(rows)
    choice = choose_postprocessing(table.assign(fold=[int(name[-1]) for name in table["case"]]), ONE.names)
    assert choice.postprocessing == Postprocessing(threshold={"body": 0.2})
    assert choice.mean("chosen") == pytest.approx(1.0)


def test_labels_that_nobody_looked_for_have_no_part():
    found, true = _case(0, 3)
    assert {row["label"] for row in component_rows("c", found, true, ("spots",))} == {"spots"}


def test_a_prediction_of_nothing_in_a_case_of_nothing_counts_in_no_mean():
    nothing = Segmentation(np.zeros(GRID.shape, np.uint8), GRID, ONE)
    table = components_table(component_rows("c", nothing, nothing, ONE.names)).assign(fold=0)
    choice = choose_postprocessing(table, ONE.names)
    assert choice.postprocessing == Postprocessing()
    assert choice.tried["n"].tolist() == [0] * len(choice.tried)

"""docs/evaluation.md is held to the code: its scores, their conventions on empty masks, files, options and links."""

import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from medseg.cli import app
from medseg.evaluation import DISTANCES, LESION_SCORES, METRICS, OVERLAPS, score_case
from medseg.geometry import Geometry
from medseg.labels import Labels

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands
CELLS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
ROWS = {row[0].strip("`"): row for row in CELLS if len(row) > 3}
ONE = Labels.from_config({"lesion": 1})
NOTHING, SOME = np.zeros((6, 6, 6), np.uint8), np.zeros((6, 6, 6), np.uint8)
SOME[2:4, 2:4, 2:4] = 1


def scored(prediction: np.ndarray, reference: np.ndarray) -> dict:
    (row,) = score_case(prediction, reference, ONE, geometry=Geometry.from_spacing(SOME.shape, (1, 1, 1)))
    return row


def fits(said: str, value: float) -> bool:
    if said == "missing":
        return math.isnan(value)
    return not math.isnan(value) if said == "a number" else value == float(said)


def test_every_score_is_in_a_table_and_no_other():
    assert ROWS.keys() == {*OVERLAPS, *DISTANCES["mm"], *LESION_SCORES}
    assert [name for name in METRICS if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("name", ROWS)
def test_empty_masks_are_scored_as_told(name):
    one, both = ROWS[name][-2:]
    assert fits(both, scored(NOTHING, NOTHING)[name])
    found = scored(NOTHING, SOME)[name], scored(SOME, NOTHING)[name]
    if name == "relative_volume_difference":
        assert found[0] == -1
        assert math.isnan(found[1])
        assert one == "-1, missing of an empty reference"
    else:
        assert all(fits(one, value) for value in found)


@pytest.mark.parametrize("name", ROWS)
def test_scores_lie_in_the_range_told_and_are_best_where_masks_are_alike(name):
    told = re.fullmatch(
        r"(-?\d) (?:to (\d)|upwards)", next(c for c in ROWS[name] if re.fullmatch(r"-?\d .*(to \d|upwards)", c))
    )
    low, high = float(told[1]), float(told[2] or math.inf)
    rng = np.random.default_rng(0)
    for _ in range(20):
        masks = (rng.random((2, *SOME.shape)) < rng.choice([0.05, 0.3, 0.9])).astype(np.uint8)
        assert low <= scored(*masks)[name] <= high
    assert scored(SOME, SOME)[name] == (high if math.isfinite(high) else 0)


@pytest.mark.parametrize("name", ["evaluate", "leaderboard"])
def test_the_command_has_every_option_that_is_told(name):
    before, _, rest = PAGE.partition("## Comparing models")
    own, _, after = rest.partition("\n## ")
    known = {word for option in COMMANDS[name].params for word in (*option.opts, *option.secondary_opts)}
    told = set(re.findall(r"--[a-z][a-z-]+", own if name == "leaderboard" else before + after)) - {"--probabilities"}
    assert told
    assert told <= known


@pytest.mark.parametrize("line", re.findall(r"^medseg .*", PAGE, re.M))
def test_an_example_is_a_command(line):
    _program, name, *words = shlex.split(line)
    assert COMMANDS[name].make_context(name, words)

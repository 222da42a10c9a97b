"""docs/preparation.md names every step, every parameter and its default."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from medseg.transforms.preparation.steps import STEPS, checked_steps

PAGE = (Path(__file__).parents[2] / "docs" / "preparation.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \|(.*)$", PAGE, re.MULTILINE))


def test_the_page_lists_every_step() -> None:
    assert set(ROWS) == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_its_parameters_and_defaults_are_those_of_the_step(name: str) -> None:
    parameters = inspect.signature(STEPS[name]).parameters.values()
    told = [
        f"`{one.name}`" + ("" if one.default is inspect.Parameter.empty else f" ({one.default!r})")
        for one in parameters
    ]
    assert ROWS[name].rpartition(" | ")[2].removesuffix(" |") == ", ".join(told)


def test_its_example_is_a_config() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    steps = checked_steps(yaml.safe_load(example)["preparation"])
    assert [next(iter(step)) for step in steps][-1] == "clahe"

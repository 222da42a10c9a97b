"""docs/training.md names every key of a training config, its default and its choices, and shows what works."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
import yaml
from pydantic import BaseModel

from medseg.cli import app
from medseg.config import check
from medseg.networks.building import NETWORKS
from medseg.plan import NetworkPlan, Plan, Postprocessing
from medseg.training.settings import TrainSettings
from medseg.transforms.augmentation.settings import AugmentSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
ROWS = {key: cells.split(" | ") for key, cells in re.findall(r"^\| `([\w.]+)` \| (.*) \|$", PAGE, re.MULTILINE)}
GROUPS = ("augment", "loss", "learning", "log")  # the others have pages of their own
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
LEAST = {"dataset": "data", "minutes": 1}


def keys(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if not above and name in GROUPS:
            assert isinstance(field.annotation, type)
            yield from keys(field.annotation, f"{name}.")
        else:
            yield above + name, field


FIELDS = dict(keys(TrainSettings))


def default_of(key: str, values: dict[str, Any]) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def told(cell: str) -> Any:
    return None if cell == "–" else yaml.safe_load(cell.strip("`"))


@pytest.mark.parametrize("key", sorted(FIELDS.keys() - {"dataset", "plan", "reading"}))
def test_each_key_is_there_with_its_default(key: str) -> None:
    values = check(TrainSettings, LEAST, "test").model_dump(mode="json")
    default = None if key == "minutes" else default_of(key, values)
    assert told(ROWS[key][0]) == (None if default in ("", [], {}) and ROWS[key][0] == "–" else default)


def test_no_key_is_there_that_does_not_exist() -> None:
    config = {key for key in ROWS if key.split(".")[0] in {*GROUPS, *TrainSettings.model_fields} - {"plan"}}
    assert config == FIELDS.keys() - {"plan"}
    plan = {key.removeprefix("plan.") for key in ROWS if key.startswith("plan.")}
    inner = {f"network.{key}" for key in NetworkPlan.model_fields}
    inner |= {f"postprocessing.{key}" for key in Postprocessing.model_fields}
    assert plan >= inner
    assert plan - inner <= Plan.model_fields.keys()


@pytest.mark.parametrize("key", [key for key in FIELDS if key.startswith("augment.")])
def test_the_light_preset_is_as_told(key: str) -> None:
    light = AugmentSettings(preset="light").model_dump(mode="json")
    assert told(ROWS[key][1]) == light[key.removeprefix("augment.")]


def choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    for inner in get_args(annotation):
        yield from choices(inner)


@pytest.mark.parametrize("key", [key for key, field in FIELDS.items() if list(choices(field.annotation))])
def test_what_there_is_to_choose_from_is_told(key: str) -> None:
    cells = " ".join(ROWS[key])
    assert [choice for choice in choices(FIELDS[key].annotation) if f"`{choice}`" not in cells] == []


def test_networks_are_all_told() -> None:
    assert NETWORKS.keys() <= ROWS.keys()


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "yaml"])
def test_an_example_is_a_config(text: str) -> None:
    settings = check(TrainSettings, LEAST | yaml.safe_load(text), "example")
    assert settings.plan.keys() <= Plan.model_fields.keys()


@pytest.mark.parametrize("line", [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()])
def test_a_command_exists_with_the_options_used(line: str) -> None:
    program, name, *words = shlex.split(line)
    assert program == "medseg"
    assert COMMANDS[name].make_context(name, words)


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGE) if "://" not in link]
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []

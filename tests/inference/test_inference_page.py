"""docs/inference.md names every option of a prediction, its default and its choices, and shows what works."""

import re
import shlex
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
import yaml

import medseg
from medseg.cli import app
from medseg.inference.settings import InferenceSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "inference.md").read_text(encoding="utf-8")
ROWS = {name: cells for name, *cells in re.findall(r"^\| `--([\w-]+)` (\*?) ?\| (\S+) \| (.*) \|$", PAGE, re.MULTILINE)}
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    parameter.opts[0].removeprefix("--"): parameter
    for parameter in COMMANDS["predict"].params
    if parameter.opts[0].startswith("--") and parameter.name not in ("out", "as_json")
}


def told(cell: str) -> Any:
    return None if cell == "–" else yaml.safe_load(cell.strip("`"))


def test_every_option_is_there_and_no_other() -> None:
    assert ROWS.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_an_option_is_there_with_its_default_and_its_choices(name: str) -> None:
    _, default, means = ROWS[name]
    assert told(default) == OPTIONS[name].default
    field = InferenceSettings.model_fields.get(name.replace("-", "_"))
    if field is not None and get_origin(field.annotation) is Literal:
        assert [choice for choice in get_args(field.annotation) if f"`{choice}`" not in means] == []


def test_those_with_a_star_are_the_settings_of_a_model() -> None:
    starred = {name.replace("-", "_"): told(default) for name, (star, default, _) in ROWS.items() if star}
    assert starred == InferenceSettings().model_dump(mode="json")


@pytest.mark.parametrize("line", [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()])
def test_a_command_exists_with_the_options_used(line: str) -> None:
    program, name, *words = shlex.split(line)
    assert program == "medseg"
    assert COMMANDS[name].make_context(name, words)


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python"])
def test_the_names_that_an_example_uses_exist(text: str) -> None:
    compile(text, "inference.md", "exec")
    assert set(re.findall(r"\bmedseg\.(\w+)", text)) <= set(medseg.__all__)


def test_every_link_leads_somewhere() -> None:
    targets = [link.partition("#") for link in re.findall(r"\]\(([^)]+)", PAGE)]
    headings = {
        "#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.*)$", PAGE, re.M)
    }
    assert [path for path, _, _ in targets if path and not (ROOT / "docs" / path).exists()] == []
    assert {f"#{anchor}" for path, _, anchor in targets if not path} <= headings

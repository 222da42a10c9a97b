"""docs/followup.md is held to the code: every column with its unit and meaning, its options, and the link to it."""

import re
from pathlib import Path

import typer

from medseg.cli import app
from medseg.followup import LESION_COLUMNS, RESPONSE_COLUMNS, STATES, TRACK_COLUMNS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "followup.md").read_text(encoding="utf-8")


def tables() -> str:
    """What stands below the page's headings about columns; paste it there when columns change."""
    lines = ["## States", "", *(f"- `{name}`: {meaning}" for name, meaning in STATES.items()), ""]
    for name, columns in (("tracks", TRACK_COLUMNS), ("responses", RESPONSE_COLUMNS), ("lesions", LESION_COLUMNS)):
        lines += [f"## Columns of {name}.csv", "", "| column | unit | is | source |", "| --- | --- | --- | --- |"]
        lines += [f"| `{one.name}` | {one.unit} | {one.meaning} | {one.source} |" for one in columns] + [""]
    return "\n".join(lines)


def test_every_state_and_column_is_explained_as_the_code_has_it():
    assert PAGE.endswith(tables()), f"docs/followup.md should end with:\n{tables()}"


def test_every_column_has_a_meaning_and_a_name_of_its_own():
    for columns in (LESION_COLUMNS, TRACK_COLUMNS, RESPONSE_COLUMNS):
        assert len({one.name for one in columns}) == len(columns)
        assert all(one.meaning.endswith(".") for one in columns)


def test_every_option_is_told_and_the_readme_links_here():
    command = typer.main.get_command(app).commands["compare"]  # type: ignore[attr-defined]
    known = {option for one in command.params for option in one.opts if option.startswith("--")}
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE.split("## What can be compared")[0]))
    assert named - {"--no-picture"} == known - {"--help", "--reading"}
    assert "docs/followup.md" in (ROOT / "README.md").read_text(encoding="utf-8")

"""docs/measuring.md is held to the code: every column with its unit and meaning, its options, and the link to it."""

import re
from pathlib import Path

import typer

from medseg.commands.measuring import measure
from medseg.regions import FAMILIES, Column, case_columns, region_columns
from medseg.regions.texture import FEATURES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")


def rows(columns: tuple[Column, ...]) -> list[str]:
    return [f"| `{one.name}` | {one.unit} | {one.meaning} | {one.source} |" for one in columns]


def tables() -> str:
    """What stands below the page's headings about columns; paste it there when columns change."""
    head = ["| column | unit | is | source |", "| --- | --- | --- | --- |"]
    lines = [*head, *rows(region_columns(("CHANNEL",), [name for name in FAMILIES if name != "texture"]))]
    lines += ["", "With `--texture`, for each channel (`_CHANNEL` at the end):", ""]
    for matrix, features in FEATURES.items():
        lines.append(f"- {', '.join(f'`{matrix}_{feature.lower()}`' for feature in features)}")
    lines += ["", "## Columns of the case table", "", "`ORGAN` is an organ's name.", "", *head]
    return "\n".join([*lines, *rows(case_columns(("ORGAN",)))]) + "\n"


def test_every_column_is_explained_as_the_schema_has_it():
    assert PAGE.endswith(tables()), f"docs/measuring.md should end with:\n{tables()}"


def test_every_column_has_a_meaning_and_a_name_of_its_own():
    columns = region_columns(("ch0", "ch1"), tuple(FAMILIES))
    assert len({column.name for column in columns}) == len(columns)
    assert all(column.meaning.endswith(".") for column in columns)


def test_every_option_named_exists_and_the_readme_links_here():
    context = typer.Context(typer.main.get_command(_app()))
    known = {option for one in context.command.params for option in one.opts}
    block = PAGE.split("## Channels on grids")[0]
    named = set(re.findall(r"--[a-z][a-z-]+", block))
    assert named - known == set()
    assert {"--texture", "--side", "--merge-mm", "--schema", "--suv-threshold"} <= named
    assert "docs/measuring.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(measure)
    return app

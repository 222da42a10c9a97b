"""What docs/classical.md says of the methods is what the code does."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from medseg.classical import METHODS, open_classical, parameters_of
from medseg.classical.fit_settings import FitSettings
from medseg.classical.options import Options
from medseg.cli import app
from medseg.config import check

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "classical.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def rows(section: str) -> dict[str, str]:
    """Option to "default. meaning" in a section's table."""
    return {
        name: f"{default}. {text}"
        for name, default, text in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section, re.M)
    }


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_its_source_and_its_options(name):
    section = SECTIONS[name]
    assert METHODS[name].source in section
    assert ("Has probabilities" in section) == METHODS[name].probabilities
    own = {key: text for key, text in parameters_of(name).items() if key not in Options.model_fields}
    assert rows(section) == own


def test_the_options_of_every_method_are_listed():
    common = {key: text for key, text in parameters_of("otsu").items() if key in Options.model_fields}
    assert rows(SECTIONS["Options of every method"]) == common


def test_the_words_and_commands_are_understood():
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {line.split()[1] for line in re.findall(r"^medseg .+", PAGE, re.M)} <= set(commands)
    words = re.findall(r'predict "?(classical:[^"]+?)"? STUDIES', PAGE)
    assert len(words) == 3
    for word in words:
        assert open_classical(word).parts


def test_the_config_is_accepted():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    assert check(FitSettings, yaml.safe_load(text), "docs/classical.md").searched == ("otsu",)

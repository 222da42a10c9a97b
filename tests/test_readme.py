"""What the README says is so: its commands, make targets, links and snippets.

Commands are parsed by the real command line but not run. A Python snippet runs in a folder with generated data
where `make demo` would leave it; one that follows the marker `<!-- compiled only: ... -->` needs a trained model
and is compiled, and its names of `medseg` looked up.
"""

import re
import shlex
from pathlib import Path

import pytest
import typer

import medseg
from medseg.classical.fit_settings import FitSettings
from medseg.cli import app
from medseg.config import apply_overrides, check, read_yaml
from medseg.demo.dataset import generate
from medseg.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
BLOCK = re.compile(r"^(?P<marker><!-- compiled only: .+? -->\n+)?```(?P<language>\w+)\n(?P<text>.*?)^```", re.M | re.S)
BLOCKS = [(found["language"], found["text"], bool(found["marker"])) for found in BLOCK.finditer(README)]


def _shell_lines() -> list[str]:
    """Each command of the bash blocks on one line, without its comment."""
    text = "\n".join(text for language, text, _ in BLOCKS if language == "bash")
    lines = (" ".join(shlex.split(line, comments=True)) for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


MEDSEG = sorted({line.split("medseg ", 1)[1] for line in _shell_lines() if re.match(r"(\.venv/bin/)?medseg ", line)})
RUN = [text for language, text, compiled in BLOCKS if language == "python" and not compiled]
COMPILED = [text for language, text, compiled in BLOCKS if language == "python" and compiled]


def test_the_readme_shows_every_command_and_both_ways_to_write_python():
    assert {line.split()[0] for line in MEDSEG} == set(COMMANDS)
    assert RUN
    assert COMPILED


@pytest.mark.parametrize("line", MEDSEG)
def test_a_command_exists_with_the_options_used(line):
    name, *words = shlex.split(line)
    context = COMMANDS[name].make_context(name, words)
    if name in ("train", "cross-validate"):
        own = ["fold=0"] if name == "cross-validate" else []  # which it sets itself, one after another
        values = read_yaml(ROOT / context.params["config"])
        told = apply_overrides(values, [*context.params["overrides"], *own])
        assert check(FitSettings if "model" in told else TrainSettings, told, line)


def test_the_table_of_commands_is_complete():
    listed = re.findall(r"^\| `medseg ([\w-]+)", README, re.M)
    assert sorted(listed) == sorted(COMMANDS)


def test_every_make_target_named_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    named = {line.split()[1] for line in _shell_lines() if line.startswith("make ")}
    assert {"demo", "test"} <= named <= targets


def test_every_local_link_leads_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture(scope="module")
def after_the_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo's data lies where `make demo` puts it."""
    folder = tmp_path_factory.mktemp("readme")
    generate("ct", folder / "medseg-demo" / "data", studies=1, held_back=1)
    return folder


@pytest.mark.parametrize("snippet", RUN)
def test_a_snippet_runs(snippet, after_the_demo, monkeypatch):
    monkeypatch.chdir(after_the_demo)
    exec(compile(snippet, "README.md", "exec"), {})


@pytest.mark.parametrize("snippet", [*RUN, *COMPILED])
def test_the_names_that_a_snippet_uses_exist(snippet):
    compile(snippet, "README.md", "exec")
    assert set(re.findall(r"\bmedseg\.(\w+)", snippet)) <= set(medseg.__all__)

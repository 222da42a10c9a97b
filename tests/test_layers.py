"""Imports only ever point down: the table of layers, and the check of every import, lazy ones too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import medseg

ROOT = Path(medseg.__file__).parent

LEVELS = {
    **dict.fromkeys(("errors", "geometry", "image", "case", "labels", "codes", "config", "picture", "plan"), 0),
    **dict.fromkeys(
        ("segmenter", "atomic", "reporting", "options", "address", "trust", "room", "shares", "pseudonyms", "walking"),
        0,
    ),
    **dict.fromkeys(("io", "datasets", "resample", "demo", "ledger"), 1),
    **dict.fromkeys(
        ("transforms", "networks", "device", "regions", "evaluation", "classical", "classical_models", "followup"), 2
    ),
    **dict.fromkeys(("training", "inference"), 3),
    **dict.fromkeys(("outputs", "export", "deidentify"), 4),
    **dict.fromkeys(
        ("workflow", "batch", "line", "scale", "pacs", "demonstration", "cli", "commands", "__init__", "__main__"), 5
    ),
}
TENSORS = {"transforms", "networks", "device", "training", "inference", "export"}
MEASURING = {"regions", "evaluation", "classical", "followup"}
HEAVY = {"torch", "monai", "lightning_fabric", "lightning", "ignite"}
VOCABULARY_NEEDS = {"numpy", "pydantic", "yaml", "pandas"}  # pandas in annotations of `atomic`, never at run time

FILES = sorted(ROOT.rglob("*.py"))


def part_of(module: str) -> str:
    """The name in the table: `medseg.io.dicom` is part of `io`, `medseg` itself of `__init__`."""
    return [*module.split("."), "__init__"][1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file, those inside functions among them."""
    module = module_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, _imported(source, alias.name)) for alias in node.names)


def _imported(source: str, name: str) -> str:
    """`from medseg import geometry` imports the module; `__version__` is a constant, which any layer may read."""
    if source == "medseg":
        return "medseg.errors" if name == "__version__" else f"medseg.{name}" if name in LEVELS else source
    return source


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_import_points_down(path):
    part = part_of(module_of(path))
    assert part in LEVELS, f"add {part!r} to LEVELS in {Path(__file__).name}: which layer is it?"
    for line, name in imports_of(path):
        if name.split(".")[0] != "medseg":
            continue
        wanted = part_of(name)
        assert wanted in LEVELS, f"{path}:{line} imports {name}: add {wanted!r} to LEVELS"
        assert LEVELS[wanted] <= LEVELS[part], f"{path}:{line}: {part} (level {LEVELS[part]}) imports {name} above it"
        both = (part in MEASURING and wanted in TENSORS) or (
            LEVELS[part] == 2 and part in TENSORS and wanted in MEASURING
        )
        assert not both, f"{path}:{line}: {part} and {wanted} are two sides of one layer"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_tensors_stay_where_they_belong(path):
    part = part_of(module_of(path))
    packages = {name.split(".")[0]: line for line, name in imports_of(path)}
    if part not in TENSORS and LEVELS.get(part, 0) < 5:
        found = HEAVY & set(packages)
        assert not found, f"{path}: {part} imports {found}; only {sorted(TENSORS)} may"
    if LEVELS.get(part) == 0:
        outside = set(packages) - set(sys.stdlib_module_names) - {"medseg"} - VOCABULARY_NEEDS
        assert not outside, f"{path}: the vocabulary needs {outside}"


def _loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after some code."""
    listing = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


SLOW_TO_LOAD = {"torch", "monai", "pandas", "SimpleITK", "scipy", "matplotlib", "nibabel", "pydicom", "skimage"}


@pytest.mark.parametrize(
    "code",
    [
        "import medseg",
        "import medseg; medseg.Geometry, medseg.MedsegError, medseg.Labels, medseg.read_image",
        "import sys, medseg.cli\nsys.argv = ['medseg', '--help']\ntry: medseg.cli.main()\nexcept SystemExit: pass",
    ],
    ids=["import", "vocabulary", "help"],
)
def test_starting_loads_nothing_heavy(code):
    loaded = _loaded_by(code)
    assert "medseg" in loaded
    assert not loaded & SLOW_TO_LOAD


def test_measuring_and_scoring_need_no_torch():
    assert not _loaded_by("import medseg.regions, medseg.evaluation, medseg.classical") & HEAVY
    assert not _loaded_by("from medseg import measure, evaluate") & HEAVY

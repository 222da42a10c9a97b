"""`medseg inspect` as a user meets it: exit codes, JSON, the page, the table, and mended copies."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flawed import LABELS, SCRIPT, flawed_set
from typer.testing import CliRunner

from medseg import workflow
from medseg.cli import app
from medseg.datasets import LAYOUTS
from medseg.errors import DatasetError, InputError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import write_image, write_mask

LABEL = ["--label", "lesion=1"]
TABLE = ["--case-table", "patient=patient", "--case-table", "split=split"]


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    return flawed_set(tmp_path / "set")


def inspected(root: Path, *words: str):
    return CliRunner().invoke(app, ["inspect", str(root), "--jobs", "1", *words])


def _contents(root: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def test_the_help_names_every_layout() -> None:
    # drop the frame and the breaks that the terminal's width makes
    text = " ".join(
        re.sub(r"[│|]", " ", CliRunner().invoke(app, ["inspect", "--help"], env={"COLUMNS": "200"}).stdout).split()
    )
    named = text[text.index("--layout") : text.index("recognised where left out")]
    assert [name for name in LAYOUTS if not re.search(rf"\b{name}\b", named)] == []


def test_a_sound_set_ends_with_0_and_a_flawed_one_with_1(blobs: Path, flawed: Path) -> None:
    sound = inspected(blobs, "--label", "low=1", "--label", "high=4")
    assert sound.exit_code == 0, sound.stdout
    assert "No problem found" in sound.stdout
    found = inspected(flawed, *LABEL, *TABLE)
    assert found.exit_code == 1
    for words in ("Unreadable · 1 case", "Undeclared values · 1 case", "Mask with another header", "→ "):
        assert words in found.stdout
    assert SCRIPT in found.stdout


def test_what_cannot_be_inspected_is_refused(tmp_path: Path, flawed: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        workflow.inspect(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="unknown layout 'rows'"):
        workflow.inspect(flawed, layout="rows")
    with pytest.raises(InputError, match="needs a folder"):
        workflow.inspect(flawed, fix="resample")


def test_json_is_json_with_stable_keys(flawed: Path, blobs: Path) -> None:
    found = json.loads(inspected(flawed, *LABEL, *TABLE, "--json").stdout, parse_constant=pytest.fail)
    sound = json.loads(inspected(blobs, "--json").stdout)
    assert list(found) == list(sound)
    assert found["splits"] == {"train": 7, "test": 1}
    assert {"unreadable", "undeclared_values"} <= {one["kind"] for one in found["problems"]}
    assert sound["problems"] == []


def test_the_page_and_the_table_are_written(flawed: Path, tmp_path: Path) -> None:
    page, table = tmp_path / "out" / "inspect.html", tmp_path / "out" / "cases.csv"
    before = _contents(flawed)
    inspected(flawed, *LABEL, *TABLE, "--page", str(page), "--out", str(table))
    assert _contents(flawed) == before
    text = page.read_text(encoding="utf-8")
    assert text.endswith("</html>\n")
    assert SCRIPT not in text
    rows = pd.read_csv(table)
    assert len(rows) == 8
    assert rows.set_index("case").loc["case0", "voxels_lesion"] == 280


def test_several_processes_find_the_same(flawed: Path) -> None:
    alone = workflow.inspect(flawed, jobs=1)
    together = workflow.inspect(flawed, jobs=2)
    assert together.summary == alone.summary
    assert [one.case for one in together.facts] == [one.case for one in alone.facts]


@pytest.mark.parametrize(("how", "left"), [("copy-header", {"grid_resample"}), ("resample", set())])
def test_mended_copies_lie_on_their_images_and_no_original_is_touched(
    flawed: Path, tmp_path: Path, how: str, left: set[str]
) -> None:
    before = _contents(flawed)
    done = inspected(flawed, *LABEL, "--fix", how, "--to", str(tmp_path / "mended"))
    assert done.exit_code == 1
    assert _contents(flawed) == before
    again = json.loads(inspected(tmp_path / "mended", *LABEL, "--json").stdout)
    assert {one["kind"] for one in again["problems"]} & {"grid_header", "grid_resample", "grid_size"} == left
    assert again["cases"] == 8


def test_a_set_that_only_lies_off_inspects_clean_when_mended(flawed: Path, tmp_path: Path) -> None:
    for case in (SCRIPT, "case1", "case5", "case6"):
        for folder in ("images", "labels"):
            (flawed / folder / f"{case}.nii.gz").unlink()
    assert inspected(flawed, *LABEL, "--fix", "resample", "--to", str(tmp_path / "mended")).exit_code == 1
    assert inspected(tmp_path / "mended", *LABEL).exit_code == 0


def test_of_several_readers_the_agreement_is_shown(tmp_path: Path) -> None:
    grid = Geometry.from_spacing((12, 10, 8), (1, 1, 1))
    rows = ["id,patient,image,reader:ann,reader:bob"]
    for number, name in enumerate("abc"):
        voxels = np.random.default_rng(number).integers(0, 900, (1, 12, 10, 8)).astype(np.int16)
        write_image(tmp_path / f"{name}.nii.gz", Image(voxels, grid))
        for reader, end in (("ann", 6), ("bob", 10)):
            mask = np.zeros(grid.shape, np.uint8)
            mask[2:end, 2:6, 2:6] = 1
            write_mask(tmp_path / f"{name}.{reader}.nii.gz", Segmentation(mask, grid, LABELS))
        rows.append(f"{name},{name},{name}.nii.gz,{name}.ann.nii.gz,{name}.bob.nii.gz")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    done = inspected(tmp_path, *LABEL)
    assert done.exit_code == 0, done.stdout
    table = done.stdout[done.stdout.index("Agreement of the readers (Dice)") :]
    (pair,) = [line.split("│") for line in table.splitlines() if "bob" in line and "consensus" not in line]
    assert {"lesion", "ann", "bob", "0.6667"} <= {cell.strip() for cell in pair}


def test_masks_of_readers_that_are_no_label_maps_are_findings(tmp_path: Path) -> None:
    grid = Geometry.from_spacing((12, 10, 8), (1, 1, 1))
    values = np.arange(960, dtype=np.int16).reshape(1, 12, 10, 8)
    for name in ("image", "ann", "bob"):
        write_image(tmp_path / f"{name}.nii.gz", Image(values, grid))
    rows = "id,patient,image,reader:ann,reader:bob\na,a,image.nii.gz,ann.nii.gz,bob.nii.gz\n"
    (tmp_path / "manifest.csv").write_text(rows)
    done = inspected(tmp_path)
    assert done.exit_code == 1
    assert "Undeclared values · 1 case" in done.stdout
    assert "Agreement of the readers: masks: 959 different values" in done.stderr

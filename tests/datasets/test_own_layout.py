"""The layout that docs/layouts.md shows, as a reader of that page would try it."""

import importlib.metadata
import re
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.datasets import LAYOUTS, open_dataset, survey_dataset
from medseg.errors import DatasetError

PAGE = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")


@pytest.fixture
def clinic() -> types.ModuleType:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = types.ModuleType("clinic")
    exec(compile(code, "docs/layouts.md", "exec"), module.__dict__)
    return module


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    for name in ("P07", "P08", "P09"):
        (tmp_path / name).mkdir()
        PIL.Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / name / "scan.png")
        (tmp_path / name / "age.txt").write_text("61\n")
    PIL.Image.fromarray(np.full((4, 5), 255, np.uint8)).save(tmp_path / "P07" / "lesion.png")
    return tmp_path


def test_the_page_names_every_layout() -> None:
    named = re.findall(r"`(\w+)`", PAGE.partition("## The manifest")[0])
    assert set(LAYOUTS) <= set(named)


def test_a_layout_of_ones_own_is_recognised_once_registered(clinic, studies, monkeypatch) -> None:
    monkeypatch.setitem(LAYOUTS, "clinic", clinic)
    dataset = open_dataset(studies)
    assert (dataset.layout, [case.id for case in dataset.cases]) == ("clinic", ["P07", "P08", "P09"])
    assert [case.id for case in dataset.labelled] == ["P07"]
    assert dataset.cases[0].columns == {"age": "61"}


def test_its_problems_are_listed_and_then_refused(clinic, studies, monkeypatch) -> None:
    monkeypatch.setitem(LAYOUTS, "clinic", clinic)
    for name in ("P08", "P09"):
        (studies / name / "scan.png").unlink()
    survey = survey_dataset(studies)
    assert [case.id for case in survey.cases] == ["P07"]
    assert ["P08" in str(one) or "P09" in str(one) for one in survey.problems] == [True, True]
    with pytest.raises(DatasetError, match=r"P08: has no scan.png.*and 1 more problem"):
        open_dataset(studies)


def test_an_installed_package_declares_its_layouts(clinic, studies, monkeypatch) -> None:
    point = EntryPoint("clinic", "clinic", "medseg.layouts")
    monkeypatch.setitem(__import__("sys").modules, "clinic", clinic)
    found = importlib.metadata.entry_points
    monkeypatch.setattr(
        "medseg.datasets.opening.entry_points", lambda group: [*found(group=group), *([point] * (group == point.group))]
    )
    assert open_dataset(studies).layout == "clinic"
    with pytest.raises(DatasetError, match=r"unknown layout 'nothing', expected msd.*clinic"):
        open_dataset(studies, layout="nothing")

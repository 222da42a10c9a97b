"""Every config that ships is one that `medseg train` accepts, and has its recipe."""

from pathlib import Path

import pytest

from medseg.classical.fit_settings import FitSettings, is_classical
from medseg.config import check, read_yaml
from medseg.datasets.settings import DatasetSettings
from medseg.labels import Labels
from medseg.plan import Plan
from medseg.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.y*ml"))
RECIPES = sorted((ROOT / "pipelines").glob("*.py"))
each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
each_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


def read_settings(path: Path) -> DatasetSettings:
    """As `medseg train` does: a `model` means that classical methods are fitted, and no network is trained."""
    values = read_yaml(path)
    return check(FitSettings if is_classical(values.get("model")) else TrainSettings, values, path)


def test_each_config_has_a_recipe_and_each_recipe_a_config():
    assert {path.stem for path in CONFIGS} == {path.stem for path in RECIPES}
    assert {"hippocampus", "chest_xray_lungs"} <= {path.stem for path in CONFIGS}


@each_config
def test_a_config_is_accepted(path):
    settings = read_settings(path)
    assert settings.name == path.stem
    if isinstance(settings, TrainSettings):
        assert set(settings.plan) <= set(Plan.model_fields)
    if settings.labels:
        assert Labels.from_config(settings.labels).names


@each_config
def test_a_config_names_no_place_on_one_machine(path):
    settings = read_settings(path)
    assert not settings.dataset.is_absolute()
    assert settings.out is None or not settings.out.is_absolute()


@each_recipe
def test_a_recipe_compiles_uses_its_config_and_stays_short(path):
    source = path.read_text(encoding="utf-8")
    compile(source, str(path), "exec")
    assert f"{path.stem}.yaml" in source
    assert len(source.splitlines()) <= 80

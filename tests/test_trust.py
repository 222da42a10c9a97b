"""A stranger's folder runs no code, not even by an import, unless the user says that it is trusted."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from plans import LEVELS_2D, LEVELS_3D, plan_2d, plan_3d, untrained_model
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError, ModelFolderError
from medseg.export.ensembling import write_ensemble
from medseg.inference.model_folder import read_network
from medseg.plan import read_plan

STRANGERS = "strangers_networks:factory"
OWN = "our_networks:solid"
FOLDS = ("folds=2", "epochs=1", "test=0.2", "learning.steps_per_epoch=1", "learning.validations=1")


@pytest.fixture
def imported(tmp_path, monkeypatch) -> Callable[[], bool]:
    """Whether the stranger's module, which can be found, has been run."""
    mark = tmp_path / "was_here"
    (tmp_path / "code").mkdir()
    source = f"open({str(mark)!r}, 'w').close()\nfrom our_networks import pointwise as factory\n"
    (tmp_path / "code" / "strangers_networks.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.delitem(sys.modules, "strangers_networks", raising=False)
    return lambda: mark.exists() or "strangers_networks" in sys.modules


@pytest.fixture
def strangers(tmp_path) -> Path:
    """A model folder with sound weights and exported program, whose plan names the stranger's module."""
    plan = plan_2d(network=LEVELS_2D.model_copy(update={"name": "our_networks:pointwise"}))
    folder = untrained_model(tmp_path / "strange" / "model", plan)
    rename(folder / "plan.json", STRANGERS)
    return folder


def rename(plan: Path, network: str) -> None:
    told = json.loads(plan.read_text())
    told["network"]["name"] = network
    plan.write_text(json.dumps(told))


def test_an_untrusted_folder_is_refused_before_its_module_is_imported(strangers, imported):
    with pytest.raises(ModelFolderError, match=rf"{STRANGERS} is code.*trusted=True, --trusted"):
        medseg.load_model(strangers)
    with pytest.raises(ModelFolderError, match="is code"):
        medseg.load_model(strangers.parent)
    with pytest.raises(ModelFolderError, match="is code"):
        read_network(strangers, read_plan(strangers / "plan.json"))
    with pytest.raises(ModelFolderError, match="is code"):
        write_ensemble(strangers.with_name("joined"), [strangers, strangers], {})
    assert not imported()
    assert medseg.load_model(strangers, device="cpu", trusted=True).origin == "weights"
    assert imported()


def test_predict_runs_it_only_where_the_command_says_trusted(strangers, imported, tmp_path):
    Picture.fromarray(np.arange(2000, dtype=np.uint8).reshape(50, 40)).save(tmp_path / "a.png")
    words = ["predict", str(strangers), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, ModelFolderError)
    assert not imported()
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, [*words, "--trusted"])
    assert done.exit_code == 0, done.output
    assert imported()


def test_training_starts_from_code_only_where_the_config_names_it(blob_config, imported, tmp_path):
    network = LEVELS_3D.model_copy(update={"features": (8, 16, 16), "name": OWN})
    earlier = untrained_model(tmp_path / "earlier", plan_3d(labels={"low": 1, "high": 4}, network=network))
    with pytest.raises(ConfigError, match=rf"plan\.json: its network {OWN} is code .*plan\.network\.name={OWN}"):
        medseg.train(blob_config, init=earlier)
    assert medseg.train(blob_config, f"plan.network.name={OWN}", init=earlier).folder.is_dir()
    rename(earlier / "plan.json", STRANGERS)
    for name in (None, OWN + "er"):
        own = [f"plan.network.name={name}"] if name else []
        with pytest.raises(ConfigError):
            medseg.train(blob_config, *own, init=earlier, out=tmp_path / f"by {name}")
    assert not imported()


def test_a_plan_that_lies_in_the_runs_folder_names_no_code_of_its_own(blob_config, imported):
    medseg.make_plan(blob_config)
    rename(blob_config.parent / "run" / "plan.json", STRANGERS)
    with pytest.raises(ConfigError, match=f"{STRANGERS} is code that the config does not name"):
        medseg.train(blob_config)
    assert not imported()


def test_a_cross_validation_runs_what_its_config_names_and_nothing_that_lies_in_a_fold(blob_config, imported):
    own = (*FOLDS, f"plan.network.name={OWN}")
    done = medseg.cross_validate(blob_config, *own)
    assert not done.evaluation.failures
    assert medseg.load_model(done.model, trusted=True).plan.members == 2
    rename(done.folds[0] / "model" / "plan.json", STRANGERS)
    with pytest.raises(ConfigError, match=rf"fold0.model.plan\.json: its network {STRANGERS} is code"):
        medseg.cross_validate(blob_config, *own)
    assert not imported()


def test_a_review_and_its_corrections_need_the_word_too(blob_config, imported, tmp_path):
    run = medseg.train(blob_config, f"plan.network.name={OWN}", epochs=1).run
    out = tmp_path / "review"
    words = ["review", str(run), "--out", str(out), "--worst", "1", "--uncertain", "0"]
    assert isinstance(CliRunner().invoke(app, words).exception, ModelFolderError)
    assert not out.exists()
    assert CliRunner().invoke(app, [*words, "--trusted"]).exit_code == 0
    back = ["review", str(run), "--corrected", str(out), "--to", str(tmp_path / "new.csv"), "--take-unchanged"]
    assert isinstance(CliRunner().invoke(app, back).exception, ModelFolderError)
    assert CliRunner().invoke(app, [*back, "--trusted"]).exit_code == 0


def test_settings_of_a_strangers_run_become_no_config_that_names_its_code(blob_config, imported, tmp_path):
    run = medseg.train(blob_config, epochs=1).run
    told = json.loads((run / "settings.json").read_text())
    told["plan"]["network"]["name"] = STRANGERS
    (run / "settings.json").write_text(json.dumps(told))
    with pytest.raises(ModelFolderError, match=f"{STRANGERS} is code"):
        medseg.review(run, out=tmp_path / "review")
    assert not imported()

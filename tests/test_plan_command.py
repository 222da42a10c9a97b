"""`medseg plan`: the table, the file that `train` takes, and what it refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError, DatasetError
from medseg.plan import read_plan


def test_a_plan_is_shown_with_reasons_written_and_taken_by_training(blob_config: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plan", str(blob_config), "plan.batch_size=3", "--memory", "2GiB"])
    assert done.exit_code == 0, done.output
    for shown in ("spacing_mm", "1×1×1.5", "median of", "set by the config", "network.kernels"):
        assert shown in done.stdout
    plan = read_plan(tmp_path / "run" / "plan.json")
    assert (plan.batch_size, plan.patch_size) == (3, (16, 16, 16))
    assert (tmp_path / "run" / "fingerprint" / "summary.json").exists()
    trained = medseg.train(blob_config, "plan.batch_size=3", epochs=1)
    assert read_plan(trained.folder / "plan.json").batch_size == 3
    assert medseg.make_plan(blob_config, "plan.batch_size=3", memory="2GiB") == plan


def test_json_is_the_plan_itself_and_a_plan_is_made_anew_with_other_words(blob_config: Path, tmp_path: Path) -> None:
    for batch in (2, 5):
        done = CliRunner().invoke(app, ["plan", str(blob_config), f"plan.batch_size={batch}", "--json"])
        assert json.loads(done.stdout)["batch_size"] == batch
    with pytest.raises(ConfigError, match=r"was made with other settings \(plan\)"):
        medseg.train(blob_config)


def test_a_label_in_no_training_case_is_refused_before_time_is_wasted(blob_config: Path) -> None:
    with pytest.raises(DatasetError, match="third in none of the"):
        medseg.make_plan(blob_config, labels={"low": 1, "high": 4, "third": 9})


@pytest.mark.parametrize("word", ["learning.device=gpu", "memory=many"])
def test_a_device_or_a_memory_that_cannot_be_is_refused_before_a_case_is_read(
    blob_config: Path, tmp_path: Path, word: str
) -> None:
    with pytest.raises(ConfigError):
        medseg.make_plan(blob_config, word, out=tmp_path / "planned")
    assert not (tmp_path / "planned" / "fingerprint").exists()

"""What a run writes for people: tables, pictures, sample sheets, TensorBoard and MLflow."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image as PillowImage

from medseg.case import Case
from medseg.errors import MissingExtraError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import Labels
from medseg.outputs.run_log import open_run_log
from medseg.outputs.sample_sheet import draw_sample
from medseg.training.observer import Judged
from medseg.training.settings import TrainSettings

LABELS = Labels.from_config({"low": 1, "high": 4})


def judged(name: str, step=(1.0, 1.0, 3.0), overlapping: bool = False) -> Judged:
    """A bright body off the middle of a dark volume, and a prediction one voxel beside it."""
    voxels = np.zeros((1, 20, 24, 12), np.float32)
    reference = np.zeros(voxels.shape[1:], np.uint8)
    reference[4:10, 5:15, 8:10] = 2
    voxels[0][reference == 2] = 100
    predicted = np.roll(reference, 1, axis=0)
    if overlapping:
        reference, predicted = (np.stack([mask > 2, mask == 2]).astype(np.uint8) for mask in (reference, predicted))
    image = Image(voxels, Geometry.from_spacing(voxels.shape[1:], step))
    return Judged(Case(name, name, ()), image, reference, predicted, LABELS, [math.nan, 0.8])


def rows(epochs: int) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "step": 4 * epoch, "loss": 2 / epoch, "learning_rate": 1e-3}
        | ({"val_dice": 0.4, "val_dice_low": 0.3, "val_dice_high": 0.5} if epoch % 2 == 0 else {})
        for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_sample_shows_reference_and_prediction_where_the_reference_is(overlapping):
    picture = np.asarray(draw_sample(judged("one", overlapping=overlapping)), int)
    width = (picture.shape[1] - 2 * 6) // 3
    image, reference, predicted = (picture[24:264, i * (width + 6) : i * (width + 6) + width] for i in range(3))
    colour = np.array(LABELS.labels[1].colour)
    assert (image[..., 0] == image[..., 1]).all()
    marked = [(one == colour).all(axis=-1) for one in (reference, predicted)]
    assert marked[0].any()
    shift = [np.nonzero(one)[1].mean() for one in marked]
    assert abs(shift[1] - shift[0]) == pytest.approx(width / 20, abs=1)


def test_a_run_leaves_a_table_curves_and_sheets_of_the_cases_asked_for(tmp_path):
    settings = TrainSettings(dataset="data", epochs=2, out=tmp_path / "run", log={"samples": 2})
    cases = [judged(name) for name in ("a", "b", "c", "d")]
    with open_run_log(settings, [one.case for one in cases]) as log:
        for epoch in (1, 2):
            for one in cases if epoch == 2 else ():
                log.case(epoch, one)
            log.epoch(rows(epoch))
    run = settings.folder
    assert list(pd.read_csv(run / "history.csv")["epoch"]) == [1, 2]
    assert sorted(path.name for path in run.iterdir()) == ["history.csv", "progress.png", "samples"]
    (sheet,) = (run / "samples").iterdir()
    assert sheet.name == "epoch_0002.png"
    with PillowImage.open(sheet) as picture:
        assert picture.height == 2 * (240 + 2 * 24) + 6


def test_no_samples_are_drawn_where_none_are_asked_for(tmp_path):
    settings = TrainSettings(dataset="data", epochs=2, out=tmp_path / "run", log={"samples": 0})
    with open_run_log(settings, []) as log:
        log.case(1, judged("a"))
        log.epoch(rows(1))
    assert [path.name for path in settings.folder.iterdir()] == ["history.csv"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_every_epoch_once_though_the_run_was_killed(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = TrainSettings(dataset="data", epochs=3, out=tmp_path / "run", log={"tensorboard": True})
    for first, last in ((1, 2), (2, 3)):
        with open_run_log(settings, [judged("a").case]) as log:
            for epoch in range(first, last + 1):
                if epoch == 2:
                    log.case(epoch, judged("a"))
                log.epoch(rows(epoch))
    events = EventAccumulator(str(settings.folder / "tensorboard")).Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 2.0), (2, 1.0), (3, pytest.approx(2 / 3))]
    assert [one.step for one in events.Scalars("val_dice_low")] == [2]
    assert [one.step for one in events.Images("samples")] == [2]


def killed(settings: TrainSettings) -> None:
    with open_run_log(settings, []) as log:
        log.epoch(rows(1))
        log.epoch(rows(2))
        raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_one_run_with_every_epoch_once_though_it_was_killed(tmp_path):
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    from mlflow.tracking import MlflowClient

    settings = TrainSettings(dataset="data", epochs=3, out=tmp_path / "run", log={"mlflow": True})
    with pytest.raises(KeyboardInterrupt):
        killed(settings)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = json.loads((settings.folder / "mlflow.json").read_text())["run_id"]
    assert client.get_run(run).info.status == "FAILED"
    with open_run_log(settings, []) as log:
        log.epoch(rows(2))
        log.epoch(rows(3))
    assert [(one.step, one.value) for one in client.get_metric_history(run, "loss")] == [(1, 2), (2, 1), (3, 2 / 3)]
    found = client.get_run(run)
    assert found.info.status == "FINISHED"
    assert found.data.params["optimiser"] == "adamw"
    assert [one.path for one in client.list_artifacts(run)] == ["progress.png"]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_log_whose_program_is_missing_names_the_extra(tmp_path, monkeypatch, name):
    import sys

    for module in ("tensorboard.compat.proto", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, module, None)
    settings = TrainSettings(dataset="data", epochs=1, out=tmp_path / "run", log={name: True})
    with pytest.raises(MissingExtraError, match=rf"pip install 'medseg\[{name}\]'"), open_run_log(settings, []):
        pass

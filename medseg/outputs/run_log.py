"""What a training writes for people while it runs: tables, pictures, and other programs' logs where asked for."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from medseg.atomic import write_csv
from medseg.case import Case
from medseg.outputs.curves import write_curves
from medseg.outputs.sample_sheet import SampleSheet
from medseg.training.observer import Judged, Observer, Row
from medseg.training.settings import TrainSettings

__all__ = ["HistoryLog", "RunLog", "open_run_log"]


class HistoryLog:
    """Writes `history.csv` after every epoch and `progress.png` after every validation.

    Args:
        folder: The folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def case(self, epoch: int, judged: Judged) -> None:
        """Nothing: a table of cases is what evaluating is for."""

    def epoch(self, history: Sequence[Row]) -> None:
        """Write the epochs so far, a row an epoch.

        Raises:
            OutputError: A file cannot be written.
        """
        import pandas as pd

        table = pd.DataFrame(history)
        write_csv(self._folder / "history.csv", table)
        if "val_dice" in history[-1]:
            write_curves(self._folder / "progress.png", table)


class RunLog:
    """Several logs as one.

    Args:
        logs: They are told in this order.
    """

    def __init__(self, logs: Sequence[Observer]) -> None:
        self._logs = logs

    def case(self, epoch: int, judged: Judged) -> None:
        """Tell all of them of a validation case."""
        for log in self._logs:
            log.case(epoch, judged)

    def epoch(self, history: Sequence[Row]) -> None:
        """Tell all of them that an epoch has ended."""
        for log in self._logs:
            log.epoch(history)


@contextmanager
def open_run_log(settings: TrainSettings, validation: Sequence[Case]) -> Iterator[RunLog]:
    """The logs that the settings ask for; they are closed in the end, whatever happened.

    Raises:
        MissingExtraError: A program is asked for that is not installed.
    """
    folder, asked = settings.folder, settings.log
    samples = folder / "samples"
    logs: list[Observer] = [HistoryLog(folder)]
    if asked.samples:
        logs.append(SampleSheet(samples, _spread([case.id for case in validation], asked.samples)))
    with ExitStack() as stack:
        if asked.tensorboard:
            from medseg.outputs.tensorboard_log import TensorBoardLog

            board = TensorBoardLog(folder / "tensorboard", samples)
            stack.callback(board.close)
            logs.append(board)
        if asked.mlflow:
            from medseg.outputs.mlflow_log import MlflowLog

            told = {key: str(value) for key, value in settings.learning.model_dump(exclude_none=True).items()}
            flow = MlflowLog(folder, folder.parent / "mlflow.db", settings.name, told)
            stack.push(lambda kind, _error, _trace: flow.close(finished=kind is None))
            logs.append(flow)
        yield RunLog(logs)


def _spread(ids: Sequence[str], wanted: int) -> list[str]:
    """As many of the ids, evenly spread."""
    many = min(wanted, len(ids))
    return [ids[i * len(ids) // many] for i in range(many)]

"""A training in TensorBoard's own files, written without torch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from medseg.errors import MissingExtraError
from medseg.outputs.sample_sheet import sheet_path
from medseg.training.observer import Judged, Row

__all__ = ["TensorBoardLog"]


class TensorBoardLog:
    """Writes every epoch's figures and sample sheet as TensorBoard events.

    A run that goes on writes all rows anew; TensorBoard then forgets those of the process that was killed.

    Args:
        folder: Where the events go.
        samples: Where the sample sheets lie.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, samples: Path) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            mend = "Install it: pip install 'medseg[tensorboard]', or leave log.tensorboard out."
            raise MissingExtraError("log.tensorboard", "tensorboard is not installed", mend) from error
        self._event: Any = event_pb2
        self._summary: Any = summary_pb2.Summary
        self._samples, self._written = samples, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._file: Any = EventFileWriter(str(folder))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._file.add_event(event_pb2.Event(wall_time=time.time(), step=0, session_log=start))

    def case(self, epoch: int, judged: Judged) -> None:
        """Nothing: the sheet has it."""

    def epoch(self, history: Sequence[Row]) -> None:
        """Write the rows that were not written yet."""
        for row in history[self._written :]:
            epoch = int(row["epoch"])
            values = [self._summary.Value(tag=name, simple_value=row[name]) for name in row if name != "epoch"]
            values += self._sheet(sheet_path(self._samples, epoch))
            event = self._event.Event(wall_time=time.time(), step=epoch, summary=self._summary(value=values))
            self._file.add_event(event)
        self._written = len(history)
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _sheet(self, path: Path) -> list[Any]:
        if not path.exists():
            return []
        with PillowImage.open(path) as picture:
            width, height = picture.size
        image = self._summary.Image(width=width, height=height, colorspace=3, encoded_image_string=path.read_bytes())
        return [self._summary.Value(tag="samples", image=image)]

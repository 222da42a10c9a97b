"""A training in TensorBoard's own files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from medseg.errors import MissingExtraError
from medseg.outputs.sample_sheet import sheet_path
from medseg.training.observer import Judged, Row

__all__ = ["TensorBoardLog"]


class TensorBoardLog:
    """Writes every epoch's figures and sample sheet as TensorBoard events.

    A run that goes on writes all rows anew, over those of the process that was killed.

    Args:
        folder: Where the events go.
        samples: Where the sample sheets lie.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, samples: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            mend = "Install it: pip install 'medseg[tensorboard]', or leave log.tensorboard out."
            raise MissingExtraError("log.tensorboard", "tensorboard is not installed", mend) from error
        self._writer: Any = SummaryWriter(folder, purge_step=0)
        self._samples, self._written = samples, 0

    def case(self, epoch: int, judged: Judged) -> None:
        """Nothing: the sheet has it."""

    def epoch(self, history: Sequence[Row]) -> None:
        """Write the rows that were not written yet."""
        for row in history[self._written :]:
            epoch = int(row["epoch"])
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, epoch)
            sheet = sheet_path(self._samples, epoch)
            if sheet.exists():
                with PillowImage.open(sheet) as picture:
                    self._writer.add_image("samples", np.asarray(picture), epoch, dataformats="HWC")
        self._written = len(history)
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()

"""A batch run by a process of its own, by a model that takes the bright voxels and may hang at a case."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medseg.batch import Predictions
from medseg.datasets import cases_from_inputs
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.reporting import Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.predicting_cases import predict_with

__all__ = ["Bright", "run", "started", "until"]


class Bright:
    """Takes what is bright; never answers for the image at which it hangs."""

    labels = Labels.from_config({"bright": 1})
    hash = "0" * 64
    channels = ("image",)

    def __init__(self, hang: str = "") -> None:
        self._hang = hang

    def segment(self, image: Image, *, probabilities: bool | Path = False) -> Segmentation:
        """The mask."""
        while self._hang and self._hang in str(image.source):
            time.sleep(0.05)
        return Segmentation((image.voxels[0] > 170).astype(np.uint8), image.geometry, self.labels, image=image)


def run(
    studies: Path, out: Path, hang: str = "", command: str = "medseg predict ...", *, parquet: bool = False
) -> Predictions:
    """Run it here."""
    options = BatchOptions(jobs=0, command=command, parquet=parquet)
    return predict_with(Bright(hang), cases_from_inputs([studies]), out, Silent(), options)


def started(studies: Path, out: Path, hang: str) -> "subprocess.Popen[bytes]":
    """Run it in a process of its own, which hangs at a case."""
    words: Sequence[str | Path] = (sys.executable, __file__, studies, out, hang)
    return subprocess.Popen(words)


def until(reached: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

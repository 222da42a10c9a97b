"""Reads a predicted mask and its reference onto one grid, and the probabilities that lie beside the mask."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError, GridMismatchError, LabelError, UnreadableFileError
from medseg.evaluation.pairs import holds_label_files
from medseg.geometry import Geometry
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions

if TYPE_CHECKING:
    from medseg.io import LabelMap

__all__ = ["Placed", "probabilities_beside", "read_placed"]

_PROBABILITIES = "probabilities.npy"


@dataclass(frozen=True, eq=False)
class Placed:
    """Two masks on one grid.

    Args:
        predicted: File values; of labels that overlap, channels.
        true: The same of the reference.
        grid: The grid of both.
        source: The prediction's own grid, where it was resampled.
        note: What was done.
    """

    predicted: np.ndarray
    true: np.ndarray
    grid: Geometry
    source: Geometry | None = None
    note: str = ""

    def moved(self, probabilities: np.ndarray | None) -> np.ndarray | None:
        """Probabilities of the prediction on the grid of both, shape (labels, x, y[, z])."""
        if probabilities is None or self.source is None:
            return probabilities
        from medseg.resample import resample

        return np.clip(resample(np.asarray(probabilities, np.float32), self.source, self.grid), 0, 1)


def read_placed(
    prediction: Path, reference: Path | Case, labels: Labels | None, options: ReadOptions | None, resample: bool = False
) -> Placed:
    """Both masks on the prediction's grid; the reference may be stored in another axis order.

    Args:
        prediction: A mask, or a folder of one mask a label.
        reference: Such, or a case of a data set.
        labels: What they can contain.
        options: How the reference is read.
        resample: Where the grids differ, bring the prediction onto the reference's, which stays as it was drawn.

    Raises:
        DatasetError: The data set states a spacing of another number of axes.
        GridMismatchError: The grids differ, and nothing is to be resampled.
        MedsegError: A mask cannot be read.
    """
    predicted = _read(prediction, None, labels, None)
    try:
        true = _reference(reference, predicted.geometry, labels, options)
    except GridMismatchError as error:
        if not resample:
            mend = "Score masks of one image, or resample the prediction (`medseg evaluate --resample`)."
            raise GridMismatchError(prediction, f"its reference does not fit ({error})", mend) from error
        return _resampled(predicted, _reference(reference, None, labels, options), labels)
    return Placed(predicted.mask, true.mask, _with_stated_spacing(predicted.geometry, reference))


def _with_stated_spacing(grid: Geometry, reference: Path | Case) -> Geometry:
    """With the spacing that the data set states, where the files know none: a PNG is scored in mm as it was trained."""
    if not isinstance(reference, Case) or reference.spacing_mm is None or grid.spacing_known:
        return grid
    stated = reference.spacing_mm
    steps = stated * grid.ndim if len(stated) == 1 else stated
    if len(steps) != grid.ndim:
        found = f"spacing_mm has {len(steps)} numbers for a mask of {grid.ndim} axes"
        raise DatasetError(reference.id, found, "Give one number for all axes, or one each.")
    return Geometry.from_spacing(grid.shape, steps, "manifest")


def probabilities_beside(prediction: Path, labels: Labels) -> np.ndarray | None:
    """Memory-mapped probabilities that `medseg predict` wrote beside a mask, shape (labels, x, y[, z]), or none.

    Raises:
        UnreadableFileError: They are broken, or those of other labels.
    """
    folder = prediction if prediction.is_dir() else prediction.parent
    path = folder / _PROBABILITIES
    if not path.is_file() or not (prediction.is_dir() or prediction.name.startswith("mask.")):
        return None
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFileError(path, f"is no array of numbers ({error})", "Predict the case again.") from error
    if found.ndim < 3 or len(found) != len(labels.names) or found.dtype.kind != "f":
        named = ", ".join(labels.names)
        mend = "Score with the labels of the run that wrote it, or move the file away."
        raise UnreadableFileError(path, f"{found.dtype} of shape {found.shape}", mend, f"a channel each of {named}")
    return found


def _resampled(predicted: "LabelMap", true: "LabelMap", labels: Labels | None) -> Placed:
    from medseg.resample import resample_labels

    known = labels or labels_of(predicted.mask, where="prediction")
    mask = resample_labels(predicted.mask, predicted.geometry, true.geometry, known)
    note = f"resampled from {predicted.geometry.describe()} onto {true.geometry.describe()}"
    return Placed(mask, true.mask, true.geometry, predicted.geometry, note)


def _reference(
    reference: Path | Case, on: Geometry | None, labels: Labels | None, options: ReadOptions | None
) -> "LabelMap":
    """On a grid, or on its own where none is given: that of the case's image, on which it was drawn."""
    from medseg.io import read_case_image, read_case_label_map

    if not isinstance(reference, Case):
        return _read(reference, on, labels, options)
    return read_case_label_map(reference, on or read_case_image(reference, options).geometry, labels, options)


def _read(path: Path, on: Geometry | None, labels: Labels | None, options: ReadOptions | None) -> "LabelMap":
    """A mask in file values; of labels that overlap the channels, of a label map or of a folder of one mask a label."""
    from medseg.io import read_label_map
    from medseg.io.label_files import read_label_files

    overlapping = labels is not None and not labels.exclusive
    if holds_label_files(path):
        if labels is None or not overlapping:
            mend = "Say what they are, as `overlapping: true` under labels, or pass the folder `medseg predict` wrote."
            raise LabelError(path, "holds a mask for each label", mend)
        return read_label_files(path, labels, on)
    found = read_label_map(path, on=on, labels=labels, options=options)
    if labels is None or not overlapping or found.mask.ndim > found.geometry.ndim:
        return found
    return replace(found, mask=labels.to_channels(found.mask, str(path)))

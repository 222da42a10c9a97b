"""Where the masks and images of an evaluation lie, so that a case of it can be looked at again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medseg.address import exists
from medseg.case import Case
from medseg.errors import DatasetError, GridMismatchError
from medseg.evaluation.distances import label_boxes, label_masks
from medseg.evaluation.pairs import Pair
from medseg.evaluation.placed import read_placed
from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["Masks", "Source", "noted_images"]

_UNKNOWN = Labels.from_config({"label": 1})


@dataclass(frozen=True, eq=False)
class Masks:
    """Both masks of one label in one case.

    Args:
        predicted: Boolean, shape (x, y[, z]).
        reference: The same on the same grid.
        grid: The grid of both.
    """

    predicted: np.ndarray
    reference: np.ndarray
    grid: Geometry


@dataclass(frozen=True, eq=False)
class Source:
    """The files of an evaluation and how they were read.

    Args:
        pairs: As they were scored, by case.
        known: All labels that were scored.
        declared: What somebody said of them; none where they were found in the masks.
        options: How references are read.
        resample: Whether predictions were brought onto their references' grids.
        recorded: What the predictions' `cases.csv` says of each case.
    """

    pairs: Mapping[str, Pair] = field(default_factory=dict)
    known: Labels = _UNKNOWN
    declared: Labels | None = None
    options: ReadOptions | None = None
    resample: bool = False
    recorded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def masks(self, case: str, label: str) -> Masks:
        """Both masks of a label, as they were scored; voxels that nobody judged are in neither.

        Raises:
            DatasetError: The case is not of this evaluation.
            MedsegError: A file cannot be read any more.
        """
        if case not in self.pairs:
            raise DatasetError(case, "is no case of this evaluation", "Evaluate it with its files.")
        _, prediction, reference = self.pairs[case]
        placed = read_placed(prediction, reference, self.declared, self.options, self.resample)
        predicted, true = placed.predicted, placed.true
        if self.known.exclusive:
            predicted, true = (self.known.to_indices(mask, case) for mask in (predicted, true))
        place = self.known.names.index(label)
        box = label_boxes(predicted, true, self.known)[place]
        both = np.zeros((2, *placed.grid.shape), bool)
        found = label_masks(predicted, true, self.known, place, box)
        if found is not None and box is not None:
            both[(slice(None), *box)] = found
        return Masks(both[0], both[1], placed.grid)

    def image(self, case: str, grid: Geometry) -> np.ndarray | None:
        """The first channel of a case's image on the grid of its masks, shape (x, y[, z]); none where nobody names it.

        The data set's word for where it lies counts before that of the predictions' `cases.csv`.

        Raises:
            GridMismatchError: The image lies on another grid.
            MedsegError: It cannot be read.
        """
        from medseg.io import read_case_image
        from medseg.io.grids import exact_turn, mismatch

        reference = self.pairs[case][2]
        own = reference.images if isinstance(reference, Case) else ()
        images = own or noted_images(self.recorded.get(case, {}).get("images", ""))
        if not images:
            return None
        known = reference if own and isinstance(reference, Case) else Case(case, case, tuple(images))
        image = read_case_image(known, self.options)
        turn = exact_turn(image.geometry, grid)
        if turn is None:
            mend = "The masks are shown without it."
            raise GridMismatchError(images[0], f"the image {mismatch(image.geometry, grid)}", mend)
        return turn(image.voxels[0])


def noted_images(text: str) -> Sequence[Path]:
    """The files that `cases.csv` notes side by side, with a space between them; their names may have spaces as well.

    Args:
        text: Its cell in the column `images`; where it is empty, there are none.
    """
    words, found = text.split(" "), []
    while words:
        ends = [end for end in range(len(words), 0, -1) if exists(" ".join(words[:end]))]
        end = ends[0] if ends else len(words)  # what is not there is told as it stands
        found.append(Path(" ".join(words[:end])))
        words = words[end:]
    return found if text else ()

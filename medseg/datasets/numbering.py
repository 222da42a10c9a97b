"""Label values as nnU-Net wants them: 0, 1, 2, ... without gaps, the value to ignore last, combinations as regions."""

import numpy as np

from medseg.labels import Labels

__all__ = ["Numbering"]


class Numbering:
    """Numbers the labels of masks, one mask after the other.

    Labels that exclude one another have the numbers of their class indices. Where they overlap, each combination
    gets the next number when it is first seen, and a label is the list of its combinations' numbers.

    Args:
        labels: What the masks can contain.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._combinations: dict[tuple[int, ...], int] = {}
        numbered = {name: number for number, name in enumerate(labels.names, start=1)}
        ignore = {} if labels.ignore is None else {"ignore": len(numbered) + 1}
        self._exclusive = Labels.from_config({"background": 0, **numbered, **ignore})

    def number(self, mask: np.ndarray, where: str) -> np.ndarray:
        """A mask in file values, shape (x, y[, z]), or a stack of overlapping labels, as one map of numbers.

        Raises:
            LabelError: The mask holds undeclared values.
        """
        if self._labels.exclusive:
            return self._exclusive.from_indices(self._labels.to_indices(mask, where))
        present = (mask == 1).reshape(len(mask), -1)
        seen, inverse = np.unique(present, axis=1, return_inverse=True)
        numbers = [self._number_of(tuple(np.flatnonzero(column).tolist())) for column in seen.T]
        small = np.min_scalar_type(max(numbers))
        return np.array(numbers, small)[inverse.reshape(mask.shape[1:])]

    def _number_of(self, combination: tuple[int, ...]) -> int:
        if not combination:
            return 0
        return self._combinations.setdefault(combination, len(self._combinations) + 1)

    @property
    def described(self) -> dict[str, object]:
        """`labels` of `dataset.json`, and `regions_class_order` where they overlap: the larger regions first."""
        if self._labels.exclusive:
            names = {name: number for number, name in enumerate(self._labels.names, start=1)}
            ignore = self._exclusive.ignore
            return {"labels": {"background": 0, **names} | ({} if ignore is None else {"ignore": ignore})}
        for label in range(len(self._labels.names)):
            if not any(label in combination for combination in self._combinations):
                self._number_of((label,))
        regions = {
            name: [number for combination, number in self._combinations.items() if label in combination]
            for label, name in enumerate(self._labels.names)
        }
        ordered = dict(sorted(regions.items(), key=lambda region: -len(region[1])))
        size = {number: len(combination) for combination, number in self._combinations.items()}
        order = [min(numbers, key=lambda number: size[number]) for numbers in ordered.values()]
        return {"labels": {"background": 0, **ordered}, "regions_class_order": order}

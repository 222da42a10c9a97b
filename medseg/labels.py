"""What a mask can contain: names, file values, colours, codes, and the value to ignore.

Files keep their values (0, 255, ...); networks see class indices, 0 for background and 1, 2, ... in the order
of the labels. A mask is always written in file values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medseg.errors import LabelError

__all__ = ["IGNORE_INDEX", "Code", "Label", "Labels", "labels_of"]

IGNORE_INDEX = 255
_TABLE = 65535  # file values up to here are looked up in a table, which is faster than a search
# Tableau's ten, the first ones chosen to stand out on grey: red, green, blue ...
_PALETTE = (
    (214, 39, 40), (44, 160, 44), (31, 119, 180), (255, 127, 14), (148, 103, 189),
    (23, 190, 207), (227, 119, 194), (188, 189, 34), (140, 86, 75), (127, 127, 127),
)  # fmt: skip


@dataclass(frozen=True)
class Code:
    """A coded concept, such as SNOMED CT 39607008 "Lung"."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """One structure: its name, its file values (the first is the one written), its colour and perhaps a code."""

    name: str
    values: tuple[int, ...]
    colour: tuple[int, int, int]
    code: Code | None = None


@dataclass(frozen=True)
class Labels:
    """All that a mask can contain.

    Args:
        labels: The structures, in the order of their class indices (1, 2, ...).
        background: File values that mean background; the first is the one written.
        ignore: File value of voxels nobody judged; they count in no loss and no score.
        exclusive: A voxel has at most one label. Overlapping labels are a stack of binary channels.
    """

    labels: tuple[Label, ...]
    background: tuple[int, ...] = (0,)
    ignore: int | None = None
    exclusive: bool = True
    _lookup: dict[int, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        lookup = dict.fromkeys(self.background, 0)
        if self.ignore is not None:
            lookup[self.ignore] = IGNORE_INDEX
        for index, label in enumerate(self.labels, start=1):
            for value in label.values:
                if value in lookup and self.exclusive:
                    raise LabelError(
                        "labels", f"value {value} is declared twice", "Give each label its own file value."
                    )
                lookup[value] = index
        if not self.labels or len({label.name for label in self.labels}) < len(self.labels):
            raise LabelError("labels", "no label, or one name twice", "Declare each label once, as `name: file value`.")
        object.__setattr__(self, "_lookup", lookup)

    @classmethod
    def from_config(cls, declared: Mapping[str, Any]) -> "Labels":
        """From `{"lung": 255, "ignore": 127}`; `background` and `ignore` are kept words, a list is several values.

        Raises:
            LabelError: A value is not a whole number, or is declared twice.
        """
        values = {str(name): _whole_numbers(str(name), value) for name, value in declared.items()}
        background = values.pop("background", (0,))
        ignore = values.pop("ignore", None)
        labels = tuple(
            Label(name, numbers, _PALETTE[i % len(_PALETTE)]) for i, (name, numbers) in enumerate(values.items())
        )
        return cls(labels, background, ignore[0] if ignore else None)

    def to_config(self) -> dict[str, Any]:
        """The mapping that `from_config` reads."""
        declared: dict[str, Any] = {"background": list(self.background)}
        declared |= {label.name: list(label.values) for label in self.labels}
        return declared if self.ignore is None else declared | {"ignore": self.ignore}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the structures, background not among them."""
        return tuple(label.name for label in self.labels)

    @property
    def classes(self) -> int:
        """Number of class indices of exclusive labels, background included."""
        return len(self.labels) + 1

    @property
    def written_values(self) -> tuple[int, ...]:
        """File value of each class index, background first."""
        return (self.background[0], *(label.values[0] for label in self.labels))

    def to_indices(self, mask: np.ndarray, where: str = "mask") -> np.ndarray:
        """File values to class indices (uint8, `IGNORE_INDEX` for ignored voxels), of the same shape.

        Raises:
            LabelError: The mask holds values that are not declared, or not whole numbers.
        """
        if not np.issubdtype(mask.dtype, np.integer) and mask.dtype != bool:
            mask = _as_integers(mask, where)
        found = np.unique(mask)
        unknown = [int(value) for value in found if int(value) not in self._lookup]
        if unknown:
            known = ", ".join(str(value) for value in sorted(self._lookup))
            raise LabelError(
                where,
                f"label values {unknown[:10]} are not declared",
                "Declare them under `labels` in the config, or mend the mask.",
                f"only {known}",
            )
        indices = np.array([self._lookup[int(value)] for value in found], dtype=np.uint8)
        if found.size == 0 or found[0] < 0 or found[-1] > _TABLE:
            return indices[np.searchsorted(found, mask)]
        table = np.zeros(int(found[-1]) + 1, dtype=np.uint8)
        table[found.astype(np.intp)] = indices
        return table[mask.astype(np.uint8) if mask.dtype == bool else mask]

    def from_indices(self, indices: np.ndarray) -> np.ndarray:
        """Class indices to the file values that are written, in the smallest unsigned or signed type."""
        values = np.array(self.written_values)
        small = np.min_scalar_type(int(values.max())) if values.min() >= 0 else np.dtype(np.int16)
        return values.astype(small)[indices]


def labels_of(*masks: np.ndarray, where: str = "mask") -> Labels:
    """Labels for masks of which nobody declared any: "label 1", "label 2", ... for the values that are not 0.

    Raises:
        LabelError: The masks hold other than whole numbers, or more values than label maps can have.
    """
    found: set[int] = set()
    for mask in masks:
        whole = mask if np.issubdtype(mask.dtype, np.integer) or mask.dtype == bool else _as_integers(mask, where)
        found |= {int(value) for value in np.unique(whole)}
    values = sorted(found - {0}) or [1]
    if len(values) >= IGNORE_INDEX:
        raise LabelError(
            where,
            f"{len(values)} different values",
            "Give a label map; an instance map is measured one instance at a time.",
            f"at most {IGNORE_INDEX - 1} labels",
        )
    return Labels.from_config({f"label {value}": value for value in values})


def _whole_numbers(name: str, value: Any) -> tuple[int, ...]:
    numbers = value if isinstance(value, (list, tuple)) else [value]
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int) for n in numbers):
        raise LabelError(
            f"labels.{name}", f"the value {value!r}", "Write `name: 1` or `name: [1, 2]`.", "whole numbers"
        )
    return tuple(numbers)


def _as_integers(mask: np.ndarray, where: str) -> np.ndarray:
    """Whole numbers stored as floats (0.9999 counts as 1), or a refusal."""
    rounded = np.rint(mask)
    if not np.isfinite(mask).all() or np.abs(mask - rounded).max(initial=0) > 1e-3:
        raise LabelError(where, "values that are not whole numbers", "Give a label map, not an image or probabilities.")
    return rounded.astype(np.int32)

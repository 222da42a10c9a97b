"""What a mask can contain: names, file values, colours, codes, and the value to ignore.

Files keep their values (0, 255, ...); networks see class indices, 0 for background and 1, 2, ... in the order
of the labels. A mask is always written in file values.

Pictures may say it in colours instead: `{"benign": "#00ff00", "malignant": "#ff0000"}` declares the colours of
the pictures that are read, and gives the labels the file values 1, 2, ... in order, in which masks are written.
Likewise the names of structures, where a file or a data set has a mask for each:
`{"lung": ["left lung", "right lung"]}`.

What labels mean in DICOM's words stands beside them: `{"lesion": 1, "codes": {"lesion": {"type": [...], ...}}}`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from medseg.codes import Code, Coding, coding_of
from medseg.errors import LabelError

__all__ = ["IGNORE_INDEX", "Code", "Coding", "Label", "Labels", "labels_of"]

IGNORE_INDEX = 255
Colour = tuple[int, int, int]
_BLACK: Colour = (0, 0, 0)
_STRAY = 2  # undeclared values up to here are more likely labels
_TABLE = 65535  # file values up to here are looked up in a table, which is faster than a search
# Tableau's ten, the first ones chosen to stand out on grey: red, green, blue ...
_PALETTE = (
    (214, 39, 40), (44, 160, 44), (31, 119, 180), (255, 127, 14), (148, 103, 189),
    (23, 190, 207), (227, 119, 194), (188, 189, 34), (140, 86, 75), (127, 127, 127),
)  # fmt: skip


@dataclass(frozen=True)
class Label:
    """One structure: its name, its file values (the first is the one written), its colour and perhaps its codes."""

    name: str
    values: tuple[int, ...]
    colour: Colour
    code: Coding | None = None

    @property
    def coding(self) -> Coding | None:
        """Its own codes, else those that medseg's table has for its name; None where nobody gave any."""
        return self.code or coding_of(self.name)


@dataclass(frozen=True)
class Labels:
    """All that a mask can contain.

    Args:
        labels: The structures, in the order of their class indices (1, 2, ...).
        background: File values that mean background; the first is the one written.
        ignore: File value of voxels nobody judged; they count in no loss and no score.
        exclusive: A voxel has at most one label. Overlapping labels are a stack of binary channels.
        colours: What each colour of a colour-coded picture means: pairs of a colour and a file value. Empty where
            pictures hold file values.
        structures: What each named structure (a file of its own, a segment, an ROI, a drawn shape) means: pairs of
            its name and a file value. Empty where structures are called as their labels are.
    """

    labels: tuple[Label, ...]
    background: tuple[int, ...] = (0,)
    ignore: int | None = None
    exclusive: bool = True
    colours: tuple[tuple[Colour, int], ...] = ()
    structures: tuple[tuple[str, int], ...] = ()
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
        if self.exclusive and len(self.labels) >= IGNORE_INDEX:
            mend = "Join some: an index has eight bits."
            raise LabelError("labels", f"{len(self.labels)} labels", mend, f"{IGNORE_INDEX - 1} at most")
        object.__setattr__(self, "_lookup", lookup)

    @classmethod
    def from_config(cls, declared: Mapping[str, Any]) -> "Labels":
        """From `{"lung": 255, "ignore": 127}`; `background` and `ignore` are kept words, a list is several values.

        `overlapping: true` among them says that a voxel may have several labels.

        Or from colours, `{"benign": "#00ff00", "ignore": "#808080"}`, where a list is several colours and the
        background is black unless it has a colour too. The file values are then 0 for background, 1, 2, ... for
        the labels in order and 255 for ignore. Or from names of structures, `{"lung": ["left lung", "right lung"]}`,
        which give file values in the same way.

        `codes` among them, a mapping, says what labels mean in DICOM's words: see `with_codes`.

        Raises:
            LabelError: A value is neither a whole number nor a colour or name, is declared twice, or they are mixed.
        """
        declared = dict(declared)
        if isinstance(declared.get("codes"), Mapping):
            codes = declared.pop("codes")
            return cls.from_config(declared).with_codes(codes)
        overlapping = declared.pop("overlapping", False)
        if not isinstance(overlapping, bool):
            mend = "Say `overlapping: true`, or call the label something else."
            raise LabelError("labels", f"overlapping = {overlapping!r}", mend, "true or false")
        exclusive = not overlapping
        named = {str(name): value if isinstance(value, (list, tuple)) else [value] for name, value in declared.items()}
        if any(str(value).startswith("#") for values in named.values() for value in values):
            return replace(cls._from_colours(named), exclusive=exclusive)
        if named and all(values and all(map(_is_name, values)) for values in named.values()):
            return replace(cls._from_structures(named), exclusive=exclusive)
        numbers = {name: _whole_numbers(name, values) for name, values in named.items()}
        background = numbers.pop("background", (0,))
        ignore = numbers.pop("ignore", None)
        labels = tuple(Label(name, n, _PALETTE[i % len(_PALETTE)]) for i, (name, n) in enumerate(numbers.items()))
        return cls(labels, background, ignore[0] if ignore else None, exclusive)

    @classmethod
    def of_structures(cls, names: Iterable[str], *, exclusive: bool = True) -> "Labels":
        """Each named structure a label of its own, with the file values 1, 2, ... in order."""
        return replace(cls._from_structures({name: [name] for name in names}), exclusive=exclusive)

    @classmethod
    def _from_structures(cls, named: Mapping[str, Sequence[str]]) -> "Labels":
        own = {name: names for name, names in named.items() if name not in ("background", "ignore")}
        meaning = [(name, value) for value, names in enumerate(own.values(), start=1) for name in names]
        meaning += [(name, 0) for name in named.get("background", ())]
        meaning += [(name, IGNORE_INDEX) for name in named.get("ignore", ())]
        if len(dict(meaning)) < len(meaning):
            raise LabelError("labels", "a structure is declared twice", "Give each structure to one label.")
        labels = tuple(Label(n, (i + 1,), _PALETTE[i % len(_PALETTE)]) for i, n in enumerate(own))
        return cls(labels, (0,), IGNORE_INDEX if named.get("ignore") else None, structures=tuple(meaning))

    @classmethod
    def _from_colours(cls, named: Mapping[str, Sequence[Any]]) -> "Labels":
        colours = {name: tuple(_colour(name, value) for value in values) for name, values in named.items()}
        background = colours.pop("background", (_BLACK,))
        ignore = colours.pop("ignore", ())
        meaning = [(colour, 0) for colour in background] + [(colour, IGNORE_INDEX) for colour in ignore]
        for value, own in enumerate(colours.values(), start=1):
            meaning += [(colour, value) for colour in own]
        if len(dict(meaning)) < len(meaning):
            raise LabelError("labels", "a colour is declared twice", "Give each label its own colour.")
        labels = tuple(Label(name, (value,), own[0]) for value, (name, own) in enumerate(colours.items(), start=1))
        return cls(labels, (0,), IGNORE_INDEX if ignore else None, colours=tuple(meaning))

    def to_config(self) -> dict[str, Any]:
        """The mapping that `from_config` reads."""
        beside: dict[str, Any] = {} if self.exclusive else {"overlapping": True}
        codes = {label.name: label.code.to_config() for label in self.labels if label.code is not None}
        beside |= {"codes": codes} if codes else {}
        if self.colours:
            return self._to_colours() | beside
        if self.structures:
            return self._to_structures() | beside
        declared: dict[str, Any] = {"background": list(self.background)}
        declared |= {label.name: list(label.values) for label in self.labels}
        return (declared if self.ignore is None else declared | {"ignore": self.ignore}) | beside

    def with_codes(self, codes: Mapping[str, Any]) -> "Labels":
        """With codes by the names of labels, each as `Coding.from_config` takes them.

        Raises:
            LabelError: A name is none of the labels', or a code is not one.
        """
        unknown = [name for name in codes if name not in self.names]
        if unknown:
            mend = "Name labels as they are called."
            raise LabelError("codes", f"{unknown} among no labels", mend, ", ".join(self.names))
        read = {name: Coding.from_config(said, f"codes.{name}") for name, said in codes.items()}
        return replace(self, labels=tuple(replace(one, code=read.get(one.name, one.code)) for one in self.labels))

    @property
    def uncoded(self) -> tuple[str, ...]:
        """Names of the labels for which there is no code, so that no DICOM SEG or SR can be written of them."""
        return tuple(one.name for one in self.labels if one.coding is None or one.coding.category is None)

    @property
    def _written_names(self) -> dict[int, str]:
        return dict(zip(self.written_values, ("background", *self.names), strict=True)) | {IGNORE_INDEX: "ignore"}

    def _to_structures(self) -> dict[str, Any]:
        names = self._written_names
        declared: dict[str, Any] = {name: [] for name in self.names}
        for structure, value in self.structures:
            declared.setdefault(names[value], []).append(structure)
        return declared

    def _to_colours(self) -> dict[str, Any]:
        names = self._written_names
        declared: dict[str, Any] = {names[value]: [] for _colour, value in self.colours}
        for (red, green, blue), value in self.colours:
            declared[names[value]].append(f"#{red:02x}{green:02x}{blue:02x}")
        return declared

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the structures, background not among them."""
        return tuple(label.name for label in self.labels)

    def value_of(self, structure: str) -> int | None:
        """File value of a named structure, in which its mask is read; `None` where nobody asked for it.

        Names are compared in any case where that is enough to tell them apart.
        """
        meant = dict(self.structures) or {label.name: label.values[0] for label in self.labels}
        alike = {name.casefold(): value for name, value in meant.items()}
        return meant.get(structure, alike.get(structure.casefold()) if len(alike) == len(meant) else None)

    def judged(self, annotated: Iterable[str] | None) -> tuple[str, ...]:
        """Names of the labels that somebody looked for, where these structures or labels were annotated.

        A label of several structures is judged where all of them were.
        """
        if annotated is None:
            return self.names
        known = {name.casefold() for name in annotated}
        parts = {label.name: [n for n, value in self.structures if value in label.values] for label in self.labels}
        return tuple(
            name
            for name, own in parts.items()
            if name.casefold() in known or (own and all(part.casefold() in known for part in own))
        )

    @property
    def classes(self) -> int:
        """Number of class indices of exclusive labels, background included."""
        return len(self.labels) + 1

    @property
    def written_values(self) -> tuple[int, ...]:
        """File value of each class index, background first."""
        return (self.background[0], *(label.values[0] for label in self.labels))

    @property
    def file_values(self) -> tuple[int, ...]:
        """Every value that a mask may hold, background and ignore among them, sorted."""
        return tuple(sorted(self._lookup))

    def to_indices(self, mask: np.ndarray, where: str = "mask") -> np.ndarray:
        """File values to class indices (uint8, `IGNORE_INDEX` for ignored voxels), of the same shape.

        Raises:
            LabelError: The mask holds values that are not declared, or not whole numbers.
        """
        if not np.issubdtype(mask.dtype, np.integer) and mask.dtype != bool:
            mask = _as_integers(mask, where)
        if mask.dtype == np.uint8 and self._are_indices(int(mask.max(initial=0))):
            return mask.copy()
        found = np.unique(mask)
        unknown = [int(value) for value in found if int(value) not in self._lookup]
        if unknown:
            known = ", ".join(str(value) for value in self.file_values)
            raise LabelError(
                where,
                f"label values {unknown[:10]} are not declared",
                _mend(unknown, self._lookup),
                f"only {known}",
            )
        indices = np.array([self._lookup[int(value)] for value in found], dtype=np.uint8)
        if found.size == 0 or found[0] < 0 or found[-1] > _TABLE:
            return indices[np.searchsorted(found, mask)]
        table = np.zeros(int(found[-1]) + 1, dtype=np.uint8)
        table[found.astype(np.intp)] = indices
        return table[mask.astype(np.uint8) if mask.dtype == bool else mask]

    def _are_indices(self, largest: int) -> bool:
        """Whether every file value up to the largest is its own index, so that nothing is to be looked up."""
        return all(self._lookup.get(value) == value for value in range(largest + 1))

    def to_channels(self, mask: np.ndarray, where: str = "mask") -> np.ndarray:
        """File values to a channel for each label, as labels need them that overlap.

        Args:
            mask: File values, shape (x, y[, z]).
            where: What to name in an error.

        Returns:
            uint8, shape (labels, x, y[, z]): 0 and 1, and `IGNORE_INDEX` in all channels where nobody judged.

        Raises:
            LabelError: As `to_indices`.
        """
        ignored = self.to_indices(mask, where) == IGNORE_INDEX
        whole = mask if mask.dtype.kind in "iub" else np.rint(mask).astype(np.int32)
        channels = np.stack([np.isin(whole, label.values) for label in self.labels]).astype(np.uint8)
        channels[:, ignored] = IGNORE_INDEX
        return channels

    def from_indices(self, indices: np.ndarray) -> np.ndarray:
        """Class indices to the file values that are written, in the smallest unsigned or signed type.

        What is ignored becomes the value of `ignore`, or background where none is declared. Where the values are the
        indices, that is the array itself, since it may be large.
        """
        written = list(self.written_values)
        if indices.max(initial=0) == IGNORE_INDEX:
            ignore = self.background[0] if self.ignore is None else self.ignore
            written += [ignore] * (IGNORE_INDEX + 1 - len(written))
        values = np.array(written)
        small = np.min_scalar_type(int(values.max()))
        small = small if values.min() >= 0 else np.result_type(small, np.int16)
        if small == indices.dtype and np.array_equal(values, np.arange(len(values))):
            return indices
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


def _whole_numbers(name: str, values: Sequence[Any]) -> tuple[int, ...]:
    if not values or any(isinstance(n, bool) or not isinstance(n, int) for n in values):
        raise LabelError(
            f"labels.{name}",
            f"the value {values[0] if len(values) == 1 else values!r}",
            'Write `name: 1`, `name: [1, 2]` or, for colour-coded pictures, `name: "#00ff00"` with its quotes.',
            "whole numbers or colours",
        )
    return tuple(values)


def _is_name(value: Any) -> bool:
    """Whether this can name a structure; a number in quotes is more likely a file value."""
    return isinstance(value, str) and not value.strip().lstrip("-").isdigit()


def _colour(name: str, value: Any) -> Colour:
    if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise LabelError(
            f"labels.{name}",
            f"the colour {value!r}",
            "Write every label as a colour, or every label as a file value.",
            'red, green and blue as "#00ff00"',
        )
    red, green, blue = bytes.fromhex(value[1:])
    return red, green, blue


def _mend(unknown: Sequence[int], known: Mapping[int, int]) -> str:
    """What to do about undeclared values; several between two declared ones look like the edges of a resized mask."""
    mend = "Declare them under `labels` in the config, or mend the mask"
    between = min(known) < unknown[0] and unknown[-1] < max(known)
    edges = len(unknown) > _STRAY and between
    return mend + (" (anti-aliased edges: read with `nearest_label: true`)." if edges else ".")


def _as_integers(mask: np.ndarray, where: str) -> np.ndarray:
    """Whole numbers stored as floats (0.9999 counts as 1), or a refusal."""
    rounded = np.rint(mask)
    if not np.isfinite(mask).all() or np.abs(mask - rounded).max(initial=0) > 1e-3:
        raise LabelError(where, "values that are not whole numbers", "Give a label map, not an image or probabilities.")
    return rounded.astype(np.int32)

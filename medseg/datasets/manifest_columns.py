"""The columns of a manifest: what each is called, what its cells say, and which names are probably misspelt."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medseg.errors import DatasetError

__all__ = ["ALL", "KEPT", "NONE", "ManifestColumns", "parse_names", "parse_yes_no"]

KEPT = "column:"  # in front of a column of the user's own whose name would mean something here
ALL, NONE = "all", "none"  # of the structures were annotated
_PLAIN = ("id", "patient", "split", "spacing_mm", "annotated", "negative")
_FILES = re.compile(r"(image|label|reader)(?:_(\d+))?(?::(.+))?", re.DOTALL)
_FILE_LIKE = re.compile(r"image|label|mask|reader", re.IGNORECASE)
_ALIKE = 0.8
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0", "")


@dataclass(frozen=True)
class ManifestColumns:
    """Which columns of a manifest hold what.

    Args:
        images: `image`, `image_2`, ...: the channels.
        masks: `label`, `label_2`, ...: the parts of one mask.
        structures: Column and structure of each `label:NAME`; `label_2:NAME` is a further file of the same one.
        readers: Column and reader of each `reader:NAME`, `reader_2:NAME` likewise.
        kept: Column and name of every other one; `column:NAME` is called NAME.
        problems: Those that look misspelt.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    structures: tuple[tuple[str, str], ...]
    readers: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    problems: tuple[DatasetError, ...]

    @classmethod
    def of(cls, names: Sequence[str], where: str) -> "ManifestColumns":
        """Sorted out by name; `where` is what an error calls the manifest."""
        numbered: dict[str, list[tuple[int, str]]] = {"image": [], "label": []}
        named: dict[str, list[tuple[str, str]]] = {"label": [], "reader": []}
        kept: list[tuple[str, str]] = []
        problems: list[DatasetError] = []
        for name in names:
            found = _FILES.fullmatch(name)
            kind, number, whose = found.groups() if found else ("", None, None)
            if whose is None and kind in numbered:
                numbered[kind].append((int(number or 1), name))
            elif whose is not None and kind in named:
                named[kind].append((name, whose.strip()))
            elif name not in _PLAIN:
                kept.append((name, name.removeprefix(KEPT)))
                problems += _misspelt(name, names, where)
        images, masks = (tuple(name for _number, name in sorted(numbered[kind])) for kind in ("image", "label"))
        return cls(images, masks, tuple(named["label"]), tuple(named["reader"]), tuple(kept), tuple(problems))

    @classmethod
    def means_something(cls, name: str) -> bool:
        """Whether a column of the user's own would be taken for one of ours, or for a misspelt one."""
        return name.startswith(KEPT) or name in _PLAIN or bool(_misspelt(name, (), "")) or bool(_FILES.fullmatch(name))


def _misspelt(name: str, names: Iterable[str], where: str) -> list[DatasetError]:
    if name.startswith(KEPT):
        return []
    near = difflib.get_close_matches(name.lower(), (*_PLAIN, "image", "label"), n=1, cutoff=_ALIKE)
    if _FILE_LIKE.match(name):
        expected = "image, image_2, label, label_2, label:STRUCTURE, reader:NAME"
    elif near and near[0] not in names:
        expected = near[0]
    else:
        return []
    mend = f"Rename it; to keep it as a column of your own, call it {KEPT}{name}."
    return [DatasetError(where, f"the column {name!r} is unknown", mend, expected)]


def parse_yes_no(text: str, where: str) -> bool:
    """A cell that says yes or no; an empty one is no.

    Raises:
        DatasetError: It says something else.
    """
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise DatasetError(where, f"negative is {text!r}", "Mend it, or leave it empty.", "yes or no")


def parse_names(text: str) -> tuple[str, ...] | None:
    """Names between semicolons: "liver;tumour", "all" (as `None`) or "none"."""
    if text.lower() in (ALL, NONE):
        return None if text.lower() == ALL else ()
    return tuple(name.strip() for name in text.split(";") if name.strip())

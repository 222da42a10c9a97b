"""The codes of a structure by its name; what the table does not have is not guessed."""

import re
from dataclasses import replace
from functools import cache

from medseg.codes.coding import SIDES, Code, Coding
from medseg.codes.table import CATEGORIES, STRUCTURES, Structure

__all__ = ["coding_of"]

_SCHEME = "SCT"
_SIDES = {**{side: side for side in SIDES}, "both": "bilateral"}


def coding_of(name: str) -> Coding | None:
    """What a name stands for in the table: a structure or finding, perhaps with its side, or a finding in a structure.

    Case, underscores and hyphens do not matter: `Kidney_left`, "left kidney", "liver tumor", "lung nodule right".
    `None` for everything else.
    """
    words = re.sub(r"[\s_\-/]+", " ", name).strip().casefold().split()
    whole = _known().get(" ".join(words))
    if whole is not None:
        return _plain(whole)
    sides = [_SIDES[word] for word in words if word in _SIDES]
    rest = [word for word in words if word not in _SIDES]
    if len(sides) > 1 or not rest:
        return None
    side = SIDES[sides[0]] if sides else None
    found = _known().get(" ".join(rest))
    if found is not None:
        return replace(_plain(found), modifier=side)
    return _finding_in(rest, side)


def _finding_in(words: list[str], side: Code | None) -> Coding | None:
    """A finding in a structure, named in this order: "liver tumor"."""
    for at in range(1, len(words)):
        place, finding = _known().get(" ".join(words[:at])), _known().get(" ".join(words[at:]))
        if place is not None and finding is not None and (place.kind, finding.kind) == ("anatomy", "finding"):
            return replace(_plain(finding), region=_code(place), region_modifier=side)
    return None


@cache
def _known() -> dict[str, Structure]:
    return {name: one for one in STRUCTURES for name in one.names}


def _plain(one: Structure) -> Coding:
    return Coding(_code(one), Code(_SCHEME, *CATEGORIES[one.kind]))


def _code(one: Structure) -> Code:
    return Code(_SCHEME, one.code, one.meaning)

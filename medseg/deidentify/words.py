"""Text without what identifies: descriptions reduced to harmless words, and what names this patient struck out."""

import re
from collections.abc import Iterable
from typing import Final

from medseg.deidentify.vocabulary import UNITS, WORDS

__all__ = ["cleaned", "known_names", "without"]

_PIECE = re.compile(r"[^\W_]+(?:[.,]\d+)?|[\W_]+")
# 12.03.1962, 12/3/62, 1962-03-12: no part of a date may pass for a thickness.
_DATE = re.compile(r"\d{1,4}\s?[-/.]\s?\d{1,2}\s?[-/.]\s?\d{1,4}")
_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
_MEASURE = re.compile(rf"\d{{1,3}}([.,]\d{{1,2}})?({_UNIT})", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}([.,]\d{1,2})?")
# T1, L5, C2, B30f: weightings, vertebrae, kernels. More digits could be a number of a patient.
_NUMBERED = re.compile(r"(t|c|l|s|th|b|br|h|hr|bl|fc|q|i|j|u)\d{1,2}[a-z]?|[23]d", re.IGNORECASE)
_TITLES = ("Mr", "Dr")  # and not MR or DR, which are modalities
_SPLIT = re.compile(r"[\s^=,;\\/_.\-()]+")
_SHORTEST: Final = 3  # letters of a name that is struck out: "de" and "Li" would take half of all words with them


def cleaned(text: str, names: Iterable[str] = ()) -> str:
    """A description reduced to words that are known to be harmless, weightings, vertebrae and measures with a unit.

    Args:
        text: The description.
        names: Words in lower case that are not harmless here, as people of this file are called so.
    """
    unwanted = frozenset(names)
    pieces = _PIECE.findall(_DATE.sub(" ", text))
    words = [piece for piece in pieces if piece[0].isalnum()]
    around = zip(["", *words], words, [*words[1:], ""], strict=False)
    return " ".join(word for before, word, after in around if _harmless(before, word, after, unwanted))


def _harmless(before: str, word: str, after: str, unwanted: frozenset[str]) -> bool:
    low = word.lower()
    if low in unwanted or word in _TITLES:
        return False
    if low in WORDS or _MEASURE.fullmatch(low) or _NUMBERED.fullmatch(low):
        return True
    if low in UNITS:
        return len(low) > 1 or _NUMBER.fullmatch(before) is not None
    return _NUMBER.fullmatch(low) is not None and after.lower() in UNITS - unwanted


def known_names(names: Iterable[str], numbers: Iterable[str]) -> frozenset[str]:
    """The words, in lower case, that must not appear in what is left of a file.

    Args:
        names: Names of people, as DICOM writes them.
        numbers: Identifiers; parts of them are struck out only where they are whole.
    """
    parts = (part.lower() for name in names for part in _SPLIT.split(name))
    found = {part for part in parts if len(part) >= _SHORTEST and not part.isdigit()}
    whole = (number.strip(" \0").lower() for number in numbers)
    return frozenset(found | {number for number in whole if len(number) > _SHORTEST})


def without(text: str, names: frozenset[str]) -> str:
    """Text from which these words are struck out, wherever they stand by themselves."""
    low = text.lower()
    found = sorted((name for name in names if name in low), key=len, reverse=True)
    for name in found:
        text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", "", text, flags=re.IGNORECASE)
    return text.strip() if found else text

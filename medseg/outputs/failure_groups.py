"""Failures of a batch, put together by their reason: what differs from case to case is left out of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from medseg.ledger.summary import Failure

__all__ = ["FailureGroup", "failure_groups"]

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_WORD = re.compile(r"[^\s'\"()]+")
_PARTS = re.compile(r"[/\\:]+")
_GAP = "…"


@dataclass(frozen=True)
class FailureGroup:
    """Cases that failed for one reason.

    Args:
        reason: Without names, and without figures where they are another's in each case.
        advice: What mends it; empty where we do not know.
        cases: Their ids, in their order.
        example: The first one's error, whole.
    """

    reason: str
    advice: str
    cases: tuple[str, ...]
    example: str


def failure_groups(failures: Iterable[Failure]) -> list[FailureGroup]:
    """The failures by their reasons, the most frequent first."""
    groups: dict[tuple[str, str], list[tuple[Failure, str, str]]] = {}
    for failure in failures:
        reason = _nameless(failure.error.removesuffix(failure.advice).strip(), failure)
        advice = _nameless(failure.advice, failure)
        groups.setdefault((_NUMBER.sub("#", reason), _NUMBER.sub("#", advice)), []).append((failure, reason, advice))
    found = [
        FailureGroup(
            _common([reason for _failure, reason, _advice in members]),
            _common([advice for _failure, _reason, advice in members]),
            tuple(failure.case for failure, *_texts in members),
            members[0][0].error,
        )
        for members in groups.values()
    ]
    return sorted(found, key=lambda group: -len(group.cases))


def _nameless(text: str, failure: Failure) -> str:
    """A text without the case's names."""
    names = {failure.case, *failure.images, *(PurePath(image).name for image in failure.images)} - {""}
    for name in sorted((name for name in names if " " in name), key=len, reverse=True):
        text = text.replace(name, _GAP)
    text = _WORD.sub(lambda found: _without(found[0], names), text)
    return text.removeprefix(f"{_GAP}: ").removesuffix(".")


def _common(texts: list[str]) -> str:
    """What texts say that differ in figures at most: with its figures where they are the same in all."""
    return texts[0] if len(set(texts)) == 1 else _NUMBER.sub("#", texts[0])


def _without(word: str, names: set[str]) -> str:
    """A gap, and the word's own punctuation, where it is one of the names or a path through one."""
    core = word.rstrip(":,;.")
    named = core in names or not names.isdisjoint(_PARTS.split(core))
    return _GAP + word[len(core) :] if named else word

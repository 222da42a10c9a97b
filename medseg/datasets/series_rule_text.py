"""`--series "modality=CT, slices>20, newest"`: the small language in which a rule for series is written."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from medseg.datasets.series_rules import COMPARED, FIELDS, ORDERS, Condition, Kind, SeriesRule
from medseg.errors import ConfigError

__all__ = ["parse_series_rule"]

_WHERE = "--series"
_EXAMPLE = 'such as "modality=CT, slices>20, newest"'
_OPERATORS: dict[Kind, tuple[str, ...]] = {
    "text": ("=", "!=", "~"),
    "number": ("=", "!=", *COMPARED),
    "date": ("=", "!=", *COMPARED),
    "yes or no": ("=", "!="),
}
_PART = re.compile(r"([A-Za-z_ ]*?)\s*(<=|>=|!=|==|=|<|>|~)\s*(.*)", re.DOTALL)
_QUOTED = re.compile(r"""([^,"']|"[^"]*"|'[^']*')+""")


def parse_series_rule(text: str) -> SeriesRule:
    """A rule as it is written on the command line.

    Parts stand between commas; a value with a comma goes into quotes. A part is a word of `ORDERS`, or a field, a
    sign and a value; `modality=CT|MR` takes either.

    Raises:
        ConfigError: A part cannot be understood; the nearest field or word is told.
    """
    conditions, orders = [], []
    for part in _parts(text):
        found = _PART.fullmatch(part)
        if found is None:
            orders.append(_order(part))
        else:
            conditions.append(_condition(part, *found.groups()))
    if not conditions and not orders:
        raise ConfigError(_WHERE, "is empty", f"Write what the series must be, {_EXAMPLE}.")
    return SeriesRule(tuple(conditions), tuple(orders), " ".join(text.split()))


def _parts(text: str) -> list[str]:
    parts, at = [], 0
    while at < len(text):
        if text[at] in ", \t\n":
            at += 1
            continue
        found = _QUOTED.match(text, at)
        if found is None:
            raise ConfigError(_WHERE, f"a quotation mark in {text[at:]!r} is left open", "Close it.")
        parts.append(found[0].strip())
        at = found.end()
    return parts


def _order(word: str) -> str:
    known = word.lower()
    if known in ORDERS:
        return known
    if known in FIELDS:
        raise ConfigError(_WHERE, f"the field {word!r} stands alone", f"Say what it must be, {_EXAMPLE}.")
    raise ConfigError(_WHERE, f"unknown word {word!r}", _nearest(word, [*ORDERS, *FIELDS]), ", ".join(ORDERS))


def _condition(part: str, name: str, sign: str, value: str) -> Condition:
    field, sign = name.strip().lower(), sign.replace("==", "=")
    if field not in FIELDS:
        raise ConfigError(_WHERE, f"unknown field {name!r} in {part!r}", _nearest(name, FIELDS), ", ".join(FIELDS))
    kind = FIELDS[field]
    if sign not in _OPERATORS[kind]:
        found = f"{part!r}: {field} is a {kind}, which has no {sign}"
        raise ConfigError(_WHERE, found, "Use another sign.", " ".join(_OPERATORS[kind]))
    if value[:1] in ('"', "'"):
        value = value[1:-1]
    if not value:
        raise ConfigError(_WHERE, f"{part!r} has no value", f"Write one, {_EXAMPLE}.")
    made = Condition(field, sign, value)
    _check(made, part, kind)
    return made


def _check(made: Condition, part: str, kind: Kind) -> None:
    """Refuse a value that its field can never have."""
    try:
        if made.sign == "~":
            re.compile(made.value)
        elif kind != "text":
            made.meant()
    except re.error as error:
        found = f"{part!r}: {made.value!r} is no regular expression ({error})"
        raise ConfigError(_WHERE, found, "Mend it; a backslash before a sign takes its meaning away.") from error
    except ValueError as error:
        wanted = {"number": "a number", "date": "a date such as 2024-01-31"}.get(kind, "yes or no")
        raise ConfigError(_WHERE, f"{part!r}: {made.value!r} is none", "Mend it.", wanted) from error


def _nearest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name.strip().lower(), list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else f"Take one of these, {_EXAMPLE}."

"""`--series "modality=CT, slices>20, newest"`: a small language for which series of a study is segmented."""

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from medseg.errors import ConfigError

__all__ = ["FIELDS", "ORDERS", "Condition", "SeriesRule", "parse_series_rule"]

Kind = Literal["text", "number", "date", "yes or no"]
Value = str | float | bool | None
FIELDS: dict[str, Kind] = {
    "modality": "text",
    "description": "text",
    "protocol": "text",
    "kernel": "text",
    "orientation": "text",
    "kind": "text",
    "number": "number",
    "slices": "number",
    "spacing": "number",
    "thickness": "number",
    "pixel": "number",
    "date": "date",
    "contrast": "yes or no",
}
# Word: the field that it sorts by, and whether the highest comes first.
ORDERS: dict[str, tuple[str, bool]] = {
    "newest": ("time", True),
    "oldest": ("time", False),
    "largest": ("voxels", True),
    "smallest": ("voxels", False),
    "first": ("number", False),
    "last": ("number", True),
}
_WHERE = "--series"
_EXAMPLE = 'such as "modality=CT, slices>20, newest"'
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OPERATORS: dict[Kind, tuple[str, ...]] = {
    "text": ("=", "!=", "~"),
    "number": ("=", "!=", *_COMPARED),
    "date": ("=", "!=", *_COMPARED),
    "yes or no": ("=", "!="),
}
_PART = re.compile(r"([A-Za-z_ ]*?)\s*(<=|>=|!=|==|=|<|>|~)\s*(.*)", re.DOTALL)
_QUOTED = re.compile(r"""([^,"']|"[^"]*"|'[^']*')+""")
_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_EQUAL = 1e-3  # headers round where users do not


@dataclass(frozen=True)
class Condition:
    """One part of a rule that holds for a series, or not.

    Args:
        field: One of `FIELDS`.
        sign: =, !=, <, >, <=, >= or ~ (a regular expression that is found somewhere, in any case).
        value: As the user wrote it.
    """

    field: str
    sign: str
    value: str

    def holds(self, found: Value) -> bool:
        """Whether it holds for a value; for one that is not known only `!=` does."""
        if found is None or found == "":
            return self.sign == "!="
        if self.sign == "~":
            return re.search(self.value, str(found), re.IGNORECASE) is not None
        if self.sign in _COMPARED:
            return _COMPARED[self.sign](found, _meant(self))
        return self._equals(found) == (self.sign == "=")

    def _equals(self, found: Value) -> bool:
        kind = FIELDS[self.field]
        if kind == "text":
            return str(found).casefold() in [one.strip().casefold() for one in self.value.split("|")]
        if kind == "number":
            return math.isclose(float(found or 0), float(self.value), rel_tol=_EQUAL)
        return found == _meant(self)

    def __str__(self) -> str:
        return f"{self.field}{self.sign}{self.value}"


@dataclass(frozen=True)
class SeriesRule:
    """What a series must be, and which of several that are so is taken.

    Args:
        conditions: All must hold.
        orders: Keys of `ORDERS`: the first decides, the next ones where it leaves several.
        text: As it was given.
    """

    conditions: tuple[Condition, ...]
    orders: tuple[str, ...]
    text: str

    @property
    def fields(self) -> frozenset[str]:
        """Those that its conditions look at."""
        return frozenset(condition.field for condition in self.conditions)

    def fails(self, values: Mapping[str, Value]) -> Condition | None:
        """The first condition that does not hold for a series, if any."""
        return next((one for one in self.conditions if not one.holds(values.get(one.field))), None)

    def ranked(self, found: Sequence[Mapping[str, Value]]) -> list[int]:
        """Indices of series in the order of its words; what a word does not decide is decided by the series' number.

        A series that does not say what a word asks for comes after those that do.
        """
        orders = [ORDERS[word] for word in self.orders] + [("number", False)]
        ranked = list(range(len(found)))
        for field, highest in reversed(orders):  # sorting keeps the order of equals, so the first word is applied last
            ranked.sort(key=lambda index: _place(found[index].get(field), highest))
        return ranked


def _place(value: Value, highest: bool) -> tuple[bool, Any]:
    if value is None or value == "":
        return True, 0
    number = _as_number(value)
    return False, -number if highest else number


def _as_number(value: Value) -> float:
    """Numbers as they are; moments, which are texts of digits with a point, likewise."""
    return float(value or 0)


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
            _meant(made)
    except re.error as error:
        found = f"{part!r}: {made.value!r} is no regular expression ({error})"
        raise ConfigError(_WHERE, found, "Mend it; a backslash before a sign takes its meaning away.") from error
    except ValueError as error:
        wanted = {"number": "a number", "date": "a date such as 2024-01-31"}.get(kind, "yes or no")
        raise ConfigError(_WHERE, f"{part!r}: {made.value!r} is none", "Mend it.", wanted) from error


def _meant(condition: Condition) -> Value:
    """The value of a condition in the type of its field.

    Raises:
        ValueError: It is not of this type.
    """
    kind, text = FIELDS[condition.field], condition.value
    if kind == "number":
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    if kind == "date":
        found = _DATE.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return "-".join(found.groups())
    if text.lower() not in ("yes", "no"):
        raise ValueError(text)
    return text.lower() == "yes"


def _nearest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name.strip().lower(), list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else f"Take one of these, {_EXAMPLE}."

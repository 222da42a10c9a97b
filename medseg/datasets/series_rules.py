"""Which series of a study is segmented: what must hold for it, and which of several that are so is taken."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["COMPARED", "FIELDS", "ORDERS", "Condition", "Kind", "SeriesRule", "Value"]

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
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
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
        if self.sign in COMPARED:
            return COMPARED[self.sign](found, self.meant())
        return self._equals(found) == (self.sign == "=")

    def _equals(self, found: Value) -> bool:
        kind = FIELDS[self.field]
        if kind == "text":
            return str(found).casefold() in [one.strip().casefold() for one in self.value.split("|")]
        if kind == "number":
            return math.isclose(float(found or 0), float(self.value), rel_tol=_EQUAL)
        return found == self.meant()

    def meant(self) -> Value:
        """Its value in the type of its field.

        Raises:
            ValueError: It is not of this type.
        """
        kind, text = FIELDS[self.field], self.value
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

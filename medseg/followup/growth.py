"""How a lesion's size changed: in its own unit, in percent, and how long it takes to double."""

import math
from datetime import date

__all__ = ["change", "days_between", "doubling_days", "percent"]


def change(before: float | None, after: float | None) -> float | None:
    """What it grew by; nothing where one of the two is not known."""
    return None if before is None or after is None else after - before


def percent(before: float | None, after: float | None) -> float | None:
    """The same as a percentage of what it was; nothing where it was nothing."""
    if before is None or after is None or before <= 0:
        return None
    return 100 * (after - before) / before


def days_between(before: date | None, after: date | None) -> int | None:
    """Days from one date to the other; nothing where one is not known."""
    return None if before is None or after is None else (after - before).days


def doubling_days(before: float | None, after: float | None, days: float | None) -> float | None:
    """The time in which a volume doubles if it grows exponentially: ln 2 · Δt / ln(V2 / V1).

    Schwartz 1961 (doi:10.1002/1097-0142(196111/12)14:6<1272::AID-CNCR2820140618>3.0.CO;2-H).

    Args:
        before: Volume at the first date, in any unit.
        after: Volume at the second.
        days: Days from the first to the second.

    Returns:
        Days; nothing where it did not grow, where a volume is nothing, or where no time passed or it is not known.
    """
    if before is None or after is None or not days or days < 0:
        return None
    if before <= 0 or after <= before:
        return None
    return math.log(2) * days / math.log(after / before)

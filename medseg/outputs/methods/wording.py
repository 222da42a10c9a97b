"""Numbers, lists and counts as a paper writes them."""

from collections.abc import Sequence

__all__ = ["counted", "interval", "joined", "number", "percent", "sizes", "span"]


def number(value: float, digits: int = 3) -> str:
    """Significant digits; whole numbers whole."""
    if float(value).is_integer():
        return f"{int(value)}"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """1 case, 2 cases."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def joined(words: Sequence[str], last: str = "and") -> str:
    """a, b and c."""
    return ", ".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def sizes(values: Sequence[float], unit: str = "") -> str:
    """20 × 24 × 18, with a unit at the end."""
    return " × ".join(number(value) for value in values) + (f" {unit}" if unit else "")


def span(low: float, high: float) -> str:
    """3 to 5, or 3 alone where both are that."""
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def percent(share: float) -> str:
    """20%."""
    return f"{number(100 * share)}%"


def interval(mean: float, low: float | None, high: float | None) -> str:
    """0.877 (0.841 to 0.903), in three decimals; without the brackets where there is no interval."""
    if low is None or high is None:
        return f"{mean:.3f}"
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"

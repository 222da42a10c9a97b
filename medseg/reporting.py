"""How long work tells what it is doing: a silent `Reporter` that a terminal or notebook replaces."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Reporter", "Silent"]

T = TypeVar("T")


class Reporter(Protocol):
    """Receives progress; never decides anything."""

    def track(self, items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:
        """Yield the items and show how many of them are done."""
        ...

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        """Show that `done` of `total` of a named piece of work are done; it is over when they are equal."""
        ...

    def say(self, text: str) -> None:
        """Show one line."""
        ...


class Silent:
    """Shows nothing."""

    def track(self, items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:
        """Yield the items."""
        yield from items

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

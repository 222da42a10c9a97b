"""Progress bars in a terminal or a notebook: the `Reporter` that is seen."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["RichReporter"]

T = TypeVar("T")


class RichReporter:
    """One bar for each piece of work, drawn on the console given (standard error by default).

    Use it as a context manager; the bars stay on the screen when it ends.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def track(self, items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:
        """Yield the items under a bar of their own."""
        task = self._bars.add_task(text, total=total, note="")
        for item in items:
            yield item
            self._bars.advance(task)

    def advance(self, text: str, done: float, total: float, note: str = "") -> None:
        """Set the named bar; it is made when it is first named."""
        if text not in self._tasks:
            self._tasks[text] = self._bars.add_task(text, total=total, note=note)
        self._bars.update(self._tasks[text], completed=done, total=total, note=note)

    def say(self, text: str) -> None:
        """Show one line above the bars."""
        self._console.print(text, highlight=False)

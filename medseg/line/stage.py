"""One stage of the line: work goes in, what came of it comes out; done here, or by processes."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from medseg.line.child import Raised
from medseg.line.spending import Spent, spending
from medseg.line.worker import Crashed, Worker

__all__ = ["Came", "Here", "Pool", "Stage"]


@dataclass(frozen=True, eq=False)
class Came:
    """What came of a piece of work.

    Args:
        item: Whatever it was put in with.
        message: What was asked; it can be put in again.
        found: The result, an error, or `Crashed`.
        spent: What it cost.
        seconds: That it might take.
    """

    item: Any
    message: Any
    found: Any
    spent: Spent
    seconds: float | None = None


class Stage(Protocol):
    """Does one thing to messages."""

    @property
    def width(self) -> int:
        """How many it does at a time."""

    @property
    def items(self) -> list[Any]:
        """What is with it."""

    @property
    def pipes(self) -> list[Connection]:
        """What becomes readable when something came."""

    def put(self, item: Any, message: Any, seconds: float | None = None) -> None:
        """Put work in, which may take so long."""

    def come(self) -> list[Came]:
        """What came meanwhile; does not wait.

        Raises:
            Exception: Its process cannot be prepared.
        """

    def close(self) -> None:
        """End it; what is with it is lost."""


class Here:
    """A stage in this process: what is put in is done at once.

    Args:
        function: Of `given` and the message.
        given: Its first argument.
        heard: Entered round the work; where Ctrl-C may end it.
    """

    width = 1

    def __init__(
        self, function: Callable[[Any, Any], Any], given: Any, heard: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._function, self._given, self._heard = function, given, heard
        self._came: list[Came] = []
        self.pipes: list[Connection] = []

    @property
    def items(self) -> list[Any]:
        """What was done and not taken."""
        return [came.item for came in self._came]

    def put(self, item: Any, message: Any, seconds: float | None = None) -> None:
        """Do it; there is no limit to be kept."""
        found: Any
        with spending() as spent:
            try:
                with self._heard():
                    found = self._function(self._given, message)
            except Exception as error:  # a batch goes on whatever one study does to it
                found = error
        self._came.append(Came(item, message, found, spent, seconds))

    def come(self) -> list[Came]:
        """All that was put in."""
        came, self._came = self._came, []
        return came

    def close(self) -> None:
        """Nothing is left to end."""


class Pool:
    """A stage of processes that all do the same.

    Args:
        workers: They.
        say: Is told where one of several cannot begin; the others do its work.
        leave: Is given each in the end; kills it where nothing else is said.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        say: Callable[[str], None] | None = None,
        leave: Callable[[Worker], None] = Worker.kill,
    ) -> None:
        self._queues = [_Queue(worker, deque()) for worker in workers]
        self._say, self._leave = say, leave

    @property
    def width(self) -> int:
        """Its processes."""
        return len(self._queues)

    @property
    def items(self) -> list[Any]:
        """What is with its processes."""
        return [item for queue in self._queues for item, *_rest in queue.items]

    @property
    def pipes(self) -> list[Connection]:
        """Those of processes that are at something."""
        return [queue.worker.pipe for queue in self._queues if queue.items]

    def put(self, item: Any, message: Any, seconds: float | None = None) -> None:
        """Hand it to the process with the fewest."""
        queue = min(self._queues, key=lambda queue: len(queue.items))
        queue.items.append((item, message, seconds))
        queue.worker.submit(message, seconds)

    def come(self) -> list[Came]:
        """What the processes answered."""
        found = []
        for queue in list(self._queues):
            while queue.items and self._ready(queue):
                outcome = queue.worker.outcome()
                item, message, seconds = queue.items.popleft()
                if isinstance(outcome, Crashed) and not outcome.to_blame:
                    self.put(item, message, seconds)
                    continue
                answer = outcome.error if isinstance(outcome, Raised) else outcome
                found.append(Came(item, message, answer, queue.worker.spent, seconds))
        return found

    def _ready(self, queue: "_Queue") -> bool:
        try:
            return queue.worker.ready()
        except Exception as error:
            if len(self._queues) == 1 or self._say is None:
                raise
            self._queues.remove(queue)
            queue.worker.kill()
            self._say(f"Goes on with {len(self._queues)} processes, as another cannot begin: {error}")
            while queue.items:
                self.put(*queue.items.popleft())
            return False

    def close(self) -> None:
        """Leave them."""
        for queue in self._queues:
            self._leave(queue.worker)


@dataclass
class _Queue:
    worker: Worker
    items: deque[tuple[Any, Any, float | None]]

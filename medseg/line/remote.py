"""A model that is open in processes of its own."""

from collections.abc import Callable
from dataclasses import replace

from medseg.line.child import Start
from medseg.line.limits import Limits, Watch
from medseg.line.network import Facts, Opening, opened, pinned
from medseg.line.segmenting import segment
from medseg.line.worker import Worker
from medseg.room import Shared

__all__ = ["Remote"]

_MOST = 8  # processes that are chosen; each holds the model and a case
_CASES_EACH = 4  # fewer are done sooner than another process has opened the model


class Remote:
    """A model that is open in processes of its own; this one loads no torch for it.

    The first opens it while other things are done. The others, which are started when it is known what is to be done,
    run it just so: on another GPU where there are several, with as many threads.

    Args:
        opening: How it is opened.
        limits: What opening it may take, too.
    """

    def __init__(self, opening: Opening, limits: Limits | None = None) -> None:
        self._opening, self._limits = opening, limits or Limits()
        self._watch = Watch(self._limits)
        self._first: Worker | None = Worker(self._start(opening, Shared()), self._watch)

    @property
    def facts(self) -> Facts:
        """What it is; waits until it is open.

        Raises:
            MedsegError: It cannot be opened.
        """
        assert self._first is not None
        facts: Facts = self._first.prepare()
        return facts

    def workers(self, watch: Watch, shared: Shared, cases: int) -> list[Worker]:
        """The processes for so many cases, kept to limits from now on; where large arrays lie elsewhere fresh ones."""
        facts, count, first = self.facts, self.count(cases), self._first
        assert first is not None
        if shared == Shared():
            workers = [first.kept_to(watch)]
        else:
            self.close()
            workers = [Worker(self._start(self._opening, shared), watch)]
        return workers + [Worker(self._start(self._like(facts, number), shared), watch) for number in range(1, count)]

    def count(self, cases: int) -> int:
        """How many processes there are for so many cases."""
        fit = min(self.facts.fit, _MOST, cases // _CASES_EACH)
        return max(1, min(self._opening.workers or fit, cases))

    def close(self) -> None:
        """End its process."""
        self._watch.close()
        if self._first is not None:
            self._first.kill()
            self._first = None

    def _like(self, facts: Facts, number: int) -> Opening:
        """How another process opens it, to run just as in the first."""
        settings = pinned(self._opening.settings, facts.settings)
        if facts.devices:
            settings["device"] = f"cuda:{number % facts.devices}"
        return replace(self._opening, settings=settings, threads=facts.threads, hash=facts.hash)

    @staticmethod
    def _start(opening: Opening, shared: Shared) -> Start:
        """What a process is told; it opens the model before its first message."""
        return Start(_named(segment), opening, shared, _named(opened), str(opening.path))


def _named(function: Callable[..., object]) -> tuple[str, str]:
    return function.__module__, function.__name__

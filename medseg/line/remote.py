"""A model that is open in processes of its own."""

from collections.abc import Callable
from dataclasses import replace

from medseg.line.child import Start
from medseg.line.limits import Limits, Watch
from medseg.line.network import Facts, Opening, opened_apart, pinned
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
        lasting: Its processes wait for more after the cases that they were started for; else they end with them.
    """

    def __init__(self, opening: Opening, limits: Limits | None = None, *, lasting: bool = False) -> None:
        self._opening, self._lasting = opening, lasting
        self._watch = Watch(limits or Limits())
        self._shared = Shared()
        self._facts: Facts | None = None
        self._workers = {0: Worker(self._start(opening, self._shared), self._watch)}

    @property
    def facts(self) -> Facts:
        """What it is; waits until it is open.

        Raises:
            MedsegError: It cannot be opened.
        """
        if self._facts is None:
            self._facts = self._workers[0].prepare()
        return self._facts

    def workers(self, watch: Watch, shared: Shared, cases: int) -> list[Worker]:
        """The processes for so many cases, kept to limits from now on; where large arrays lie elsewhere fresh ones."""
        facts = self.facts
        if shared != self._shared:
            self._end()
            self._shared = shared
        starts = [self._start(self._like(facts, number), shared) for number in range(self.count(cases))]
        return [self._worker(number, start, watch) for number, start in enumerate(starts)]

    def leave(self, worker: Worker) -> None:
        """Take a process back from its cases: it waits for more, where it was to last and is done with them."""
        if self._lasting and not worker.outstanding:
            worker.kept_to(self._watch)
        else:
            worker.kill()

    def waits(self) -> bool:
        """Whether a process waits for more; those that have ended meanwhile are forgotten, and replaced when needed."""
        self._workers = {number: worker for number, worker in self._workers.items() if not worker.gone()}
        return bool(self._workers)

    def count(self, cases: int) -> int:
        """How many processes there are for so many cases."""
        fit = min(self.facts.fit, _MOST, cases // _CASES_EACH)
        return max(1, min(self._opening.workers or fit, cases))

    def close(self) -> None:
        """End its processes."""
        self._watch.close()
        self._end()

    def _worker(self, number: int, start: Start, watch: Watch) -> Worker:
        """One of them; where it has to begin anew, it opens the same model again, or none."""
        if number in self._workers:
            return self._workers[number].kept_to(watch, start)
        self._workers[number] = Worker(start, watch)
        return self._workers[number]

    def _end(self) -> None:
        for worker in self._workers.values():
            worker.kill()
        self._workers = {}

    def _like(self, facts: Facts, number: int) -> Opening:
        """How another process opens it, to run just as in the first."""
        settings = pinned(self._opening.settings, facts.settings)
        if facts.devices:
            settings["device"] = f"cuda:{number % facts.devices}"
        return replace(self._opening, settings=settings, threads=facts.threads, hash=facts.hash)

    @staticmethod
    def _start(opening: Opening, shared: Shared) -> Start:
        """What a process is told; it opens the model before its first message."""
        return Start(_named(segment), opening, shared, _named(opened_apart), str(opening.path))


def _named(function: Callable[..., object]) -> tuple[str, str]:
    return function.__module__, function.__name__

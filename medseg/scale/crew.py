"""What runs in a Dask worker: it agrees with a run, keeps the model open in processes of its own, and does its tasks.

The worker itself only waits, so that its scheduler always hears of it; a process that crashes, hangs or eats memory
costs one attempt of one case, and the worker lives on.
"""

import os
import platform
import threading
from dataclasses import replace

from medseg.ledger import Listing, digest, fingerprint
from medseg.line.child import Raised, Start
from medseg.line.limits import Watch
from medseg.line.network import Facts
from medseg.line.worker import Crashed, Worker
from medseg.scale import chores
from medseg.scale.terms import MOUNT, Answer, Chore, Declined, Died, Seen, Terms, Unfit

__all__ = ["Crew", "attend", "crew_of", "dismiss", "greet", "sign_of"]

_LOOK = 1.0  # seconds between two looks whether the run is still there
_LOCK = threading.Lock()
_CREWS: dict[str, "Crew"] = {}


class Crew:
    """Processes in which the model of one run is open, one for each task that this worker does at a time."""

    def __init__(self, terms: Terms) -> None:
        assert terms.opening is not None
        self.lease = terms.lease
        self._start = Start(
            (chores.__name__, chores.do.__name__),
            chores.Bench(terms.opening, terms.cwd),
            prepare=(chores.__name__, chores.ready.__name__),
        )
        self._watch = Watch(terms.limits)
        self._idle: list[Worker] = []
        self.facts: Facts | None = None

    def take(self) -> Worker:
        """A process that is ready, to be put back or killed.

        Raises:
            Exception: The model cannot be opened in it.
        """
        with _LOCK:
            worker = self._idle.pop() if self._idle else None
        worker = worker or Worker(self._start, self._watch)
        try:
            self.facts = worker.prepare()
        except BaseException:
            worker.kill()
            raise
        return worker

    def put_back(self, worker: Worker) -> None:
        """For the next task."""
        with _LOCK:
            self._idle.append(worker)

    def close(self) -> None:
        """End the processes that have nothing to do."""
        self._watch.close()
        with _LOCK:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()


def sign_of(facts: Facts) -> str:
    """What two workers agree in whose masks are the same: hash and settings of the model."""
    from medseg.batch.resuming import settings_hash  # a batch knows this package

    return digest({"model": facts.hash, "settings": settings_hash(facts, {})})


def greet(terms: Terms, address: str, name: str) -> Seen | Unfit:
    """Whether this worker can take part; where the terms tell how, it opens the model.

    Args:
        terms: Of the run.
        address: Of this worker.
        name: Under which it answers in the folder of the run.
    """
    unfit = _unlike(terms) or _unseen(terms, name)
    if unfit:
        return Unfit(address, *unfit)
    facts = None
    if terms.opening is not None:
        crew = crew_of(terms)
        try:
            crew.put_back(crew.take())
        except Exception as error:  # whatever it is, the user has to know of which worker
            dismiss(terms.lease.token)
            return Unfit(address, f"cannot open the model: {error}", MOUNT)
        facts = crew.facts
        assert facts is not None
        if terms.sign and sign_of(facts) != terms.sign:
            dismiss(terms.lease.token)
            found = f"runs another model, or otherwise ({dict(facts.settings)}, hash {facts.hash[:12]})"
            return Unfit(address, found, "Let every worker see the same model on the same kind of machine.")
    return Seen(platform.node(), _cores(), facts)


def attend(terms: Terms, chore: Chore) -> Answer:
    """Do a task in a process of its own; a worker that came later, or was started again, agrees first."""
    from distributed import get_worker

    address = get_worker().address
    if not terms.lease.held or terms.lease.draining:
        return Declined(address)
    if terms.key not in _CREWS:
        seen = greet(terms, address, f"late-{platform.node()}-{os.getpid()}")
        if isinstance(seen, Unfit):
            return seen
    crew = crew_of(terms)
    try:
        worker = crew.take()
    except Exception as error:
        return Unfit(address, f"cannot open the model: {error}", "Is there memory enough for one more process?")
    try:
        answer = _done(terms, chore, worker, address)
    except BaseException:
        worker.kill()
        raise
    if isinstance(answer, Declined):
        worker.kill()
    else:
        crew.put_back(worker)
    return answer


def dismiss(token: str) -> None:
    """End what was kept for a run."""
    for key, crew in list(_CREWS.items()):
        if crew.lease.token == token:
            _end(key)


def _end(key: str) -> None:
    with _LOCK:
        crew = _CREWS.pop(key, None)
    if crew is not None:
        crew.close()


def _done(terms: Terms, chore: Chore, worker: Worker, address: str) -> Answer:
    mark = terms.lease.begin(chore.serial)
    if mark is None:
        return Died("its worker died")
    seconds = None if terms.limits.timeout is None else terms.limits.timeout * len(chore.jobs)
    worker.submit((chore, mark), seconds)
    while not worker.ready(_LOOK):
        if not terms.lease.held:
            return Declined(address)
    outcome = worker.outcome()
    if isinstance(outcome, Crashed):
        return Died(outcome.reason)
    if isinstance(outcome, Raised):
        raise outcome.error
    answer: Answer = outcome
    return answer


def crew_of(terms: Terms) -> Crew:
    """That of this run; those of its earlier openings of the model, and of runs that are over, are ended."""
    for key, crew in list(_CREWS.items()):
        if key != terms.key and (crew.lease.token == terms.lease.token or not crew.lease.held):
            _end(key)
    with _LOCK:
        if terms.key not in _CREWS:
            _CREWS[terms.key] = Crew(terms)
        return _CREWS[terms.key]


def _unlike(terms: Terms) -> tuple[str, str] | None:
    from medseg.outputs.record import versions

    here = versions()
    other = [(name, want) for name, want in terms.versions.items() if here.get(name) != want]
    if not other:
        return None
    told = ", ".join(f"{name} {here.get(name)} where the run has {want}" for name, want in other)
    return f"has {told}", "Install the same versions everywhere: masks depend on them."


def _unseen(terms: Terms, name: str) -> tuple[str, str] | None:
    if not terms.lease.held:
        return f"does not see {terms.lease.folder.parent}, the folder of the run", MOUNT
    try:
        terms.lease.answer(name)
    except OSError as error:
        return f"cannot write to {terms.lease.folder.parent} ({error.strerror})", MOUNT
    if not terms.cwd.is_dir():
        return f"does not see {terms.cwd}, from which the run was started", MOUNT
    listing = Listing()
    for case, wanted in terms.samples:
        images = tuple(terms.cwd / image for image in case.images)
        if fingerprint(replace(case, images=images), listing) != wanted:
            return f"does not see {images[0]} as the run does", MOUNT
    return None


def _cores() -> tuple[int, ...]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))

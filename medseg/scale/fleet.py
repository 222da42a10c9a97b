"""The workers of a run: looked at before the first case, and given their tasks."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.errors import ConfigError, MedsegError
from medseg.ledger import Listing, fingerprint
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening
from medseg.outputs.record import versions
from medseg.reporting import Reporter
from medseg.scale.crew import attend, dismiss, greet, sign_of
from medseg.scale.lease import Lease
from medseg.scale.places import connected, gpus_here, require_dask
from medseg.scale.settings import ClusterFile, place_of
from medseg.scale.terms import Chore, Seen, Terms, Unfit

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Fleet", "Hand", "Muster", "assembled", "threads_each"]

_COMING = 60  # seconds that a scheduler gets to have a worker
_ANSWER = 600  # seconds that a worker gets to answer, or to open the model
_MOUNT = "Mount the same folders on every machine, or take this worker out."
_CHOSEN = ("backend", "precision")  # by "auto": what the first worker chooses is what all use


@dataclass(frozen=True)
class Hand:
    """A worker.

    Args:
        address: Of the worker.
        name: As its owner calls it.
        slots: Cases that it does at a time.
        seen: What it told of its machine.
    """

    address: str
    name: str
    slots: int
    seen: Seen | None = None


@dataclass(eq=False)
class Fleet:
    """Workers that agree with a run; the model is open with them.

    Args:
        client: Of their scheduler.
        terms: That they agreed to.
        facts: The model.
        gpu: Whether they offer GPUs, of which a case takes one.
        unfit: Workers that came later, and were sent away, by address.
    """

    client: "Client"
    terms: Terms
    facts: Facts
    gpu: bool = False
    unfit: dict[str, str] = field(default_factory=dict)

    @property
    def lease(self) -> Lease:
        """The folder of the run."""
        return self.terms.lease

    def show(self, cases: Sequence[Case]) -> None:
        """Have every worker see the files of some cases.

        Raises:
            ConfigError: One does not.
        """
        listing, picked = Listing(), {0, len(cases) // 2, len(cases) - 1}
        samples = tuple((cases[number], fingerprint(cases[number], listing)) for number in sorted(picked))
        self.terms = replace(self.terms, samples=samples)
        _greeted(self.client, self.terms, _hands(self.client, self.gpu))

    def slots(self) -> int:
        """Cases that all workers together do at a time; 0 where there is none."""
        return sum(hand.slots for hand in _hands(self.client, self.gpu) if hand.address not in self.unfit)

    def submit(self, chore: Chore) -> "Future":
        """Give out a task; Dask gives it to a worker, in the order of submission."""
        key = f"medseg-{self.lease.token[:12]}-{chore.serial}"
        taken = {"resources": {"GPU": 1}} if self.gpu else {}
        return self.client.submit(attend, self.terms, chore, key=key, pure=False, retries=0, **taken)

    def send_away(self, unfit: Unfit) -> None:
        """A worker that came later and does not agree.

        Raises:
            ConfigError: There is no other.
        """
        self.unfit[unfit.address] = unfit.found
        with suppress(Exception):  # gone already
            self.client.retire_workers([unfit.address])
        if not self.slots():
            raise _refusal([unfit], {})


@contextmanager
def assembled(
    where: str | Path, out: Path, *, jobs: int | None, limits: Limits, reporter: Reporter
) -> Iterator["Muster"]:
    """The workers of a cluster, looked at: they see OUT and have the same versions.

    Args:
        where: "local", the address of a scheduler, or a YAML file (`ClusterFile`).
        out: The folder of the run.
        jobs: Workers of "local"; None for one for each four processors, two at least.
        limits: What a case may take.
        reporter: Is told what is waited for.

    Raises:
        MissingExtraError: Dask is not installed.
        ConfigError: There is no such cluster, no worker, or one that cannot take part.
    """
    require_dask()
    place = place_of(where)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = gpus_here() if place == "local" else 0
    wanted = jobs or gpus or min(cores, max(2, cores // 4))
    lease = Lease.taken(out)
    try:
        with connected(place, wanted, gpus) as client:
            _wait_for_workers(client, place, wanted, reporter)
            terms = Terms(lease, Path.cwd(), versions(), limits=limits)
            gpu = any(info.get("resources", {}).get("GPU") for info in _workers(client).values())
            hands = _greeted(client, terms, _hands(client, gpu))
            threads = place.threads if isinstance(place, ClusterFile) else None
            told = ", ".join(f"{hand.name} ({hand.seen.host})" for hand in hands[:4] if hand.seen)
            more = f" and {len(hands) - 4} more" if len(hands) > 4 else ""
            reporter.say(f"Cluster: {sum(hand.slots for hand in hands)} cases at a time on {told}{more}")
            try:
                yield Muster(client, terms, hands, gpu, threads or min(threads_each(hands), _own_threads()))
            finally:
                lease.end()
                with suppress(Exception):  # workers, or all of it, may be gone
                    client.run(dismiss, lease.token)
    finally:
        lease.end()


@dataclass(frozen=True)
class Muster:
    """Workers that were looked at, and have no model yet.

    Args:
        client: Of their scheduler.
        terms: That they agreed to.
        hands: They.
        gpu: As in `Fleet`.
        threads: Of torch for each case.
        turns: Numbers the openings of the model.
    """

    client: "Client"
    terms: Terms
    hands: Sequence[Hand]
    gpu: bool
    threads: int
    turns: Iterator[int] = field(default_factory=count)

    def opened(self, opening: Opening) -> tuple[Fleet, Facts]:
        """Have every worker open the model; what the first one chooses for "auto" is what all use.

        Raises:
            ConfigError: One cannot, or has another model.
        """
        opening = replace(opening, threads=opening.threads or self.threads)
        terms = replace(self.terms, opening=opening, turn=next(self.turns))
        found = _facts(_greeted(self.client, terms, self.hands))
        settings = dict(opening.settings)
        for name in _CHOSEN:
            if settings.get(name) == "auto" and found[0].settings.get(name):
                settings[name] = found[0].settings[name]
        terms = replace(terms, opening=replace(opening, settings=settings), sign=sign_of(found[0]))
        if any(sign_of(facts) != terms.sign for facts in found):
            terms = replace(terms, turn=next(self.turns))
            _greeted(self.client, terms, self.hands)
        return Fleet(self.client, terms, found[0], self.gpu), found[0]


def threads_each(hands: Sequence[Hand]) -> int:
    """Threads for each case, so that no processor has two: the same on all machines, as masks may depend on it.

    Workers of one machine that may use the same processors share them.
    """
    slots: dict[tuple[str, tuple[int, ...]], int] = {}
    for hand in hands:
        assert hand.seen is not None
        place = hand.seen.host, hand.seen.cores
        slots[place] = slots.get(place, 0) + hand.slots
    return max(1, min(len(cores) // count for (_, cores), count in slots.items()))


def _own_threads() -> int:
    """Those of torch, where this process has loaded it and so may have set them; else as many as one likes."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else sys.maxsize


def _workers(client: "Client") -> dict[str, Any]:
    found: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return found


def _hands(client: "Client", gpu: bool) -> list[Hand]:
    found = []
    for address, info in sorted(_workers(client).items(), key=lambda item: str(item[1].get("name"))):
        slots = int(info.get("resources", {}).get("GPU", 0)) if gpu else info["nthreads"]
        if slots:
            found.append(Hand(address, str(info.get("name") or address), slots))
    return found


def _wait_for_workers(client: "Client", place: str | ClusterFile, wanted: int, reporter: Reporter) -> None:
    if isinstance(place, ClusterFile):
        reporter.say(f"Waiting for the first of {place.jobs} jobs; Ctrl-C ends it.")
        client.wait_for_workers(1)
        return
    try:
        client.wait_for_workers(wanted if place == "local" else 1, timeout=_COMING)
    except TimeoutError as error:
        mend = f"Start some: dask worker {place}" if place != "local" else "Is there memory enough?"
        raise ConfigError("--cluster", f"{place} has no worker after {_COMING} s", mend) from error


def _greeted(client: "Client", terms: Terms, hands: Sequence[Hand]) -> list[Hand]:
    """The workers with what they told.

    Raises:
        ConfigError: One does not agree.
    """
    from distributed import wait

    names = {hand.address: f"{number}-{os.getpid()}" for number, hand in enumerate(hands)}
    asked = {
        hand.address: client.submit(
            greet, terms, hand.address, names[hand.address], workers=[hand.address], pure=False, retries=0
        )
        for hand in hands
    }
    with suppress(TimeoutError), client.as_current():
        wait(list(asked.values()), timeout=_ANSWER)
    refused, found = [], []
    for hand in hands:
        answer = _answer(asked[hand.address], hand.address)
        if isinstance(answer, Seen) and not terms.lease.answered(names[hand.address]):
            folder = terms.lease.folder.parent
            answer = Unfit(hand.address, f"writes to another folder than {folder} of this machine", _MOUNT)
        if isinstance(answer, Unfit):
            refused.append(answer)
        else:
            found.append(replace(hand, seen=answer))
    if refused:
        raise _refusal(refused, {hand.address: hand.name for hand in hands})
    return found


def _answer(asked: "Future", address: str) -> Seen | Unfit:
    if not asked.done():
        asked.cancel()
        return Unfit(address, f"did not answer for {_ANSWER} s", "Look at its log, or take this worker out.")
    try:
        answer: Seen | Unfit = asked.result()
    except Exception as error:  # it has no medseg, or it died
        mend = "Install medseg of the same version there, or take this worker out."
        return Unfit(address, f"cannot answer ({type(error).__name__}: {error})", mend)
    return answer


def _facts(hands: Sequence[Hand]) -> list[Facts]:
    found = [hand.seen.facts for hand in hands if hand.seen is not None and hand.seen.facts is not None]
    if not found:
        raise MedsegError("--cluster", "no worker told anything of the model", "Look at their logs.")
    return found


def _refusal(refused: Sequence[Unfit], names: dict[str, str]) -> ConfigError:
    first = refused[0]
    others = "; ".join(f"{names.get(one.address, '')} {one.address} {one.found}" for one in refused[1:4])
    name = names.get(first.address, "")
    return ConfigError(
        f"worker {name} {first.address}".replace("  ", " "), first.found + (f"; {others}" if others else ""), first.mend
    )

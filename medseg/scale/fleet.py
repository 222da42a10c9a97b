"""The workers of a run: looked at before the first case, and given their tasks."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.errors import MedsegError
from medseg.ledger import Listing, fingerprint
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening
from medseg.outputs.record import versions
from medseg.reporting import Reporter
from medseg.scale.crew import attend, dismiss, sign_of
from medseg.scale.hands import Hand, greeted, hands_of, known_workers, refusal, threads_each, wait_for_workers
from medseg.scale.lease import Lease
from medseg.scale.places import connected, gpus_here, require_dask
from medseg.scale.settings import ClusterFile, place_of
from medseg.scale.terms import Chore, Terms, Unfit

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Fleet", "Muster", "assembled"]

_CHOSEN = ("backend", "precision")  # by "auto": what the first worker chooses is what all use


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
        greeted(self.client, self.terms, hands_of(self.client, self.gpu))

    def slots(self) -> int:
        """Cases that all workers together do at a time; 0 where there is none."""
        return sum(hand.slots for hand in hands_of(self.client, self.gpu) if hand.address not in self.unfit)

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
            raise refusal([unfit], {})


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
            wait_for_workers(client, place, wanted, reporter)
            terms = Terms(lease, Path.cwd(), versions(), limits=limits)
            gpu = any(info.get("resources", {}).get("GPU") for info in known_workers(client).values())
            hands = greeted(client, terms, hands_of(client, gpu))
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
        found = _facts(greeted(self.client, terms, self.hands))
        settings = dict(opening.settings)
        for name in _CHOSEN:
            if settings.get(name) == "auto" and found[0].settings.get(name):
                settings[name] = found[0].settings[name]
        terms = replace(terms, opening=replace(opening, settings=settings), sign=sign_of(found[0]))
        if any(sign_of(facts) != terms.sign for facts in found):
            terms = replace(terms, turn=next(self.turns))
            greeted(self.client, terms, self.hands)
        return Fleet(self.client, terms, found[0], self.gpu), found[0]


def _own_threads() -> int:
    """Those of torch, where this process has loaded it and so may have set them; else as many as one likes."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else sys.maxsize


def _facts(hands: Sequence[Hand]) -> list[Facts]:
    found = [hand.seen.facts for hand in hands if hand.seen is not None and hand.seen.facts is not None]
    if not found:
        raise MedsegError("--cluster", "no worker told anything of the model", "Look at their logs.")
    return found

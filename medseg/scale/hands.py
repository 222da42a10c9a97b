"""The workers of a cluster one by one: who there is, whether they answer, and whether they agree with a run."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from medseg.errors import ConfigError
from medseg.reporting import Reporter
from medseg.scale.crew import greet
from medseg.scale.settings import ClusterFile
from medseg.scale.terms import MOUNT, Seen, Terms, Unfit

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Hand", "greeted", "hands_of", "known_workers", "refusal", "threads_each", "wait_for_workers"]

_COMING = 60  # seconds that a scheduler gets to have a worker
_ANSWER = 600  # seconds that a worker gets to answer, or to open the model


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


def known_workers(client: "Client") -> dict[str, Any]:
    """What a scheduler knows of its workers, by their addresses."""
    found: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return found


def hands_of(client: "Client", gpu: bool) -> list[Hand]:
    """The workers that can take a case, by their names.

    Args:
        client: Of their scheduler.
        gpu: Whether a case takes a GPU, so that only workers with one count.
    """
    found = []
    for address, info in sorted(known_workers(client).items(), key=lambda item: str(item[1].get("name"))):
        slots = int(info.get("resources", {}).get("GPU", 0)) if gpu else info["nthreads"]
        if slots:
            found.append(Hand(address, str(info.get("name") or address), slots))
    return found


def wait_for_workers(client: "Client", place: str | ClusterFile, wanted: int, reporter: Reporter) -> None:
    """Return when there are workers: all of "local", else the first.

    Raises:
        ConfigError: None comes.
    """
    if isinstance(place, ClusterFile):
        reporter.say(f"Waiting for the first of {place.jobs} jobs; Ctrl-C ends it.")
        client.wait_for_workers(1)
        return
    try:
        client.wait_for_workers(wanted if place == "local" else 1, timeout=_COMING)
    except TimeoutError as error:
        mend = f"Start some: dask worker {place}" if place != "local" else "Is there memory enough?"
        raise ConfigError("--cluster", f"{place} has no worker after {_COMING} s", mend) from error


def greeted(client: "Client", terms: Terms, hands: Sequence[Hand]) -> list[Hand]:
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
            answer = Unfit(hand.address, f"writes to another folder than {folder} of this machine", MOUNT)
        if isinstance(answer, Unfit):
            refused.append(answer)
        else:
            found.append(replace(hand, seen=answer))
    if refused:
        raise refusal(refused, {hand.address: hand.name for hand in hands})
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


def refusal(refused: Sequence[Unfit], names: Mapping[str, str]) -> ConfigError:
    """An error that names the workers that do not agree.

    Args:
        refused: They.
        names: What their owner calls them, by address.
    """
    first = refused[0]
    others = "; ".join(f"{names.get(one.address, '')} {one.address} {one.found}" for one in refused[1:4])
    name = names.get(first.address, "")
    return ConfigError(
        f"worker {name} {first.address}".replace("  ", " "), first.found + (f"; {others}" if others else ""), first.mend
    )

"""Open a model for a batch: in this process for a few small cases, else in one of its own; as it ran before."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.classical_models import is_classical_model
from medseg.config import check
from medseg.errors import ConfigError, InputError, MissingExtraError, ModelFolderError
from medseg.ledger import Run, read_ledger
from medseg.line.jobs import jobs_for
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening, pinned
from medseg.plan import model_root, read_plan
from medseg.workflow.openings import Openings

if TYPE_CHECKING:
    from medseg.line.remote import Remote
    from medseg.scale import Fleet
    from medseg.segmenter import Segmenter

__all__ = ["OpenModel", "as_before", "last_run", "open_for_batch"]


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A model and its cases.

    Args:
        model: In this process, in one of its own, or with the workers of a cluster.
        facts: What it is.
        cases: That it is to segment.
    """

    model: "Segmenter | Remote | Fleet"
    facts: Facts
    cases: Sequence[Case]


def open_for_batch(
    path: Path,
    settings: Mapping[str, Any],
    listing: Callable[[int], Sequence[Case]],
    out: Path,
    *,
    jobs: int | None,
    workers: int | None = None,
    limits: Limits,
    stack: ExitStack,
    openings: Openings | None = None,
) -> OpenModel:
    """A model, open where it is best, and the cases that there are for it.

    Where its plan tells its channels, the cases are listed first: a few small ones are not worth a process. Else it
    opens in one.

    Args:
        path: What `load_model` takes.
        settings: As there.
        listing: The cases for a model of so many channels.
        out: Where an earlier run may have left its ledger.
        jobs: As in `medseg.predict`.
        workers: Likewise.
        limits: That only a process of its own can be kept to.
        stack: Ends what is for this batch alone.
        openings: Where the model may be open already, and stays open.

    Raises:
        ConfigError: A setting is unknown or does not fit.
        MedsegError: The model cannot be opened, or an input does not exist.
    """
    from medseg.inference.settings import InferenceSettings

    asked = check(InferenceSettings, settings, "load_model").model_dump()
    _require_processes(workers, jobs, asked)
    openings = openings or stack.enter_context(Openings())
    wanted = (jobs or 1) if (limits.kill or workers or openings.in_process) and jobs != 0 else jobs
    channels = _planned_channels(path)
    cases = None if channels is None else listing(channels)
    remote = jobs_for([], 1 if jobs is None else jobs) if cases is None else jobs_for(cases, wanted)
    opening = Opening(path, asked, cores=_own_threads(), workers=workers)
    last = last_run(out, settings)
    model, facts = as_before(
        partial(openings.apart, limits=limits) if remote else _here(stack, openings), opening, last
    )
    if cases is None:
        cases = listing(len(facts.channels))
    return OpenModel(model, facts, cases)


def _planned_channels(path: Path) -> int | None:
    """How many its images have, where that is known without loading torch."""
    from medseg.workflow.loading import load_model

    if is_classical_model(path):
        return len(load_model(path).channels)
    try:
        return len(read_plan(model_root(path) / "plan.json").channels)
    except ModelFolderError:
        return None


def _require_processes(workers: int | None, jobs: int | None, asked: Mapping[str, Any]) -> None:
    if workers is None:
        return
    if workers < 1:
        raise ConfigError("workers", f"{workers}", "Leave it out for as many as are worth it.", "1 or more")
    if jobs == 0:
        raise ConfigError("workers", "given with jobs=0, which does all in this process", "Leave one of them out.")
    if workers > 1 and asked["max_memory"]:
        raise ConfigError("workers", "given with max_memory, which does one case at a time", "Leave one of them out.")


def _own_threads() -> int | None:
    """Those of torch, where this process has loaded it and so may have set them; else it is torch's own choice."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None


def _here(stack: ExitStack, openings: Openings) -> "Callable[[Opening], tuple[Segmenter | Remote | Fleet, Facts]]":
    """Open it in this process, which has its threads again afterwards."""

    def start(opening: Opening) -> "tuple[Segmenter | Remote | Fleet, Facts]":
        if is_classical_model(opening.path):
            return openings.here(opening)
        import torch

        threads = torch.get_num_threads()
        stack.callback(torch.set_num_threads, threads)
        model, facts = openings.here(replace(opening, cores=threads))
        torch.set_num_threads(facts.threads or threads)  # of a model that was open already
        return model, facts

    return start


def last_run(out: Path, asked: Mapping[str, Any]) -> Run | None:
    """The run before, where it was asked for the same."""
    with suppress(InputError), read_ledger(out) as ledger:
        last = ledger.last_run()
        return last if last is not None and dict(last.asked) == dict(asked) else None
    return None


def as_before(
    start: "Callable[[Opening], tuple[Segmenter | Remote | Fleet, Facts]]", opening: Opening, last: Run | None
) -> "tuple[Segmenter | Remote | Fleet, Facts]":
    """The model as it ran before, where that is possible here and it is the same one; else as asked."""
    if last is not None and last.model:
        settings = pinned(opening.settings, last.settings)
        threads = last.settings.get("threads") or opening.threads
        with suppress(ConfigError, MissingExtraError):
            model, facts = start(replace(opening, settings=settings, threads=threads))
            if facts.hash == last.model:
                why = {"why": last.settings["why"]} if "why" in last.settings else {}
                return model, replace(facts, settings={**facts.settings, **why})
    return start(opening)

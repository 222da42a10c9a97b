"""Open a model for a batch: in this process for a few small cases, else in one of its own; as it ran before."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.config import check
from medseg.errors import ConfigError, InputError, MissingExtraError, ModelFolderError
from medseg.ledger import Run, read_ledger
from medseg.line.jobs import jobs_for
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening, Remote, opened
from medseg.plan import model_root, read_plan

if TYPE_CHECKING:
    from medseg.scale import Fleet
    from medseg.segmenter import Segmenter

__all__ = ["OpenModel", "as_before", "last_run", "open_for_batch"]

_CHOSEN = ("backend", "precision")  # by "auto", which chooses again what it chose when a run goes on


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
    limits: Limits,
    stack: ExitStack,
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
        limits: That only a process of its own can be kept to.
        stack: Closes the process.

    Raises:
        ConfigError: A setting is unknown or does not fit.
        MedsegError: The model cannot be opened, or an input does not exist.
    """
    from medseg.inference.settings import InferenceSettings

    asked = check(InferenceSettings, settings, "load_model").model_dump()
    wanted = (jobs or 1) if limits.kill and jobs != 0 else jobs
    channels = _planned_channels(path)
    cases = None if channels is None else listing(channels)
    remote = jobs_for([], 1 if jobs is None else jobs) if cases is None else jobs_for(cases, wanted)
    opening = Opening(path, asked, _threads())
    last = last_run(out, settings)
    model, facts = as_before(_in_process(stack) if remote else _here, opening, last)
    if cases is None:
        cases = listing(len(facts.channels))
    return OpenModel(model, facts, cases)


def _planned_channels(path: Path) -> int | None:
    """How many its images have, where that is known without loading torch."""
    from medseg.workflow.classical_models import is_classical_model
    from medseg.workflow.loading import load_model

    if is_classical_model(path):
        return len(load_model(path).channels)
    try:
        return len(read_plan(model_root(path) / "plan.json").channels)
    except ModelFolderError:
        return None


def _threads() -> int | None:
    """Those of torch, where this process has set them; a process of the line takes as many."""
    import sys

    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None


def _here(opening: Opening) -> "tuple[Segmenter | Remote | Fleet, Facts]":
    local, facts = opened(replace(opening, threads=None))
    return local.model, facts


def _in_process(stack: ExitStack) -> "Callable[[Opening], tuple[Segmenter | Remote | Fleet, Facts]]":
    def start(opening: Opening) -> "tuple[Segmenter | Remote | Fleet, Facts]":
        remote = Remote(opening)
        stack.callback(remote.close)
        return remote, remote.facts

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
        settings = dict(opening.settings)
        for name in _CHOSEN:
            if settings.get(name) == "auto" and last.settings.get(name):
                settings[name] = last.settings[name]
        threads = opening.threads or last.settings.get("threads")
        with suppress(ConfigError, MissingExtraError):
            model, facts = start(replace(opening, settings=settings, threads=threads))
            if facts.hash == last.model:
                why = {"why": last.settings["why"]} if "why" in last.settings else {}
                return model, replace(facts, settings={**facts.settings, **why})
            if isinstance(model, Remote):
                model.close()
    return start(opening)

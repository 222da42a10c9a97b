"""Open a model with the workers of a cluster, as it ran before; and list the cases that there are for it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.config import check
from medseg.errors import ConfigError
from medseg.line.limits import Limits
from medseg.line.network import Opening
from medseg.reporting import Reporter
from medseg.workflow.model_opening import OpenModel, as_before, last_run

__all__ = ["open_on_cluster"]


def open_on_cluster(
    cluster: str | Path,
    path: Path,
    settings: Mapping[str, Any],
    listing: Callable[[int], Sequence[Case]],
    out: Path,
    *,
    jobs: int | None,
    limits: Limits,
    reporter: Reporter,
    stack: ExitStack,
) -> OpenModel:
    """A model, open with every worker, and the cases that there are for it; this process loads no torch.

    Args:
        cluster: As in `medseg.predict`.
        path: What `load_model` takes.
        settings: As there.
        listing: The cases for a model of so many channels.
        out: The folder of the run, where an earlier one may have left its ledger.
        jobs: Workers of a local cluster.
        limits: What a case may take.
        reporter: Told of the workers.
        stack: Ends what was started.

    Raises:
        MissingExtraError: Dask is not installed.
        ConfigError: A setting does not fit, or a worker cannot take part.
    """
    from medseg.inference.settings import InferenceSettings
    from medseg.scale import Fleet, assembled

    if settings.get("max_memory"):
        mend = "Leave it out: workers have the memory that their machines give them; --memory-limit bounds a case."
        raise ConfigError("max_memory", "given for a cluster", mend)
    asked = check(InferenceSettings, settings, "load_model").model_dump()
    last = last_run(out, settings)
    muster = stack.enter_context(assembled(cluster, out, jobs=jobs, limits=limits, reporter=reporter))
    model, facts = as_before(muster.opened, Opening(path, asked), last)
    cases = listing(len(facts.channels))
    if cases and isinstance(model, Fleet):
        model.show(cases)
    return OpenModel(model, facts, cases)

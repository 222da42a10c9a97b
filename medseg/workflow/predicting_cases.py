"""Segment and measure cases by a model that is open, with the record of what did it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.config import check
from medseg.ledger import Run
from medseg.line.network import Facts
from medseg.line.remote import Remote
from medseg.options import ReadOptions
from medseg.reporting import Reporter
from medseg.workflow.batch_options import BatchOptions

if TYPE_CHECKING:
    from medseg.batch import Predictions
    from medseg.batch.veil import Veil
    from medseg.image import Segmentation
    from medseg.scale import Fleet
    from medseg.segmenter import Segmenter

__all__ = ["predict_with"]


def predict_with(
    model: "Segmenter | Remote | Fleet",
    cases: Sequence[Case],
    out: Path,
    reporter: Reporter,
    options: BatchOptions | None = None,
    *,
    look: Callable[[Case, "Segmentation"], None] | None = None,
    facts: Facts | None = None,
    card: Mapping[str, Any] | None = None,
    veil: "Veil | None" = None,
) -> "Predictions":
    """Segment and measure cases by an opened model, with the record of what did it; see `predict`.

    With `look`, each segmentation has its probabilities and is shown to it before it is written; then all is done in
    this process, and again where it was done before. `facts` are the model's, `card` is what its maker says of it,
    `veil` what stands for cases under pseudonyms.
    """
    from medseg.batch import facts_of, predict_cases
    from medseg.outputs.learnt_record import machine
    from medseg.outputs.record import versions, write_run

    options, facts = options or BatchOptions(), facts or facts_of(model)
    reading = check(ReadOptions, facts.reading.model_dump() | dict(options.reading or {}), "reading")
    settings = {"reading": reading.model_dump(), **facts.settings, "min_voxels": options.min_voxels}
    reporter.say(_how_it_runs(facts.settings))
    told = {**settings, "threads": facts.threads}
    tables: dict[str, Any] = {} if veil is None else {"pseudonyms": veil.mark}
    tables |= {"parquet": True} if options.parquet else {}
    run = Run(
        options.command,
        asked=dict(options.settings),
        settings=told,
        tables=tables,
        versions=versions(),
        machine=machine(),
    )
    description = dict(facts.description)
    done = predict_cases(
        model,
        cases,
        out,
        reporter,
        min_voxels=options.min_voxels,
        channel_names=facts.channels if len(facts.channels) > 1 else None,
        reading=reading,
        look=look,
        jobs=options.jobs,
        probabilities=options.probabilities,
        masks_only=options.masks_only,
        max_memory=facts.settings.get("max_memory"),
        redo=options.redone(cases),
        retry_failed=options.retry_failed,
        limits=options.limits,
        run=run,
        record=lambda: write_run(out / "run.json", description, facts.hash, options.command, settings, card),
        veil=veil,
        writing=options.writing,
    )
    return replace(done, settings=settings)


def _how_it_runs(settings: Mapping[str, Any]) -> str:
    """In a line, what segments, and why so."""
    if "method" in settings:
        told = [f"{key}={value}" for own in settings["parameters"].values() for key, value in own.items()]
        return f"Classical: {settings['method']}" + (f" ({', '.join(told)})" if told else "")
    told = [f"{key} {settings[key]}" for key in ("backend", "precision", "device", "speed") if settings.get(key)]
    why = f" ({settings['why']})" if settings.get("why") else ""
    return f"Network: {', '.join(told) or 'runs as its maker says'}{why}"

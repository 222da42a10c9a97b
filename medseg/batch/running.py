"""Run a batch: what is to be done goes through the line, and its ledger becomes tables."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg import __version__
from medseg.batch.exporting import export
from medseg.batch.predictions import Predictions
from medseg.batch.resuming import Batch, enter, settings_hash
from medseg.batch.veil import Veil
from medseg.batch.working import How, work
from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Segmentation
from medseg.ledger import Ledger, Rules, Run, digest, open_ledger
from medseg.line.limits import Limits
from medseg.line.network import Facts
from medseg.line.pace import Pace
from medseg.line.place import Place, is_pause
from medseg.line.remote import Remote
from medseg.line.tasks import Finishing
from medseg.options import ReadOptions
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.writing import Writing
from medseg.outputs.run_card import write_card
from medseg.reporting import Reporter
from medseg.room import Shared
from medseg.scale import Fleet
from medseg.scale.lease import sweep
from medseg.segmenter import Segmenter

__all__ = ["described_run", "facts_of", "predict_cases"]

_SPILLED = 8  # an array above this part of the memory that is allowed lies in a file


def predict_cases(
    model: Segmenter | Remote | Fleet,
    cases: Sequence[Case],
    out: Path,
    reporter: Reporter,
    *,
    min_voxels: int = 0,
    channel_names: Sequence[str] | None = None,
    reading: ReadOptions | None = None,
    look: Callable[[Case, Segmentation], None] | None = None,
    jobs: int | None = None,
    probabilities: bool = False,
    max_memory: int | None = None,
    masks_only: bool = False,
    redo: bool | Collection[str] = False,
    retry_failed: bool = False,
    limits: Limits | None = None,
    run: Run | None = None,
    record: Callable[[], None] | None = None,
    veil: Veil | None = None,
    writing: Writing | None = None,
) -> Predictions:
    """Segment and measure every case that is not done; what fails is a row with its reason.

    Args:
        model: What segments: in this process, in another, or with the workers of a cluster.
        cases: In the order of the tables.
        out: Folder to write to, this process's own meanwhile.
        reporter: Told of the progress.
        min_voxels: Smaller regions are left out of the table.
        channel_names: As in `medseg.regions.measure_regions`.
        reading: How files become images.
        look: Each segmentation has its probabilities and is shown to it before it is written; so all are done again.
        jobs: Processes that read the next cases, and as many that measure and write the last ones, while the network
            works; 0 does all in this process, None decides by the number and the size of the cases. Masks and tables
            are the same in either way.
        probabilities: Also write those of each case, `<case>/probabilities.npy`.
        max_memory: Bytes that all processes together may hold: then one case after another is read, segmented and
            written, and arrays above an eighth of it lie in files without a name in `out`.
        masks_only: Neither measure nor draw: there are no tables of regions, nor previews.
        redo: Also do again what is done with the same input, model and settings: all of it, or the cases of these ids.
        retry_failed: Also do again what has failed.
        limits: What a case may take before it is given up.
        run: Command, versions and settings for the ledger.
        record: Called when `out` is this process's own, before the first case.
        veil: What stands for cases under pseudonyms.
        writing: DICOM objects that are written of each case; its author is known by the model's name alone.

    Raises:
        OutputError: `out` cannot be written, or is in use by another process.
        LabelError: A label has no codes, which a DICOM object needs.
        ConfigError: Limits are given that only processes of their own can be kept to, and there are none.
        KeyboardInterrupt: As the user wished; the cases that are finished are in the tables.
    """
    limits = limits or Limits()
    facts = facts_of(model)
    nameless = veil is not None
    finishing = Finishing(out, min_voxels, channel_names, reading, probabilities, masks_only, nameless, writing)
    told = described_run(run, facts, finishing)
    finishing = replace(finishing, writing=_by(writing, told, facts))
    pace = Pace(1 if look is not None or probabilities else facts.together)
    shared = None
    if max_memory is not None:
        pace, shared = Pace(1, 0), Shared(out, max_memory // _SPILLED, os.getpid())
    how = How(finishing, pace, limits, shared, jobs, look, veil)
    rules = Rules(look is not None or redo, retry_failed, limits.attempts)
    with open_ledger(out) as ledger:
        sweep(out, model.lease if isinstance(model, Fleet) else None)
        if record is not None:
            record()
        batch = enter(ledger, told, cases, rules, group=pace.group, reporter=reporter, veil=veil)
        try:
            work(model, cases, batch, ledger, how, reporter)
        except KeyboardInterrupt:
            said = _interrupted(out, ledger)
            with suppress(OutputError):  # of a full disk; the ledger has the cases that are finished
                ledger.end_run(batch.number)
                write_card(out, ledger)
            reporter.say(said)
            raise
        return _finished(out, ledger, batch, reporter)


def facts_of(model: Segmenter | Remote | Fleet) -> Facts:
    """What a batch needs to know of a model, wherever it is open."""
    return model.facts if isinstance(model, (Remote, Fleet)) else Facts.of(model)


def _by(writing: Writing | None, run: Run, facts: Facts) -> Writing | None:
    """With all of who makes the objects; refused where they cannot be written of these labels."""
    if writing is None:
        return None
    writing.coded(facts.labels)
    return writing.of(Author(writing.author.model, run.model, __version__, run.settings_hash))


def described_run(run: Run | None, facts: Facts, finishing: Finishing) -> Run:
    """The run, with what the ledger has to know of model and tables."""
    reading = None if finishing.reading is None else finishing.reading.model_dump()
    used: dict[str, Any] = {
        "reading": reading,
        "min_voxels": finishing.min_voxels,
        "channels": finishing.channel_names,
        "probabilities": finishing.probabilities,
        "masks_only": finishing.masks_only,
    }
    if finishing.writing is not None:
        used["writing"] = finishing.writing.told
    labels, run = facts.labels, run or Run(settings=dict(facts.settings))
    exported = {"labels": labels.names, "exclusive": labels.exclusive, "masks_only": finishing.masks_only}
    return replace(
        run,
        model=facts.hash,
        settings_hash=settings_hash(facts, {**used, "labels": labels.to_config()}),
        plan_hash=digest(facts.description),
        tables={**run.tables, **exported},
    )


def _interrupted(out: Path, ledger: Ledger) -> str:
    try:
        finished = export(out, ledger)
    except OutputError as error:
        return f"Interrupted: the tables could not be written ({error}); the ledger has what is finished"
    total = sum(ledger.counts().values())
    return f"Interrupted: {len(finished.cases)} of {total} cases are in {out / 'cases.csv'}; the same command goes on"


def _finished(out: Path, ledger: Ledger, batch: Batch, reporter: Reporter) -> Predictions:
    """The tables; they wait for room as cases do."""
    place = Place(out, reporter, nullcontext)
    while True:
        try:
            done = export(out, ledger)
            ledger.end_run(batch.number)
            write_card(out, ledger)
            return done
        except OutputError as error:
            if not is_pause(error):
                raise
            place.wait(error)

"""Run a batch: what is to be done goes through the line, and its ledger becomes tables."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medseg import __version__
from medseg.batch.book import LedgerBook, Progress
from medseg.batch.exporting import export
from medseg.batch.predictions import Predictions
from medseg.batch.resuming import Batch, enter, settings_hash
from medseg.batch.veil import Veil
from medseg.case import Case
from medseg.errors import ConfigError, OutputError
from medseg.image import Segmentation
from medseg.ledger import Ledger, Rules, Run, digest, open_ledger
from medseg.line.building import here, in_processes
from medseg.line.interrupts import Interrupts
from medseg.line.jobs import jobs_for
from medseg.line.limits import Limits, Watch
from medseg.line.network import Facts
from medseg.line.pace import Pace
from medseg.line.place import Place, is_pause
from medseg.line.remote import Remote
from medseg.line.segmenting import Local
from medseg.line.stages import Stages
from medseg.line.tasks import Finishing
from medseg.options import ReadOptions
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.writing import Writing
from medseg.outputs.run_card import write_card
from medseg.reporting import Reporter
from medseg.room import Shared, using
from medseg.scale import Dispatch, Fleet
from medseg.scale.lease import sweep
from medseg.segmenter import Segmenter

__all__ = ["described_run", "facts_of", "predict_cases"]

_SPILLED = 8  # an array above this part of the memory that is allowed lies in a file


@dataclass(frozen=True)
class _How:
    """How a batch is worked through."""

    finishing: Finishing
    pace: Pace
    limits: Limits
    shared: Shared | None
    jobs: int | None
    look: Callable[[Case, Segmentation], None] | None
    veil: Veil | None


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
    how = _How(finishing, pace, limits, shared, jobs, look, veil)
    rules = Rules(look is not None or redo, retry_failed, limits.attempts)
    with open_ledger(out) as ledger:
        sweep(out, model.lease if isinstance(model, Fleet) else None)
        if record is not None:
            record()
        batch = enter(ledger, told, cases, rules, group=pace.group, reporter=reporter, veil=veil)
        try:
            _work(model, cases, batch, ledger, how, reporter)
        except KeyboardInterrupt:
            said = _interrupted(out, ledger)
            ledger.end_run(batch.number)
            with suppress(OutputError):  # the ledger has all of it
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


def _work(
    model: Segmenter | Remote | Fleet,
    cases: Sequence[Case],
    batch: Batch,
    ledger: Ledger,
    how: _How,
    reporter: Reporter,
) -> None:
    todo = [cases[one.plan.number] for one in batch.work.todo]
    jobs = _jobs(model, todo, how)
    if not todo:
        return
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        watch = stack.enter_context(closing(Watch(how.limits)))
        place = Place(how.finishing.out, reporter, interrupts.heard)
        book = LedgerBook(ledger, batch.plans, place, Progress(reporter, len(todo)), how.veil)
        if isinstance(model, Fleet):
            dispatch = Dispatch(model, how.finishing, how.limits, book, interrupts, reporter)
            stack.enter_context(closing(dispatch))
            dispatch.run(batch.groups)
            return
        shared = how.shared or (Shared() if jobs else None)
        if jobs:
            assert shared is not None
            most = _most(todo, how)
            line = in_processes(model, how.finishing, jobs, shared, watch, cases=most, say=reporter.say, look=how.look)
        else:
            assert not isinstance(model, Remote)
            line = here(Local(model, how.look), how.finishing, interrupts)
        pace = how.pace if jobs else replace(how.pace, ahead=0)
        stack.enter_context(using(shared))
        stages = Stages(line, how.finishing, pace, how.limits, book, interrupts)
        stack.enter_context(closing(stages))
        stages.run(batch.groups)


def _jobs(model: Segmenter | Remote | Fleet, todo: Sequence[Case], how: _How) -> int:
    if how.look is not None or isinstance(model, Fleet):
        return 0
    wanted = jobs_for(todo, how.jobs)
    if isinstance(model, Remote):
        return max(1, wanted, model.count(_most(todo, how)) if how.jobs is None else 0)
    if not wanted and how.limits.kill:
        wanted = jobs_for(todo, how.jobs or 1) if how.jobs != 0 else 0
        if not wanted and todo:
            found = "given where one process does everything, which nothing could end"
            raise ConfigError("timeout, memory_limit", found, "Leave them out, or take jobs=1.")
    return wanted


def _most(todo: Sequence[Case], how: _How) -> int:
    """Cases that may be under way at once."""
    return len(todo) if how.pace.ahead else 1


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

"""Predict many cases: one folder a case, one row a region, and a bad study never stops the rest."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.atomic import write_csv
from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.line.interrupts import Interrupts
from medseg.line.jobs import jobs_for
from medseg.line.outcomes import CASE_COLUMNS, Outcome, described, reason
from medseg.line.stages import Setup, Stages, one_by_one
from medseg.line.tasks import Finishing
from medseg.options import ReadOptions
from medseg.regions import case_table, empty_table, patient_table
from medseg.reporting import Reporter
from medseg.room import Shared, using
from medseg.segmenter import Segmenter

__all__ = ["Predictions", "predict_cases"]

_SPILLED = 8  # an array above this part of the memory that is allowed lies in a file
_TEXT = "Predicting"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a batch leaves.

    Args:
        folder: `<case>/mask.nii.gz|png` (of labels that overlap `mask_LABEL.nii.gz|png`), `<case>/preview.png`,
            `regions.csv`, `totals.csv`, `patients.csv`, `cases.csv`, `timings.csv`.
        cases: A row a case: status "done" or "failed", warnings, error; then what its data set and its header say of it
            (scanner, kvp, patient_age_y, view ...).
        regions: A row a region; `medseg.regions.schema` says what the columns mean.
        totals: A row a case and label; `medseg.regions.case_columns` says what the columns mean.
        patients: A row a patient, study date and label; `medseg.regions.patient_columns` says what the columns mean.
        settings: How the model was run, as in `run.json`.
    """

    folder: Path
    cases: pd.DataFrame
    regions: pd.DataFrame
    totals: pd.DataFrame
    patients: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> pd.DataFrame:
        """The cases that have no mask, with their reasons."""
        return self.cases[self.cases["status"] == "failed"]

    def _repr_html_(self) -> str:
        return f"<p>{self.folder}</p>{self.cases.to_html(index=False)}{self.regions.head(20).to_html(index=False)}"


def predict_cases(
    model: Segmenter,
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
) -> Predictions:
    """Segment and measure every case; what fails is a row with its reason.

    Args:
        model: What segments; always in this process.
        cases: In the order of the tables.
        out: Folder to write to.
        reporter: Told of the progress.
        min_voxels: Smaller regions are left out of the table.
        channel_names: As in `medseg.regions.measure_regions`.
        reading: How files become images.
        look: Each segmentation has its probabilities and is shown to it before it is written.
        jobs: Processes that read the next cases, and as many that measure and write the last ones, while the network
            works; 0 does all in this process, None decides by the number and the size of the cases. Masks and tables
            are the same in either way.
        probabilities: Also write those of each case, `<case>/probabilities.npy`.
        max_memory: Bytes that all processes together may hold: then one case after another is read, segmented and
            written, and arrays above an eighth of it lie in files without a name in `out`.
        masks_only: Neither measure nor draw: there are no tables of regions, nor previews.

    Raises:
        OutputError: `out` cannot be written: then no case could end well.
        KeyboardInterrupt: As the user wished; the cases that are finished are in the tables.
    """
    singly = look is not None or probabilities
    group = 1 if singly else getattr(model, "together", 1)
    setup = Setup(reading, Finishing(out, min_voxels, channel_names, reading, probabilities, masks_only), group)
    if max_memory is not None:
        out.mkdir(parents=True, exist_ok=True)
        setup = replace(setup, group=1, ahead=0, shared=Shared(out, max_memory // _SPILLED))
    segment = _Segmenting(model, look, out if probabilities else None)
    found: list[Outcome] = []
    progress = _Progress(reporter, len(cases))

    def done(outcome: Outcome) -> None:
        found.append(outcome)
        progress.advance()

    processes = jobs_for(cases, jobs) if look is None else 0
    try:
        with Interrupts() as interrupts:
            if processes:
                with closing(Stages(cases, replace(setup, jobs=processes), interrupts)) as stages:
                    stages.run(segment, done)
            else:
                with using(setup.shared):
                    one_by_one(segment, cases, setup, done, interrupts)
    except KeyboardInterrupt:
        _write_tables(out, found, model.labels, masks_only)
        reporter.say(f"Interrupted: {len(found)} of {len(cases)} cases are in {out / 'cases.csv'}")
        raise
    return _write_tables(out, found, model.labels, masks_only)


class _Segmenting:
    """The model, as the line calls it."""

    def __init__(
        self, model: Segmenter, look: Callable[[Case, Segmentation], None] | None, shares: Path | None
    ) -> None:
        self._model, self._look, self._shares = model, look, shares

    def __call__(self, cases: Sequence[Case], images: Sequence[Image]) -> list[Segmentation | Exception]:
        several = getattr(self._model, "segment_several", None)
        if several is None or len(images) < 2:
            return [self._one(case, image) for case, image in zip(cases, images, strict=True)]
        return [
            one if isinstance(one, Exception) else replace(one, image=image)
            for one, image in zip(several(images), images, strict=True)
        ]

    def _one(self, case: Case, image: Image) -> Segmentation | Exception:
        try:
            segmentation = self._segmented(case, image)
            if self._look is not None:
                self._look(case, segmentation)
        except OutputError:
            raise
        except Exception as error:  # the night's run goes on whatever one study does to it
            return error
        return replace(segmentation, probabilities=None, image=image)

    def _segmented(self, case: Case, image: Image) -> Segmentation:
        if self._shares is None:
            return self._model.segment(image, probabilities=self._look is not None)
        return self._model.segment(image, probabilities=self._shares / case.id / "probabilities.npy")


class _Progress:
    """How many cases are done, and how many a second."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter, self._total, self._done = reporter, total, 0
        self._began = time.perf_counter()
        reporter.advance(_TEXT, 0, total)

    def advance(self) -> None:
        """Another one is done."""
        self._done += 1
        rate = self._done / max(time.perf_counter() - self._began, 1e-9)
        note = f"{rate:.3g} cases/s" if rate >= 1 else f"{1 / rate:.3g} s a case"
        self._reporter.advance(_TEXT, self._done, self._total, note)


def _write_tables(out: Path, found: Sequence[Outcome], labels: Labels, masks_only: bool) -> Predictions:
    """The tables of what is finished, in the order of the cases."""
    ordered = sorted(found, key=lambda outcome: outcome.number)
    rows = [_row(outcome) for outcome in ordered]
    columns = dict.fromkeys([*CASE_COLUMNS, *(name for row in rows for name in row)])
    table = pd.DataFrame(rows, columns=list(columns)).astype({"regions": "Int64"})
    tables = [outcome.regions for outcome in ordered if outcome.regions is not None]
    filled = [regions for regions in tables if len(regions)]
    regions = pd.concat(filled, ignore_index=True) if filled else (tables or [empty_table()])[0]
    totals = case_table(regions, [outcome.case.id for outcome in ordered if outcome.regions is not None], labels.names)
    patients = patient_table(regions, table.iloc[:0] if masks_only else table, labels.names, exclusive=labels.exclusive)
    write_csv(out / "cases.csv", table)
    for name, measured in (("regions.csv", regions), ("totals.csv", totals), ("patients.csv", patients)):
        if masks_only:
            (out / name).unlink(missing_ok=True)  # of an earlier run, whose masks are replaced
        else:
            write_csv(out / name, measured)
    timings = [{"case": outcome.case.id, "seconds": outcome.seconds} for outcome in ordered]
    write_csv(out / "timings.csv", pd.DataFrame(timings, columns=["case", "seconds"]))
    return Predictions(out, table, regions, totals, patients)


def _row(outcome: Outcome) -> dict[str, Any]:
    case = outcome.case
    row: dict[str, Any] = {
        "case": case.id,
        "patient": case.patient,
        "images": " ".join(str(path) for path in case.images),
    }
    row = described(described(row, case.columns), outcome.facts)
    if outcome.error is not None:
        return {**row, "status": "failed", "error": reason(outcome.error)}
    count = None if outcome.regions is None else len(outcome.regions)
    return {**row, "status": "done", "regions": count, "warnings": "; ".join(outcome.notes)}

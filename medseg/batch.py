"""Predict many cases: one folder a case, one row a region, and a bad study never stops the rest."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.atomic import write_csv
from medseg.case import Case
from medseg.errors import MedsegError, OutputError
from medseg.image import Image, Segmentation
from medseg.io import read_case_image, write_mask
from medseg.io.label_files import write_label_files
from medseg.options import ReadOptions
from medseg.outputs.preview import write_preview
from medseg.regions import empty_table, measure_segmentation
from medseg.reporting import Reporter
from medseg.segmenter import Segmenter

__all__ = ["Predictions", "predict_cases"]

CASE_COLUMNS = ["case", "patient", "status", "regions", "warnings", "error", "images"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a batch leaves.

    Args:
        folder: `<case>/mask.nii.gz|png` (of labels that overlap `mask_LABEL.nii.gz|png`), `<case>/preview.png`,
            `regions.csv`, `cases.csv`, `timings.csv`.
        cases: A row a case: status "done" or "failed", warnings, error; then what its data set and its header say of it
            (scanner, kvp, patient_age_y, view ...).
        regions: A row a region; `medseg.regions.schema` says what the columns mean.
    """

    folder: Path
    cases: pd.DataFrame
    regions: pd.DataFrame

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
) -> Predictions:
    """Segment and measure every case; what fails is a row with its reason.

    With `look`, each segmentation has its probabilities and is shown to it before it is written.

    Raises:
        OutputError: `out` cannot be written: then no case could end well.
    """
    rows, tables, timings = [], [], []
    for case in reporter.track(cases, "Predicting", len(cases)):
        begin = time.perf_counter()
        row: dict[str, Any] = {
            "case": case.id,
            "patient": case.patient,
            "images": " ".join(str(path) for path in case.images),
        }
        row = _described(row, case.columns)
        try:
            image = read_case_image(case, reading)
            row = _described(row, image.facts)
            segmentation, regions = _predict_one(model, image, case, out, min_voxels, channel_names, look)
        except OutputError:
            raise
        except Exception as error:
            # The night's run goes on whatever one study does to it; what we did not foresee is named as such.
            reason = str(error) if isinstance(error, MedsegError) else f"unexpected {type(error).__name__}: {error}"
            rows.append({**row, "status": "failed", "error": reason})
            _discard(out / case.id)
        else:
            notes = "; ".join(segmentation.notes)
            rows.append({**row, "status": "done", "regions": len(regions), "warnings": notes})
            tables.append(regions)
        timings.append({"case": case.id, "seconds": time.perf_counter() - begin})
    columns = dict.fromkeys([*CASE_COLUMNS, *(name for row in rows for name in row)])
    table = pd.DataFrame(rows, columns=list(columns)).astype({"regions": "Int64"})
    found = [regions for regions in tables if len(regions)]
    regions = pd.concat(found, ignore_index=True) if found else (tables or [empty_table()])[0]
    write_csv(out / "cases.csv", table)
    write_csv(out / "regions.csv", regions)
    write_csv(out / "timings.csv", pd.DataFrame(timings))
    return Predictions(out, table, regions)


def _described(row: dict[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """The row with what is known of its case; what the row has already stays, and our own columns are never taken."""
    more = {f"{name} (case)" if name in CASE_COLUMNS else name: value for name, value in said.items()}
    return {**more, **row}


def _predict_one(
    model: Segmenter,
    image: Image,
    case: Case,
    out: Path,
    min_voxels: int,
    channel_names: Sequence[str] | None,
    look: Callable[[Case, Segmentation], None] | None,
) -> tuple[Segmentation, pd.DataFrame]:
    segmentation = model.segment(image, probabilities=look is not None)
    if look is not None:
        look(case, segmentation)
    regions = measure_segmentation(
        image, segmentation, case=case.id, min_voxels=min_voxels, channel_names=channel_names
    )
    ending = ".png" if image.geometry.ndim == 2 else ".nii.gz"
    write_preview(out / case.id / "preview.png", image, segmentation)
    if segmentation.labels.exclusive:
        write_mask(out / case.id / f"mask{ending}", segmentation)
    else:
        write_label_files(out / case.id, segmentation, ending)
    return segmentation, regions


def _discard(folder: Path) -> None:
    """Remove what an earlier run left of a case, so that no old mask stands for one that failed."""
    for pattern in ("mask.nii.gz", "mask.png", "mask_*.nii.gz", "mask_*.png", "preview.png"):
        for path in folder.glob(pattern):
            path.unlink()

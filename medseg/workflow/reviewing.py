"""Which cases a person should look at: the worst and the least certain, as a table, a picture and files to correct."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from medseg.atomic import json_text, write_csv, write_json
from medseg.case import Case
from medseg.datasets import cases_from_inputs
from medseg.datasets.naming import distinct
from medseg.errors import InputError, OutputError
from medseg.evaluation import overlaps
from medseg.evaluation.confidence import confidence_of
from medseg.image import Segmentation
from medseg.io import read_case_image
from medseg.labels import Labels
from medseg.outputs.review_folder import VIEWERS, plain_labels, write_case, write_guide
from medseg.outputs.review_sheet import SheetRow, sheet_row, write_sheet
from medseg.reporting import Reporter, Silent
from medseg.workflow.finished_run import FinishedRun, Judged, open_run
from medseg.workflow.held_out import class_indices, reference_of
from medseg.workflow.loading import load_model
from medseg.workflow.predicting_cases import predict_with

__all__ = ["RECORD", "Review", "review", "voxel_hash"]

RECORD = "review.json"
_PREDICTIONS = "_predictions"
_NEW = "new"
Viewer = Literal["slicer", "itksnap"]


@dataclass(frozen=True, eq=False)
class Review:
    """What a review leaves.

    Args:
        folder: `<case>/` with image, mask and reference of each chosen case, `review.csv`, `review.png`, `README.md`,
            tables of labels for the viewers, and `review.json`, by which corrections are read back.
        cases: A row a case that was predicted, those to look at first: case, patient, part, why (worst, uncertain),
            dice (mean over labels, of labelled ones), expected_dice, border_entropy, dice of each label, status, error.
    """

    folder: Path
    cases: pd.DataFrame

    @property
    def chosen(self) -> pd.DataFrame:
        """The rows of the cases to look at."""
        return self.cases[self.cases["why"] != ""]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows of the cases that could not be predicted, with their reasons."""
        return self.cases[self.cases["status"] == "failed"]

    def to_json(self) -> str:
        """Folder and rows as JSON text."""
        return json_text({"folder": self.folder, "cases": self.cases.to_dict("records")}, sort_keys=False)

    def _repr_html_(self) -> str:
        return f"<p>{self.folder}</p>" + self.chosen.to_html(index=False, float_format="{:.3f}".format, na_rep="")


def review(
    run: str | Path,
    *,
    worst: int = 10,
    uncertain: int = 10,
    out: str | Path | None = None,
    viewer: Viewer | None = None,
    inputs: str | Path | Sequence[str | Path] = (),
    trusted: bool = False,
    reporter: Reporter | None = None,
) -> Review:
    """Predict what a run's models have not learnt from, and lay out the cases that a person should look at.

    Of a training these are its validation and test cases; of a cross-validation every case by the fold that held it
    out, and the test cases by the model of all folds. The worst have the lowest mean Dice, the least certain the lowest
    expected Dice (`medseg.evaluation.confidence`).

    Args:
        run: The folder that `train` or `cross_validate` wrote.
        worst: How many of the worst.
        uncertain: How many of the least certain; some may be among the worst.
        out: Folder to write to; RUN/review where left out.
        viewer: "slicer" or "itksnap"; both where left out.
        inputs: Unlabelled images to choose from too, as for `predict`; cases with a label are passed over.
        trusted: The run's network may be somebody's own code; see `load_model`.
        reporter: Told of the progress.

    Raises:
        ConfigError: The folder holds no finished run.
        ModelFolderError: Its network is somebody's own code, and not trusted.
        InputError: There is nothing to review, or the viewer is unknown.
        OutputError: The folder holds a review already.
    """
    reporter = reporter or Silent()
    if viewer is not None and viewer not in VIEWERS:
        raise InputError("viewer", f"unknown viewer {viewer!r}", "Choose one of these.", ", ".join(VIEWERS))
    finished = open_run(run, reporter, trusted=trusted)
    folder = Path(out) if out is not None else finished.folder / "review"
    if (folder / RECORD).exists():
        mend = "Name another folder, or remove it once its corrections are read."
        raise OutputError(folder, "holds a review already, perhaps with corrections", mend)
    listed = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    groups = [*finished.judged, *_new(finished, listed, reporter)]
    if not groups:
        raise InputError(run, "has no case that did not teach its model", "Name unlabelled images as inputs.")
    looks = [_predicted(group, finished, folder / _PREDICTIONS, reporter, trusted) for group in groups]
    table = _ranked(pd.concat([look.rows for look in looks], ignore_index=True), worst, uncertain)
    chosen: dict[str, dict[Any, Any]] = {row["case"]: row for row in table[table["why"] != ""].to_dict("records")}
    sheet, record = [], {}
    for look in looks:
        for case in look.group.cases:
            if case.id in chosen:
                row, written = _export(case, look, finished, folder, chosen[case.id])
                sheet.append((list(chosen).index(case.id), row))
                record[case.id] = written
    labels = plain_labels(finished.labels)
    write_csv(folder / "review.csv", table)
    if sheet:
        write_sheet(folder / "review.png", [row for _, row in sorted(sheet, key=lambda one: one[0])], labels)
    write_guide(folder, labels, VIEWERS if viewer is None else (viewer,))
    # Last, because a folder with it is whole.
    write_json(folder / RECORD, {"run": str(run), "cases": record})
    return Review(folder, table)


def voxel_hash(segmentation: Segmentation) -> str:
    """SHA-256 of what each voxel is, whatever values and type a file holds it in."""
    return hashlib.sha256(np.ascontiguousarray(class_indices(segmentation), np.uint8).tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class _Look:
    """The predictions of one group: a row a case, and the masks, packed."""

    group: Judged
    rows: pd.DataFrame
    masks: Mapping[str, tuple[bytes, str, tuple[int, ...]]]

    def segmentation(self, case: Case, labels: Labels, image: Any) -> Segmentation:
        """The mask of a case again."""
        packed, dtype, shape = self.masks[case.id]
        mask = np.frombuffer(zlib.decompress(packed), dtype).reshape(shape)
        return Segmentation(mask, image.geometry, labels, image=image)


def _new(finished: FinishedRun, inputs: Sequence[str | Path], reporter: Reporter) -> list[Judged]:
    """The images of the inputs that have no label, in the data set or with the input; ids are told apart."""
    if not inputs:
        return []
    known = {path.resolve(): case for case in finished.dataset.cases for path in case.images[:1]}
    cases = []
    for case in cases_from_inputs([Path(path) for path in inputs], reporter):
        own = known.get(case.images[0].resolve(), case)
        if not own.labelled and not case.labelled:
            cases.append(own)
    others = [case for case in finished.dataset.cases if case not in cases]
    told_apart = distinct([*others, *cases])[len(others) :]
    return [Judged(finished.folder, _NEW, tuple(told_apart))] if cases else []


def _predicted(group: Judged, finished: FinishedRun, out: Path, reporter: Reporter, trusted: bool) -> _Look:
    model = load_model(group.model, trusted=trusted)
    labels = plain_labels(finished.labels)
    figures: dict[str, dict[str, Any]] = {}
    masks: dict[str, tuple[bytes, str, tuple[int, ...]]] = {}

    def look(case: Case, segmentation: Segmentation) -> None:
        found = asdict(confidence_of(segmentation))
        if case.labelled:
            true = reference_of(case, segmentation, finished.labels, model.reading)
            judged = finished.labels.judged(case.annotated)
            agreement = overlaps(class_indices(segmentation), class_indices(true), labels, case.id)
            dice = {one.label: one.dice for one in agreement if one.label in judged}
            known = [value for value in dice.values() if not np.isnan(value)]
            found |= {"dice": float(np.mean(known)) if known else np.nan}
            found |= {f"dice_{label}": value for label, value in dice.items()}
        figures[case.id] = found
        mask = segmentation.mask
        masks[case.id] = (zlib.compress(mask.tobytes(), 1), mask.dtype.str, mask.shape)

    name = group.model.name if group.part == "out of fold" else group.part
    done = predict_with(model, group.cases, out / name, reporter, look=look)
    told = done.cases[["case", "patient", "status", "error"]].to_dict("records")
    rows = [{**row, "part": group.part, **figures.get(str(row["case"]), {})} for row in told]
    own = [f"dice_{label}" for label in labels.names]
    columns = ["case", "patient", "part", "dice", "expected_dice", "border_entropy", *own, "status", "error"]
    numbers = dict.fromkeys(("dice", "expected_dice", "border_entropy", *own), "float64")
    return _Look(group, pd.DataFrame(rows, columns=columns).astype(numbers), masks)


def _ranked(table: pd.DataFrame, worst: int, uncertain: int) -> pd.DataFrame:
    """The rows with a column `why`: those to look at first, the lowest Dice before others."""
    done = table[table["status"] == "done"]
    low = done.dropna(subset=["dice"]).sort_values(["dice", "case"]).head(worst)["case"]
    doubtful = done.sort_values(["expected_dice", "case"]).head(uncertain)["case"]
    reasons = (("worst", set(low)), ("uncertain", set(doubtful)))
    why = [" and ".join(word for word, names in reasons if case in names) for case in table["case"]]
    columns = [*table.columns[:3], "why", *table.columns[3:]]
    ranked = table.assign(why=why, apart=[reason == "" for reason in why])
    ranked = ranked.sort_values(["apart", "dice", "expected_dice", "case"], na_position="last")
    return ranked[columns].reset_index(drop=True)


def _export(
    case: Case, look: _Look, finished: FinishedRun, folder: Path, row: Mapping[Any, Any]
) -> tuple[SheetRow, dict[str, Any]]:
    """Write the files of a chosen case; its row of the picture, and what is recorded of it."""
    reading = finished.settings.reading
    image = read_case_image(case, reading)
    start = look.segmentation(case, plain_labels(finished.labels), image)
    true = reference_of(case, start, finished.labels, reading) if case.labelled else None
    reference = true and replace(true, labels=start.labels)
    write_case(folder / case.id, image, start, reference)
    dice = f"Dice {row['dice']:.3f}, " if not np.isnan(row["dice"]) else ""
    text = f"{case.id} ({look.group.part}): {row['why']}, {dice}expected {row['expected_dice']:.3f}"
    about = {"patient": case.patient, "part": look.group.part, "images": [str(path) for path in case.images]}
    about |= {"voxels_sha256": voxel_hash(start)}
    return sheet_row(text, image, start, reference), about

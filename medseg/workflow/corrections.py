"""Masks that a person corrected, back into a data set to go on training with; no original is ever touched."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from medseg.atomic import json_text, write_text
from medseg.case import Case
from medseg.datasets.manifest_writing import write_manifest
from medseg.errors import DatasetError, InputError, MedsegError
from medseg.image import Segmentation
from medseg.io import formats, read_case_image, read_mask, write_mask
from medseg.io.label_files import read_label_files, write_label_files
from medseg.labels import Labels
from medseg.outputs.review_folder import mask_ending, plain_labels
from medseg.reporting import Reporter, Silent
from medseg.workflow.finished_run import FinishedRun, open_run
from medseg.workflow.reviewing import RECORD, voxel_hash

__all__ = ["Corrections", "read_corrections"]


@dataclass(frozen=True, eq=False)
class Corrections:
    """What was read back.

    Args:
        manifest: The CSV of the whole data set with the corrected masks in place.
        config: The run's config, made to train on it: `medseg train CONFIG` goes on from the run's model; after a
            cross-validation, `medseg cross-validate CONFIG` begins again.
        cases: A row a case of the review: case, patient, status ("corrected", "unchanged", "refused"), the part it was
            in, and the reason of a refusal.
        moved: Patients who were kept for validation or test and are learnt from now, since a mask of theirs was
            corrected.
        next_command: "train" or "cross-validate", whichever takes the config.
    """

    manifest: Path
    config: Path
    cases: pd.DataFrame
    moved: tuple[str, ...]
    next_command: str = "train"

    @property
    def corrected(self) -> pd.DataFrame:
        """The rows of the cases whose masks were taken."""
        return self.cases[self.cases["status"] == "corrected"]

    @property
    def refused(self) -> pd.DataFrame:
        """The rows of the cases whose masks cannot be used, with their reasons."""
        return self.cases[self.cases["status"] == "refused"]

    def to_json(self) -> str:
        """Places and rows as JSON text."""
        places = {"manifest": self.manifest, "config": self.config, "moved": self.moved}
        return json_text(places | {"cases": self.cases.to_dict("records")}, sort_keys=False)

    def _repr_html_(self) -> str:
        return f"<p>{self.manifest}</p>{self.cases.to_html(index=False)}"


def read_corrections(
    run: str | Path,
    corrected: str | Path,
    to: str | Path,
    *,
    take_unchanged: bool = False,
    trusted: bool = False,
    reporter: Reporter | None = None,
) -> Corrections:
    """Check each corrected mask, and write a manifest of the whole data set with them in place.

    A mask is copied beside the manifest, into the folder `NAME_masks`. One that lies on another grid or holds values
    that are not declared is refused and its case stays as it was. The manifest fixes the parts of the run, so that
    no patient whom the model learnt from is ever a test patient; patients with a corrected mask are learnt from.

    Args:
        run: The folder that was reviewed.
        corrected: The folder that `review` wrote, perhaps moved.
        to: The CSV to write; it must not lie in the data set's own folder under a name that is taken.
        take_unchanged: Take masks that are as they were predicted too: somebody looked at them all.
        trusted: The run's network may be somebody's own code, which the config will name; see `load_model`.
        reporter: Told of the progress.

    Raises:
        InputError: The folder is none of a review, or `to` is there already.
        DatasetError: A manifest cannot name what the data set consists of.
    """
    reporter, manifest, folder = reporter or Silent(), Path(to), Path(corrected)
    record = _record(folder)
    if manifest.exists() or manifest.suffix.lower() != ".csv":
        raise InputError(manifest, "is there already, or is no CSV", "Name a new file, such as corrected.csv.")
    finished = open_run(run, reporter, trusted=trusted)
    if any(case.mask_step != 1 for case in finished.dataset.cases):
        mend = "Convert it first (`medseg convert DATASET OUT --to manifest`), and train on that."
        raise DatasetError(finished.dataset.root, "has masks drawn on smaller copies, which no manifest names", mend)
    by_id = {case.id: case for case in finished.dataset.cases}
    rows, taken = [], {}
    for name, about in reporter.track(sorted(record.items()), "Reading corrections", len(record)):
        case = by_id.get(name) or Case(name, about["patient"], tuple(Path(path) for path in about["images"]))
        row = {"case": name, "patient": case.patient, "part": about["part"], "status": "refused", "reason": ""}
        try:
            found = _corrected(case, folder / name, finished)
            if take_unchanged or voxel_hash(found) != about["voxels_sha256"]:
                taken[name] = _with_mask(case, found, manifest, finished.labels)
            row["status"] = "corrected" if name in taken else "unchanged"
        except MedsegError as error:
            row["reason"] = str(error)
        rows.append(row)
    table = pd.DataFrame(rows, columns=["case", "patient", "part", "status", "reason"])
    cases, moved = _parts(finished, taken)
    write_manifest(manifest, cases)
    config = manifest.with_suffix(".yaml")
    write_text(config, _config(finished, manifest, cases))
    return Corrections(manifest, config, table, moved, "cross-validate" if finished.folds else "train")


def _record(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        cases: dict[str, dict[str, Any]] = json.loads((folder / RECORD).read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        mend = f"Pass the folder that `medseg review` wrote, with its {RECORD}."
        raise InputError(folder, f"is no folder of a review ({error})", mend) from error
    return cases


def _corrected(case: Case, folder: Path, finished: FinishedRun) -> Segmentation:
    """The mask in a case's folder, on the grid of its image and of declared values only."""
    image, labels = read_case_image(case, finished.settings.reading), plain_labels(finished.labels)
    if not labels.exclusive:
        channels = read_label_files(folder, labels, image.geometry).mask
        return Segmentation(channels, image.geometry, labels, image=image)
    found = [path for path in sorted(folder.glob("mask.*")) if formats.stem(path) == "mask"]
    if len(found) != 1:
        listed = " and ".join(path.name for path in found) or "no file called mask"
        raise InputError(folder, f"holds {listed}", "Keep the corrected mask as mask.nii.gz or mask.png.", "one mask")
    mask, _grid = read_mask(found[0], on=image, labels=labels)
    labels.to_indices(mask, str(found[0]))
    return Segmentation(mask, image.geometry, labels, image=image)


def _with_mask(case: Case, found: Segmentation, manifest: Path, labels: Labels) -> Case:
    """The case with the corrected mask, written beside the manifest."""
    folder, ending = manifest.with_name(f"{manifest.stem}_masks"), mask_ending(found)
    structures: tuple[str, ...] = ()
    if labels.exclusive and not labels.colours and not labels.structures:
        files: tuple[Path, ...] = (folder / f"{case.id}{ending}",)
        write_mask(files[0], found)
    else:
        # Where colours or names say what a mask shows, a label map in file values would be misread.
        channels = np.stack([found.of(name) for name in labels.names]).astype(np.uint8)
        apart = Labels(found.labels.labels, exclusive=False)
        files = write_label_files(folder / case.id, replace(found, mask=channels, labels=apart), ending)
        structures = tuple(_structure(labels, name) for name in labels.names)
    return replace(case, masks=files, structures=structures, readers={}, annotated=None, negative=False)


def _structure(labels: Labels, name: str) -> str:
    """What the data set calls a label in its files."""
    value = next(label.values[0] for label in labels.labels if label.name == name)
    return next((structure for structure, own in labels.structures if own == value), name)


def _parts(finished: FinishedRun, taken: Mapping[str, Case]) -> tuple[list[Case], tuple[str, ...]]:
    """Every case with its part fixed as it was in the run, new ones too; and the patients who changed theirs.

    A patient is in one part: with a corrected mask in the training part. In a cross-validation all but the test
    patients are in the folds, for which nothing is fixed.
    """
    known = {case.id: case for case in finished.dataset.cases}
    cases = [taken.get(name, case) for name, case in known.items()]
    cases += [case for name, case in taken.items() if name not in known]
    split, learnt = finished.split, "" if finished.folds else "train"
    part_of = dict.fromkeys(split.train, learnt) | dict.fromkeys(split.validation, "validation")
    part_of |= dict.fromkeys(split.test, "test")
    whose: dict[str, str] = {case.patient: part_of[case.id] for case in cases if case.id in part_of}
    patients = {case.patient for case in taken.values()}
    moved = tuple(sorted(one for one in patients if whose.get(one, learnt) in ("validation", "test")))
    whose |= dict.fromkeys(patients, learnt)
    return [replace(case, split=whose.get(case.patient, case.split)) for case in cases], moved


def _config(finished: FinishedRun, manifest: Path, cases: Sequence[Case]) -> str:
    """The run's config for the new data set, with what its parts need."""
    told: dict[str, Any] = json.loads(finished.settings.model_dump_json(exclude_defaults=True))
    for key in ("layout", "cases", "split", "folds", "fold", "stratify", "init"):
        told.pop(key, None)
    name = finished.folder.name
    told |= {"dataset": str(manifest.resolve()), "labels": finished.labels.to_config(), "name": f"{name}-corrected"}
    told |= {"out": str(finished.folder.with_name(f"{name}-corrected"))}
    told |= {"folds": finished.folds} if finished.folds else {"init": str(finished.folder / "model")}
    if not any(case.split == "test" for case in cases):
        told["test"] = 0
    note = f"# Made by `medseg review {finished.folder} --corrected`: the settings of that run, on corrected masks.\n"
    return note + yaml.safe_dump(told, sort_keys=False, allow_unicode=True)

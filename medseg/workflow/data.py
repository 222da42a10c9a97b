"""Look at a data set and convert it."""

import os
from collections.abc import Sequence
from pathlib import Path

from medseg.atomic import write_csv
from medseg.datasets import (
    CaseTable,
    Inspection,
    inspect_dataset,
    survey_dataset,
)
from medseg.datasets.conversion import TARGETS
from medseg.datasets.conversion_folder import Conversion
from medseg.datasets.inspection import Mend, mend_dataset
from medseg.datasets.layouts import nnunet
from medseg.errors import InputError
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_segmentation, write_image, write_mask
from medseg.io.structures import holds_structures
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent
from medseg.resample import moved, respaced

__all__ = ["convert", "convert_dataset", "inspect"]

_THUMBNAIL = 112  # rows of the pictures of cases


def inspect(
    dataset: str | Path,
    *,
    layout: str | None = None,
    labels: Labels | None = None,
    cases: CaseTable | None = None,
    options: ReadOptions | None = None,
    jobs: int | None = None,
    page: str | Path | None = None,
    out: str | Path | None = None,
    fix: Mend | None = None,
    to: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Inspection:
    """Read a whole data set, say what is in it and what is wrong with it, and never stop at the first problem.

    Args:
        dataset: A folder, the CSV of a manifest, or an HDF5 file of many cases.
        layout: A name in `LAYOUTS`; recognised where left out.
        labels: What the values of the masks mean, where the data set does not say it.
        cases: A CSV inside the data set that gives patients and other columns.
        options: How to read, where there is a choice.
        jobs: Cases read at a time; one a processor where left out, of which each is in memory.
        page: Gets an HTML page with pictures of the distributions and of every case.
        out: Gets the table of cases as CSV.
        fix: "copy-header" or "resample": how masks that do not lie on their images are mended, in copies.
        to: A folder outside the data set for the copies and a manifest of the whole mended data set.
        reporter: Told of the progress, and of what was mended.

    Returns:
        What was found, before anything was mended.

    Raises:
        DatasetError: Nothing can be read at all: the path is missing, or no layout or more than one fits.
        InputError: Of `fix` and `to` only one is given, or the folder lies in the data set.
    """
    if (fix is None) != (to is None):
        raise InputError(
            "fix", "needs a folder for the mended copies, and such a folder a fix", "Give fix=... and to=..."
        )
    reporter = reporter or Silent()
    found = survey_dataset(dataset, layout=layout, labels=labels, table=cases)
    seen = inspect_dataset(
        found,
        lambda listed: reporter.track(listed, "Inspecting", len(listed)),
        options,
        jobs=jobs or os.cpu_count() or 1,
        thumbnails=_THUMBNAIL if page is not None else None,
    )
    if page is not None:
        from medseg.outputs.inspection_page import write_inspection_page

        write_inspection_page(Path(page), seen)
    if out is not None:
        write_csv(out, seen.table)
    if fix is not None and to is not None:
        mended = mend_dataset(seen, to, fix, options, reporter)
        reporter.say(f"{len(mended.masks)} masks mended: {mended.manifest}")
        for case, reason in mended.refused:
            reporter.say(f"not mended: {case}: {reason}")
    return seen


def convert(
    source: str | Path,
    out: str | Path,
    *,
    on: str | Path | None = None,
    resample: bool = False,
    spacing_mm: Sequence[float] | None = None,
    options: ReadOptions | None = None,
) -> Image | Segmentation:
    """Read an image, or the structures of a DICOM SEG or RTSTRUCT, and write it as NIfTI (PNG in 2D).

    Args:
        source: A file, DICOM folder or address; `seg.dcm:/liver` is one structure.
        out: A .nii.gz, .nii or .png file.
        on: The image on whose grid structures or a mask are to lie; an RTSTRUCT needs it.
        resample: Resample a mask that was drawn on another grid, each label linearly, instead of refusing it.
        spacing_mm: Resample an image to this spacing, over the same extent; one number, or one an axis.
        options: How to read, where there is a choice.

    Returns:
        What was written.

    Raises:
        LabelError: Structures overlap; they are listed, to be converted one by one.
        OutputError: The ending does not fit, or the file cannot be written.
    """
    if on is None and not holds_structures(source):
        image = read_image(source, options=options)
        image = image if spacing_mm is None else respaced(image, spacing_mm)
        write_image(out, image)
        return image
    below = read_image(on, options=options) if on is not None else None
    if resample and below is not None:
        segmentation = moved(read_segmentation(source, options=options), below)
    else:
        segmentation = read_segmentation(source, on=below, options=options)
    write_mask(out, segmentation)
    return segmentation


def convert_dataset(
    source: str | Path,
    out: str | Path,
    to: str,
    *,
    layout: str | None = None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Conversion:
    """Write a whole data set as raw data of nnU-Net v2, or as a manifest beside its files.

    A data set that was converted to nnU-Net gets its own file values back.

    Args:
        source: A data set of any layout.
        out: A new folder (for nnU-Net DatasetNNN_NAME), or one that a killed run began.
        to: "nnunet" or "manifest".
        layout: Its layout; recognised where left out.
        labels: What its masks contain; else what the data set declares.
        options: How to read, where there is a choice: `consensus`, say.
        reporter: Told of the progress.

    Returns:
        The cases as they lie in `out`, and those that could not be converted with the reason.

    Raises:
        DatasetError: The data set cannot be read, its labels are not declared, or no case could be converted.
        OutputError: `out` holds something else, or cannot be written.
    """
    if to not in TARGETS:
        raise InputError("to", f"unknown arrangement {to!r}", "Choose one of these.", ", ".join(TARGETS))
    dataset = survey_dataset(source, layout=layout, labels=labels)
    reporter = reporter or Silent()
    for warning in dataset.warnings:
        reporter.say(f"Warning: {warning}")
    before = nnunet.original_labels(dataset.root) if dataset.layout == "nnunet" and labels is None else None
    return TARGETS[to](dataset, Path(out), labels=before, options=options, reporter=reporter)

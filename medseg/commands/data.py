"""Commands about data: inspect, scan, split, convert."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medseg.commands.dicom_options import Codes, SegKind, SegSegments
from medseg.commands.options import (
    DatasetPath,
    Frame,
    Json,
    Label,
    Layout,
    Reading,
    Table,
    Untilt,
    bars,
    case_table_of_words,
    labels_of_words,
    reading_options,
    show,
    show_failures,
)
from medseg.errors import LabelError

if TYPE_CHECKING:
    from medseg.datasets import Dataset
    from medseg.labels import Labels
    from medseg.options import ReadOptions

__all__ = ["convert", "inspect", "scan", "split"]

_DATA_SETS = ("nnunet", "manifest")


def inspect(
    dataset: DatasetPath,
    layout: Layout = None,
    label: Label = None,
    case_table: Table = None,
    page: Annotated[Path | None, typer.Option(help="Also write an HTML page with pictures of every case.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table of cases to this CSV.")] = None,
    fix: Annotated[
        Literal["copy-header", "resample"] | None,
        typer.Option(help="Write mended copies of masks that lie off their images: with the image's header, or moved."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder for mended copies and the manifest that names them.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Cases read at a time; one a processor by default.")] = None,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Say what is in a data set and what is wrong with it: grids, labels, intensities, duplicates, leaks.

    Every image and mask is read once, and no file of the data set is ever changed. Exit code 1 where there are
    problems.
    """
    from medseg.atomic import json_text
    from medseg.outputs.console import inspection_view
    from medseg.workflow import inspect as run

    options = reading_options(reading, None, False)
    with bars() as reporter:
        seen = run(
            dataset,
            layout=layout,
            labels=labels_of_words(label),
            cases=case_table_of_words(case_table),
            options=options,
            jobs=jobs,
            page=page,
            out=out,
            fix=fix,
            to=to,
            reporter=reporter,
        )
    if as_json:
        typer.echo(json_text(seen.summary, sort_keys=False))
    else:
        show(inspection_view(seen))
        if any(case.readers for case in seen.dataset.cases):
            _show_agreement(seen.dataset, options)
    if not seen.sound:
        raise typer.Exit(1)


def scan(
    studies: Annotated[Path, typer.Argument(help="Folder of DICOM studies, a DICOMDIR or a file.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table to this CSV file.")] = None,
    page: Annotated[Path | None, typer.Option(help="Also write an HTML page with a picture of every volume.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a processor if not given.")] = None,
    untilt: Untilt = False,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """List the DICOM series and volumes of a tree of any shape, and why any of them cannot be read.

    Only headers are read. The addresses in the last column are what predict, measure and read_image take. Exit
    code 1 where something is refused.
    """
    from medseg.atomic import write_csv
    from medseg.io.dicom.scan import scan_dicom
    from medseg.io.dicom.tree import SHOWN
    from medseg.outputs.console import frame_table
    from medseg.outputs.scan_page import write_scan_page

    options = reading_options(reading, None, untilt)
    with bars() as reporter:
        tree = scan_dicom(studies, jobs=jobs, reporter=reporter)
        if page is not None:
            write_scan_page(page, tree, options, reporter)
    table = tree.table
    if out is not None:
        write_csv(out, table)
    refused = table[table["status"] == "refused"]
    if as_json:
        typer.echo(table.to_json(orient="records", indent=2))
    else:
        below = f"{studies}/"
        shown = table.assign(address=[text.removeprefix(below) for text in table["address"]])
        show(frame_table(shown, repr(tree), columns=SHOWN, max_rows=60))
        for address, note in refused[["address", "note"]].itertuples(index=False):
            typer.echo(f"refused: {note if address in note else f'{address}: {note}'}", err=True)
    if len(refused):
        raise typer.Exit(1)


def split(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON file for the split, or for the list of folds.")],
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of the patients to keep apart.")] = 0.2,
    validation: Annotated[float, typer.Option(min=0, max=1, help="The same; not with --folds.")] = 0.1,
    folds: Annotated[int | None, typer.Option(min=2, help="Make folds of what is not kept for the test.")] = None,
    stratify: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column whose values all parts have alike; repeat it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other patients.")] = 0,
    layout: Layout = None,
    label: Label = None,
    case_table: Table = None,
    as_json: Json = False,
) -> None:
    """Split a data set by patient into training, validation and test part, or into folds, and save that.

    Train by it with split=FILE (and fold=0, fold=1, ... of folds).
    """
    from medseg.datasets import k_folds, open_dataset, save_folds, split_by_patient, split_table
    from medseg.outputs.console import frame_table

    cases = open_dataset(
        dataset, layout=layout, labels=labels_of_words(label), table=case_table_of_words(case_table)
    ).cases
    if folds is None:
        made = [split_by_patient(cases, test=test, validation=validation, seed=seed, stratify=stratify)]
        made[0].save(out)
    else:
        made = k_folds(cases, folds, test=test, seed=seed, stratify=stratify)
        save_folds(out, made)
    shown = split_table(made, cases, stratify)
    if as_json:
        typer.echo(shown.to_json(orient="records", indent=2))
    else:
        show(frame_table(shown, f"{dataset}: {len(cases)} cases", max_rows=60))
        typer.echo(f"Split: {out}")


def convert(
    source: Annotated[
        Path, typer.Argument(help="File, DICOM folder or address (seg.dcm:/liver); with --to, a data set.")
    ],
    out: Annotated[Path, typer.Argument(help="A .nii.gz, .nii, .png or .tif file; with --to, a folder.")],
    on: Annotated[
        Path | None, typer.Option("--on", "--like", help="Image on whose grid a mask, SEG or RTSTRUCT is to lie.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Resample a mask of another grid onto that image.")
    ] = False,
    spacing: Annotated[str | None, typer.Option(metavar="MM", help="Resample an image: 1.5, or 1,1,3.")] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="nnunet or manifest: convert a whole data set to nnU-Net's raw data, or to a manifest.csv beside its "
            "files. seg, sr, rtstruct, capture or some of them (seg,sr): write a mask as DICOM objects over --like.",
        ),
    ] = None,
    codes: Codes = None,
    seg: SegKind = "BINARY",
    segments: SegSegments = None,
    made_by: Annotated[
        str, typer.Option(metavar="NAME", help="What made the mask; else DICOM objects say it was drawn by hand.")
    ] = "",
    layout: Layout = None,
    label: Label = None,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
) -> None:
    """Write an image, a mask or the structures of a DICOM SEG or RTSTRUCT as NIfTI, in 2D as PNG; a mask as DICOM.

    With --to nnunet or manifest, write a whole data set in another arrangement; exit code 1 where a case could not be
    converted. With --to seg,sr,rtstruct, write a mask as DICOM objects over the series of --like.
    """
    from medseg.workflow import convert as run

    options = reading_options(reading, frame, untilt)
    if to is not None and to not in _DATA_SETS:
        if on is None or layout is not None or spacing is not None:
            raise typer.BadParameter(f"--to {to} needs --like SERIES, and neither --layout nor --spacing")
        _convert_to_dicom(
            source, on, out, to, labels_of_words(label), options,
            codes=codes, seg=seg, segments=segments, made_by=made_by, resample=resample,
        )  # fmt: skip
        return
    if to is not None:
        if on is not None or resample or spacing is not None:
            raise typer.BadParameter("--on, --resample and --spacing are for single files, not for --to")
        _convert_dataset(source, out, to, layout, labels_of_words(label), options)
        return
    if layout is not None or label:
        raise typer.BadParameter("--layout and --label are for whole data sets: add --to")
    done = run(source, out, on=on, resample=resample, spacing_mm=_numbers(spacing), options=options)
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)
    typer.echo(f"{out}: {done!r}")


def _convert_to_dicom(
    mask: Path, like: Path, out: Path, to: str, labels: "Labels | None", options: "ReadOptions", **given: Any
) -> None:
    from medseg.workflow.dicom_objects import convert_to_dicom

    done = convert_to_dicom(mask, like, out, to, labels=labels, options=options, **given)
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)
    for path in done.paths:
        typer.echo(path)


def _convert_dataset(
    source: Path, out: Path, to: str, layout: str | None, labels: "Labels | None", options: "ReadOptions"
) -> None:
    from medseg.workflow import convert_dataset

    with bars() as reporter:
        done = convert_dataset(source, out, to, layout=layout, labels=labels, options=options, reporter=reporter)
    typer.echo(f"{done.out}: {len(done.cases)} cases, {len(done.failures)} failed")
    show_failures(done.failures)
    if done.failures:
        raise typer.Exit(1)


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.replace("x", ",").split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a spacing such as 1.5 or 1,1,3") from None


def _show_agreement(dataset: "Dataset", options: "ReadOptions") -> None:
    from medseg.evaluation import reader_agreement, summarise_readers
    from medseg.outputs.console import frame_table

    try:
        agreement = summarise_readers(reader_agreement(dataset, options))
    except LabelError as error:  # a finding already, and no reason to end without one
        typer.echo(f"Agreement of the readers: {error}", err=True)
        return
    show(frame_table(agreement, "Agreement of the readers (Dice)"))

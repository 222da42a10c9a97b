"""The `medseg` command: parses, calls `workflow`, prints. Exit codes: 0 done, 1 some cases failed, 2 could not run."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from medseg.errors import MedsegError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Lesion masks and region measurements from folders of radiology studies.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")]
Label = Annotated[
    list[str] | None,
    typer.Option("--label", help="What a value means, as name=value; repeat it. `ignore=127` leaves voxels out."),
]
Reading = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="KEY=VALUE",
        help="How files become images: untilt, window, resample_channels, across_frames, nearest_label (true or "
        "false), pet (suv or stored), reference (channel), consensus (of several readers: majority, staple or a name). "
        "Repeat it.",
    ),
]
Frame = Annotated[int | None, typer.Option(min=0, help="Which volume of files with four axes, from 0.")]
Untilt = Annotated[bool, typer.Option("--untilt", help="Resample CT with gantry tilt onto an orthogonal grid.")]
# Written out, because looking them up would load every reader before the help is shown.
_LAYOUTS = (
    "msd, nnunet, bids, paired, beside, manifest, hdf5, dicom, coco, mini_mias, inbreast, cdd_cesm, busi, cbis_ddsm, "
    "montgomery, shenzhen, jsrt or covid_cxr"
)
_OUT = typer.Option("--out", "-o", help="Folder to write to.")


@app.callback(invoke_without_command=True)
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from medseg import __version__

        typer.echo(f"medseg {__version__}")
        raise typer.Exit


@app.command()
def inspect(
    dataset: Annotated[Path, typer.Argument(help="Folder of a data set, its manifest, or an HDF5 file.")],
    layout: Annotated[str | None, typer.Option(help=f"{_LAYOUTS}; recognised where left out.")] = None,
    label: Label = None,
    case_table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="The CSV that describes the cases: file=cases.csv, and the columns id, patient, split, spacing_mm. "
            "Repeat it.",
        ),
    ] = None,
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

    options = _reading(reading, None, False)
    with _bars() as reporter:
        seen = run(
            dataset,
            layout=layout,
            labels=_labels(label),
            cases=_case_table(case_table),
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
        _print(inspection_view(seen))
        if any(case.readers for case in seen.dataset.cases):
            _print(_readers_table(seen.dataset, options))
    if not seen.sound:
        raise typer.Exit(1)


@app.command()
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

    options = _reading(reading, None, untilt)
    with _bars() as reporter:
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
        _print(frame_table(shown, repr(tree), columns=SHOWN, max_rows=60))
        for address, note in refused[["address", "note"]].itertuples(index=False):
            typer.echo(f"refused: {note if address in note else f'{address}: {note}'}", err=True)
    if len(refused):
        raise typer.Exit(1)


@app.command()
def split(
    dataset: Annotated[Path, typer.Argument(help="Folder of a data set, its manifest, or an HDF5 file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON file for the split, or for the list of folds.")],
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of the patients to keep apart.")] = 0.2,
    validation: Annotated[float, typer.Option(min=0, max=1, help="The same; not with --folds.")] = 0.1,
    folds: Annotated[int | None, typer.Option(min=2, help="Make folds of what is not kept for the test.")] = None,
    stratify: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column whose values all parts have alike; repeat it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other patients.")] = 0,
    layout: Annotated[str | None, typer.Option(help="Layout of the data set; recognised if not given.")] = None,
    label: Label = None,
    case_table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="The CSV with patients and columns: file=cases.csv, patient=..., id=..."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Split a data set by patient into training, validation and test part, or into folds, and save that.

    Train by it with split=FILE (and fold=0, fold=1, ... of folds).
    """
    from medseg.config import apply_overrides, check
    from medseg.datasets import CaseTable, k_folds, open_dataset, save_folds, split_by_patient, split_table
    from medseg.outputs.console import frame_table

    table = check(CaseTable, apply_overrides({}, case_table), "--case-table") if case_table else None
    cases = open_dataset(dataset, layout=layout, labels=_labels(label), table=table).cases
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
        _print(frame_table(shown, f"{dataset}: {len(cases)} cases", max_rows=60))
        typer.echo(f"Split: {out}")


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the config, such as minutes=15.")
    ] = None,
) -> None:
    """Train a U-Net on the labelled cases; the same command again goes on with a killed run.

    Keys of the config: dataset (path), layout, labels (name: file value), cases (case table: file, id, patient,
    split), modality, reading (how files become images), name, out, minutes or epochs, seed, init (model folder to
    fine-tune), test and validation (shares of the patients), stratify (columns), folds and fold (cross-validation),
    split (a file, see `medseg split`), preparation (steps before normalisation: remove_labels, crop_to_breast,
    clahe: {clip_limit: 0.02} ...), plan (overrides of the computed plan), augment, learning.
    Inner keys are written with dots: learning.learning_rate=0.0005.
    """
    from medseg.export.bundle import bundle_command
    from medseg.workflow import train as run

    with _bars() as reporter:
        trained = run(config, *(overrides or []), reporter=reporter)
    typer.echo(f"Model folder: {trained.folder} (mean validation Dice {trained.validation_dice:.3f})")
    typer.echo(f"Learning curves: {trained.run / 'curves.png'}, {trained.run / 'history.csv'}")
    if trained.portable:
        typer.echo(f"In plain MONAI: {bundle_command(trained.folder)}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Model folder, or the folder of its run.")],
    inputs: Annotated[list[Path], typer.Argument(help="Files, folders of files, study folders, or a data set.")],
    out: Annotated[Path, _OUT],
    part: Annotated[str | None, typer.Option(help="Only this part of its split: train, validation, test.")] = None,
    portable: Annotated[bool, typer.Option("--portable", help="As the bundle in MONAI: fp32, no crop.")] = False,
    min_voxels: Annotated[int, typer.Option(min=0, help="Leave smaller regions out of the table.")] = 0,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Segment and measure studies: a mask and a preview a case, one table of regions, one of cases.

    Exit code 1 where a case failed; its reason is in cases.csv.
    """
    from medseg.outputs.console import frame_table
    from medseg.workflow import predict as run

    command = "medseg " + shlex.join(sys.argv[1:])
    with _bars() as reporter:
        done = run(
            model,
            inputs,
            out,
            part=part,
            portable=portable,
            min_voxels=min_voxels,
            reading=_reading_changes(reading, frame, untilt),
            command=command,
            reporter=reporter,
        )
    if as_json:
        failed = done.failed[["case", "error"]].to_dict("records")
        typer.echo(json.dumps({"out": str(out), "cases": len(done.cases), "failed": failed}, indent=2))
    else:
        _print(frame_table(done.regions, f"Regions ({out / 'regions.csv'})", columns=SHOWN_REGIONS))
        typer.echo(f"{len(done.cases) - len(done.failed)} of {len(done.cases)} cases done: {out / 'cases.csv'}")
        for case, error in done.failed[["case", "error"]].itertuples(index=False):
            typer.echo(f"failed: {case}: {error}", err=True)
    if len(done.failed):
        raise typer.Exit(1)


SHOWN_REGIONS = [
    "case", "label", "region", "voxels", "volume_ml", "area_mm2", "area_px",
    "longest_axial_mm", "perpendicular_mm", "longest_3d_mm", "longest_axial_px",
]  # fmt: skip


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="File, DICOM folder or address (seg.dcm:/liver); with --to, a data set.")
    ],
    out: Annotated[Path, typer.Argument(help="A .nii.gz, .nii, .png or .tif file; with --to, a new folder.")],
    on: Annotated[Path | None, typer.Option(help="Image on whose grid a mask, SEG or RTSTRUCT is to lie.")] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Resample a mask of another grid onto that image.")
    ] = False,
    spacing: Annotated[str | None, typer.Option(metavar="MM", help="Resample an image: 1.5, or 1,1,3.")] = None,
    to: Annotated[
        Literal["nnunet", "manifest"] | None,
        typer.Option(help="Convert a whole data set: to nnU-Net's raw data, or to a manifest.csv beside its files."),
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of that data set; recognised where left out.")] = None,
    label: Label = None,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
) -> None:
    """Write an image, a mask or the structures of a DICOM SEG or RTSTRUCT as NIfTI, in 2D as PNG.

    With --to, write a whole data set in another arrangement; exit code 1 where a case could not be converted.
    """
    from medseg.workflow import convert as run

    options = _reading(reading, frame, untilt)
    if to is not None:
        if on is not None or resample or spacing is not None:
            raise typer.BadParameter("--on, --resample and --spacing are for single files, not for --to")
        _convert_dataset(source, out, to, layout, _labels(label), options)
        return
    if layout is not None or label:
        raise typer.BadParameter("--layout and --label are for whole data sets: add --to")
    done = run(source, out, on=on, resample=resample, spacing_mm=_numbers(spacing), options=options)
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)
    typer.echo(f"{out}: {done!r}")


def _convert_dataset(source: Path, out: Path, to: str, layout: str | None, labels: Any, options: Any) -> None:
    from medseg.workflow import convert_dataset

    with _bars() as reporter:
        done = convert_dataset(source, out, to, layout=layout, labels=labels, options=options, reporter=reporter)
    typer.echo(f"{done.out}: {len(done.cases)} cases, {len(done.failures)} failed")
    for case, reason in done.failures:
        typer.echo(f"failed: {case}: {reason}", err=True)
    if done.failures:
        raise typer.Exit(1)


@app.command()
def measure(
    image: Annotated[Path, typer.Argument(help="Image file or DICOM folder.")],
    mask: Annotated[list[Path], typer.Argument(help="Label map on the image's grid, SEG or RTSTRUCT; several unite.")],
    label: Label = None,
    min_voxels: Annotated[int, typer.Option(min=0, help="Leave smaller regions out.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table to this CSV file.")] = None,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Measure every region of a mask: size, diameters, place and intensities."""
    from medseg.atomic import write_csv
    from medseg.outputs.console import frame_table
    from medseg.workflow import measure as run

    options = _reading(reading, frame, untilt)
    table = run(image, mask, _labels(label), min_voxels=min_voxels, options=options)
    if out is not None:
        write_csv(out, table)
    if as_json:
        typer.echo(table.to_json(orient="records", indent=2))
    else:
        _print(frame_table(table, ", ".join(map(str, mask)), columns=SHOWN_REGIONS))


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="What predict wrote, a folder of masks, or one mask.")],
    reference: Annotated[Path, typer.Argument(help="Data set, folder of masks, or one mask.")],
    label: Label = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the tables; PREDICTIONS/evaluation if not given.")
    ] = None,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Score masks against references on the native grid: Dice, IoU, precision, recall, accuracy.

    Exit code 1 where a case could not be scored.
    """
    from medseg.outputs.console import frame_table
    from medseg.workflow import evaluate as run

    with _bars() as reporter:
        evaluation = run(
            predictions, reference, _labels(label), reading=_reading_changes(reading, None, False), reporter=reporter
        )
    folder = out or (predictions / "evaluation" if predictions.is_dir() else None)
    if folder is not None:
        evaluation.save(folder)
    if as_json:
        typer.echo(evaluation.to_json())
    else:
        _print(frame_table(evaluation.summary, "Summary over cases"))
        for case, reason in evaluation.failures:
            typer.echo(f"failed: {case}: {reason}", err=True)
    if evaluation.failures:
        raise typer.Exit(1)


@app.command()
def demo(
    kind: Annotated[Literal["ct", "mammogram"], typer.Option(help="3D or 2D.")] = "ct",
    out: Annotated[Path, _OUT] = Path("medseg-demo"),
    minutes: Annotated[float, typer.Option(min=0.05, help="How long to train.")] = 2.0,
) -> None:
    """Generate studies, train on the labelled ones, predict the others, and score and measure the result."""
    from medseg.demonstration import demonstrate
    from medseg.outputs.console import frame_table

    with _bars() as reporter:
        shown = demonstrate(kind, out, minutes=minutes, reporter=reporter)
    _print(frame_table(shown.predictions.regions, "Regions of the unseen studies", columns=SHOWN_REGIONS))
    typer.echo(f"Dice on {len(shown.predictions.cases)} unseen studies: {shown.dice:.3f} (Otsu: {shown.otsu_dice:.3f})")
    for what, path in shown.places.items():
        typer.echo(f"{what + ':':<22}{path}")


def main() -> None:
    """Run the command; an error of ours is one line and exit code 2, unless --debug asks for its traceback."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except MedsegError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


def _bars() -> Any:
    from medseg.outputs.progress import RichReporter

    return RichReporter()


def _reading_changes(words: list[str] | None, frame: int | None, untilt: bool) -> dict[str, Any]:
    from medseg.config import apply_overrides

    changes = apply_overrides({}, words or [])
    return changes | ({} if frame is None else {"frame": frame}) | ({"untilt": True} if untilt else {})


def _reading(words: list[str] | None, frame: int | None, untilt: bool) -> Any:
    from medseg.config import check
    from medseg.options import ReadOptions

    return check(ReadOptions, _reading_changes(words, frame, untilt), "--reading")


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.replace("x", ",").split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a spacing such as 1.5 or 1,1,3") from None


def _readers_table(dataset: Any, options: Any) -> Any:
    from medseg.evaluation import reader_agreement, summarise_readers
    from medseg.outputs.console import frame_table

    return frame_table(summarise_readers(reader_agreement(dataset, options)), "Agreement of the readers (Dice)")


def _case_table(words: list[str] | None) -> Any:
    if not words:
        return None
    from medseg.config import apply_overrides, check
    from medseg.datasets import CaseTable

    return check(CaseTable, apply_overrides({}, words), "--case-table")


def _labels(words: list[str] | None) -> Any:
    if not words:
        return None
    from medseg.config import apply_overrides
    from medseg.labels import Labels

    return Labels.from_config(apply_overrides({}, words))


def _print(shown: Any) -> None:
    from rich.console import Console

    # Written to a file or a pipe there is no width to keep to.
    Console(width=None if sys.stdout.isatty() else 160).print(shown)

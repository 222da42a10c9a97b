"""The command that scores masks against references: evaluate."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from medseg.commands.options import Json, Label, Reading, bars, labels_of_words, reading_changes, show, show_failures

__all__ = ["evaluate"]

_SHOWN = (
    "dice", "iou", "precision", "recall", "accuracy", "hd95_mm", "assd_mm", "nsd", "hd95_px", "assd_px", "nsd_px",
    "lesion_f1", "pq",
)  # fmt: skip


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="What predict wrote, a folder of masks, or one mask.")],
    reference: Annotated[Path, typer.Argument(help="Data set, folder of masks, or one mask.")],
    label: Label = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the tables; PREDICTIONS/evaluation if not given.")
    ] = None,
    nsd_tolerance: Annotated[float, typer.Option(min=0, help="Of the NSD: mm, or pixels of unknown spacing.")] = 1.0,
    tolerance: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=MM", help="The same of one label; repeat it.")
    ] = None,
    definition: Annotated[
        Literal["border-voxels", "surface-distance"],
        typer.Option(help="Of distances: between border voxels (as MONAI), or weighted by area (as surface-distance)."),
    ] = "border-voxels",
    match: Annotated[
        Literal["any", "iou", "centroid"],
        typer.Option(help="When two lesions are one: any common voxel, their IoU, or the distance of their centres."),
    ] = "any",
    match_threshold: Annotated[
        float | None, typer.Option(min=0, help="Of --match: IoU (0.1), or mm between centroids (10).")
    ] = None,
    confidence: Annotated[
        Literal["max", "mean"], typer.Option(help="Of a predicted lesion: its greatest or mean probability.")
    ] = "max",
    beta: Annotated[float, typer.Option(help="How much more recall counts than precision in f_beta.")] = 2.0,
    resample: Annotated[
        bool, typer.Option("--resample", help="Bring a prediction on another grid onto its reference's.")
    ] = False,
    group_by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Of the case table (sex, scanner, view): scores by its values; repeat it."),
    ] = None,
    plots: Annotated[bool, typer.Option(help="Also draw the scores.")] = True,
    page: Annotated[bool, typer.Option(help="Also write index.html: tables, plots and the worst cases.")] = True,
    worst: Annotated[int, typer.Option(min=0, max=100, help="How many of the worst cases the page draws.")] = 6,
    jobs: Annotated[int | None, typer.Option(min=1, help="Cases scored at a time; one a processor by default.")] = None,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Score masks against references on the native grid: overlap, distances, lesions, volumes, calibration.

    Dice, IoU, precision, recall, HD95, ASSD, NSD and more by case and label; lesions found and missed; agreement of
    volumes; calibration, FROC and average precision where predict wrote --probabilities; means with intervals by
    patient. index.html shows it all, with the worst cases. Exit code 1 where a case could not be scored.
    """
    from medseg.workflow import evaluate as run

    scoring: dict[str, Any] = {"tolerances": _tolerances(tolerance), "definition": definition, "match": match}
    scoring |= {"match_threshold": match_threshold, "confidence": confidence, "beta": beta}
    folder = _folder(predictions, reference, out)
    with bars() as reporter:
        evaluation = run(
            predictions,
            reference,
            labels_of_words(label),
            reading=reading_changes(reading, None, False),
            nsd_tolerance=nsd_tolerance,
            scoring=scoring,
            resample=resample,
            jobs=jobs,
            group_by=group_by or (),
            reporter=reporter,
        )
    if folder is not None:
        evaluation.save(folder)
        drawn = _plots(folder, evaluation, plots)
        if page:
            _page(folder, evaluation, drawn, worst, f"{predictions.resolve().name} against {reference.resolve().name}")
    if as_json:
        typer.echo(evaluation.to_json())
    else:
        _show(evaluation)
    if evaluation.failures:
        raise typer.Exit(1)


def _folder(predictions: Path, reference: Path, out: Path | None) -> Path | None:
    """Where the scores go: never among masks, as one of which a plot would be taken the next time."""
    from medseg.evaluation.evaluation import refuse_folder_of_others

    folder = out or (predictions / "evaluation" if predictions.is_dir() else None)
    if folder is not None and folder.resolve() in (predictions.resolve(), reference.resolve()):
        raise typer.BadParameter(f"{folder} holds the masks: choose a folder of its own", param_hint="--out")
    if folder is not None:
        refuse_folder_of_others(folder)
    return folder


def _plots(folder: Path, evaluation: Any, wanted: bool) -> list[Path]:
    from medseg.outputs.evaluation_plots import write_plots

    return write_plots(folder, evaluation) if wanted else []


def _page(folder: Path, evaluation: Any, plots: list[Path], worst: int, title: str) -> None:
    from medseg.outputs.evaluation_page import write_evaluation_page

    write_evaluation_page(folder / "index.html", evaluation, plots, worst, title)


def _show(evaluation: Any) -> None:
    import pandas as pd

    from medseg.outputs.console import frame_table

    summary = evaluation.summary[evaluation.summary["metric"].isin(_SHOWN)]
    show(frame_table(summary, "Summary over cases (summary.csv has every score)", max_rows=80))
    detection = pd.DataFrame([{"label": one.label} | one.to_dict() for one in evaluation.detection])
    if len(detection) and detection["lesions"].sum():
        show(frame_table(detection, f"Lesions of all cases (match: {evaluation.scoring.match})"))
    for case, note in evaluation.notes:
        typer.echo(f"Note: {case}: {note}", err=True)
    show_failures(evaluation.failures)


def _tolerances(words: list[str] | None) -> dict[str, float]:
    """What `--tolerance` says."""
    found = {}
    for word in words or []:
        label, equals, text = word.rpartition("=")
        try:
            found[label] = float(text)
        except ValueError:
            equals = ""
        if not equals or not label or not 0 <= found[label] < float("inf"):
            raise typer.BadParameter(
                f"{word!r} is not a label and its tolerance, such as liver=2", param_hint="--tolerance"
            )
    return found

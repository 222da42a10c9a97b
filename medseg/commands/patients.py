"""The commands between tables and a paper: patients, methods."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from medseg.commands.options import Json, show

__all__ = ["methods", "patients"]

_SHOWN = [
    "patient", "study_date", "label", "cases", "failed_cases", "regions", "total_volume_ml", "largest_volume_ml",
    "total_area_mm2", "total_area_px", "diameter_sum_mm", "recist_sum_mm",
]  # fmt: skip


def patients(
    folder: Annotated[Path, typer.Argument(help="What predict wrote, or measure of a data set.")],
    clinical: Annotated[
        Path | None, typer.Option("--clinical", help="CSV with a row a patient (or study), joined by its key.")
    ] = None,
    clinical_key: Annotated[
        str,
        typer.Option("--clinical-key", metavar="PATIENT[,DATE]", help="Its columns with the patient and the date."),
    ] = "patient",
    date: Annotated[
        str, typer.Option("--date", metavar="COLUMN", help="Column of cases.csv with the study date.")
    ] = "study_date",
    several: Annotated[
        Literal["mean", "sum"],
        typer.Option(help="Several cases of a patient and date: their mean; sum where no lesion is in two of them."),
    ] = "mean",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="If not given, FOLDER/patients_joined.csv; patients.csv where nothing is joined or chosen.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """A row a patient, study date and label: counts, volumes and diameters, with what is known of the patient.

    Made again of the tables in FOLDER, and joined with a clinical CSV. What has no partner is listed.
    """
    from medseg.outputs.console import frame_table
    from medseg.workflow import patients as run

    key = tuple(word.strip() for word in clinical_key.split(","))
    done = run(folder, clinical, key=key, date=date, several=several)
    written = done.save(out)
    if as_json:
        typer.echo(done.to_json())
    else:
        show(frame_table(done.table, f"Patients ({written})", columns=_SHOWN, max_rows=40))
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)


def methods(
    run: Annotated[Path, typer.Argument(help="Folder that train or cross-validate wrote.")],
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="What predict wrote: how the model was run.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--evaluation", help="What evaluate wrote; PREDICTIONS/evaluation if not given.")
    ] = None,
    leaderboard: Annotated[
        Path | None, typer.Option("--leaderboard", help="What leaderboard wrote: tests between models.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to; RUN if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Write methods.md, a methods section from the records of a run, and checklist.md, a checklist after CLAIM.

    Every figure is the run's; what it did not record is named at the end, and the authors' items in the checklist.
    """
    from medseg.workflow import write_methods

    done = write_methods(run, predictions, evaluation, leaderboard)
    folder = out or run
    done.save(folder)
    if as_json:
        typer.echo(done.to_json())
        return
    typer.echo(f"Methods: {folder / 'methods.md'}")
    typer.echo(f"Checklist: {folder / 'checklist.md'} ({len(done.open_items)} items for the authors)")
    for what in done.facts["not_recorded"]:
        typer.echo(f"Not recorded: {what}", err=True)

"""The command that follows lesions over time: compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medseg.commands.options import Json, Label, Reading, bars, labels_of_words, reading_options, show, show_failures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare"]

_RESPONSES = [
    "patient", "name", "date", "days", "targets", "sum_mm", "sum_change_percent", "nadir_mm", "nadir_change_mm",
    "non_targets", "new_lesions", "response",
]  # fmt: skip
_TRACKS = [
    "patient", "track", "label", "name", "state", "role", "volume_ml", "area_mm2", "longest_axial_mm",
    "perpendicular_mm", "longest_axial_change_percent", "volume_change_percent", "doubling_days", "flags",
]  # fmt: skip


def compare(
    time_points: Annotated[
        list[Path],
        typer.Argument(help="Baseline, then follow-ups in order: masks or region tables of one patient, or folders."),
    ],
    image: Annotated[
        list[str] | None, typer.Option(help="Image of a mask; once a time point, in order.", metavar="FILE")
    ] = None,
    label: Label = None,
    register: Annotated[
        Literal["none", "rigid", "affine"] | None,
        typer.Option(
            help="How follow-ups are brought to the baseline. Left out, positions are compared "
            "as they are where frames of reference or grids are the same, and else refused."
        ),
    ] = None,
    dates: Annotated[
        str | None, typer.Option(help="Date of each time point, as 2024-01-31,2024-05-02; else as the files say.")
    ] = None,
    node: Annotated[
        list[str] | None, typer.Option(help="A label that is lymph nodes: the short axis counts; repeat it.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="A target lesion, as label:region at baseline; repeat it. The largest ones where left out."),
    ] = None,
    max_distance_mm: Annotated[
        float, typer.Option(min=0, help="How far apart the centres of a lesion may be that do not overlap.")
    ] = 10.0,
    min_overlap: Annotated[
        float, typer.Option(help="Share of the smaller of two lesions in the other, from which on they are one.")
    ] = 0.1,
    min_new_mm: Annotated[float, typer.Option(min=0, help="New lesions below this diameter do not count.")] = 0.0,
    min_voxels: Annotated[int, typer.Option(min=0, help="Leave smaller regions out.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the tables and pictures.")] = None,
    picture: Annotated[bool, typer.Option("--picture/--no-picture", help="Draw the lesions side by side.")] = True,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Follow lesions over time: matched, new, gone, merged or split; growth, doubling time and RECIST 1.1.

    Exit code 1 where a patient of a folder could not be compared; the reason is in patients.csv.
    """
    from medseg.atomic import json_text
    from medseg.outputs.console import frame_table
    from medseg.workflow import compare as run

    with bars() as reporter:
        done = run(
            *time_points,
            images=[one or None for one in image] if image else None,
            labels=labels_of_words(label),
            register=register,
            dates=dates.split(",") if dates else None,
            nodes=node or (),
            targets=[_target(word) for word in target or ()],
            max_distance_mm=max_distance_mm,
            min_overlap=min_overlap,
            min_new_mm=min_new_mm,
            min_voxels=min_voxels,
            options=reading_options(reading, None, False),
            picture=picture and out is not None,
            reporter=reporter,
        )
    if out is not None:
        done.save(out)
    if as_json:
        typer.echo(json_text(done.content(), sort_keys=False))
    else:
        show(frame_table(done.tracks, "Lesions", columns=_TRACKS))
        show(frame_table(done.responses, "RECIST 1.1", columns=_RESPONSES))
        _tell(done.patients, done.responses)
        show_failures(done.failed[["patient", "error"]].itertuples(index=False, name=None))
    if len(done.failed):
        raise typer.Exit(1)


def _tell(patients: "pd.DataFrame", responses: "pd.DataFrame") -> None:
    """What a reader should know and has to judge, one a line."""
    for patient, notes in patients[["patient", "notes"]].astype(str).itertuples(index=False, name=None):
        for note in filter(None, notes.split("; ")):
            typer.echo(f"note: {patient}: {note}" if patient else f"note: {note}")
    for patient, name, left in responses[["patient", "name", "to_judge"]].itertuples(index=False, name=None):
        where = f"{patient}, {name}" if patient else f"{name}"
        for note in filter(None, str(left).split("; ")):
            typer.echo(f"to judge at {where}: {note}")


def _target(word: str) -> tuple[str, int]:
    label, _colon, number = word.rpartition(":")
    if not label or not number.isdigit():
        raise typer.BadParameter(f"{word} is not a label and a region number, as lesion:2.", param_hint="--target")
    return label, int(number)

"""The command that compares models on the same cases: leaderboard."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from medseg.commands.options import Json, Label, Reading, bars, labels_of_words, reading_changes, show

__all__ = ["leaderboard"]

_COLUMNS = (
    "metric", "label", "rank", "model", "mean", "interval", "n", "patients", "missed", "false", "difference",
    "of difference", "wilcoxon_p_holm", "permutation_p_holm", "note",
)  # fmt: skip
_MOST_NAMED = 5


def leaderboard(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Of each model what evaluate wrote, or predictions with evaluation/."),
    ],
    name: Annotated[
        list[str] | None, typer.Option("--name", help="What a model is called; once for each RUN, in their order.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Score to compare by, such as dice or hd95_mm; repeat it.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("leaderboard"),
    reference: Annotated[
        Path | None, typer.Option(help="Data set or masks to score all predictions against first, all alike.")
    ] = None,
    label: Label = None,
    nsd_tolerance: Annotated[float, typer.Option(min=0, help="With --reference: as for evaluate.")] = 1.0,
    definition: Annotated[
        Literal["border-voxels", "surface-distance"], typer.Option(help="With --reference: as for evaluate.")
    ] = "border-voxels",
    match: Annotated[
        Literal["any", "iou", "centroid"], typer.Option(help="With --reference: as for evaluate.")
    ] = "any",
    resample: Annotated[bool, typer.Option("--resample", help="With --reference: as for evaluate.")] = False,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence of the intervals.")] = 0.95,
    resamples: Annotated[
        int, typer.Option(min=100, help="Draws of the bootstrap and of the permutation test.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of both; the same seed gives the same figures.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="With --reference: cases scored at a time; one a processor by default.")
    ] = None,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Compare models on the cases that all of them have: ranks, intervals by patient, and whether they differ.

    Intervals are of the bootstrap that draws patients; differences are tested patient by patient (Wilcoxon's
    signed-rank test and sign-flip permutation) and adjusted by Holm over all pairs. Models scored on different cases,
    by other rules or against other references are refused. Writes leaderboard.csv, comparisons.csv, leaderboard.json,
    leaderboard.png and index.html. Exit code 1 where a case was left out because a model failed in it.
    """
    from medseg.workflow import leaderboard as run

    with bars() as reporter:
        board = run(
            runs,
            out,
            names=name or (),
            metrics=metric or ("dice",),
            reference=reference,
            labels=labels_of_words(label),
            reading=reading_changes(reading, None, False),
            nsd_tolerance=nsd_tolerance,
            scoring={"definition": definition, "match": match},
            resample=resample,
            level=level,
            resamples=resamples,
            seed=seed,
            jobs=jobs,
            reporter=reporter,
        )
    if as_json:
        typer.echo(board.to_json())
    else:
        _show(board, out)
    if board.left_out["reason"].str.startswith("failed").any():
        raise typer.Exit(1)


def _show(board: Any, out: Path) -> None:
    from medseg.outputs.console import frame_table

    table = board.table
    shown = table.assign(
        **{
            "interval": [_between(*ends) for ends in zip(table["low"], table["high"], strict=True)],
            "of difference": [
                _between(*ends) for ends in zip(table["difference_low"], table["difference_high"], strict=True)
            ],
        }
    )
    for count in ("missed", "false"):  # shown where there is any
        shown[count] = shown[count].astype(object).where(shown[count] > 0, "")
    cases = f"{board.values['case'].nunique()} cases of {board.values['patient'].nunique()} patients"
    show(frame_table(shown, f"{len(board.models)} models on {cases} ({out / 'leaderboard.csv'})", _COLUMNS, 200))
    for note in board.notes:
        typer.echo(f"Note: {note}", err=True)
    rows = board.left_out
    for row in rows.head(_MOST_NAMED).itertuples(index=False):
        typer.echo(f"left out: {row.case}: {row.model}: {row.reason}", err=True)
    if len(rows) > _MOST_NAMED:
        typer.echo(f"left out: {len(rows) - _MOST_NAMED} more, see leaderboard.json", err=True)
    typer.echo(f"Page: {out / 'index.html'}")


def _between(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if low == low else ""

"""The command that compares models on the same cases: leaderboard."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medseg.commands.options import Json, Label, Reading, bars, labels_of_words, reading_changes, show

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["leaderboard"]

_TESTS = ("wilcoxon p", "permutation p")
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

    cases = f"{board.values['case'].nunique()} cases of {board.values['patient'].nunique()} patients"
    show(frame_table(_shown(board.table), f"{len(board.models)} models on {cases}", max_rows=200))
    for note in (*board.notes, *_notes(board.table)):
        typer.echo(f"Note: {note}", err=True)
    rows = board.left_out
    for row in rows.head(_MOST_NAMED).itertuples(index=False):
        typer.echo(f"left out: {row.case}: {row.model}: {row.reason}", err=True)
    if len(rows) > _MOST_NAMED:
        typer.echo(f"left out: {len(rows) - _MOST_NAMED} more, see leaderboard.json", err=True)
    typer.echo(f"Page: {out / 'index.html'}; p are adjusted by Holm, all figures in {out / 'leaderboard.csv'}")


def _shown(table: "pd.DataFrame") -> "pd.DataFrame":
    """The columns that a terminal has room for, intervals in one."""
    import pandas as pd

    from medseg.outputs.page_tables import between, p_value

    ends = {"interval": ("low", "high"), "its interval": ("difference_low", "difference_high")}
    said = {name: [between(*pair) for pair in zip(table[a], table[b], strict=True)] for name, (a, b) in ends.items()}
    tests = {name: [p_value(p) for p in table[f"{name.replace(' ', '_')}_holm"]] for name in _TESTS}
    # counts of what mostly does not happen are shown where it did
    errors = {name: table[name].astype(object).where(table[name] > 0, "") for name in ("missed", "false")}
    parts = [table[["metric", "label", "rank", "model", "mean"]], pd.DataFrame({"interval": said["interval"]})]
    parts += [table[["n", "patients"]], pd.DataFrame(errors), table[["difference"]]]
    parts += [pd.DataFrame({"its interval": said["its interval"]} | tests)]
    return pd.concat(parts, axis=1)


def _notes(table: "pd.DataFrame") -> list[str]:
    """What the rows of a score and label have in common, once, and what is said of a model alone."""
    from medseg.outputs.page_tables import said_once

    found = []
    for (metric, label), rows in table.groupby(["metric", "label"], sort=False):
        common, own = said_once(rows["note"].tolist())
        found += [f"{metric}, {label}: {note}" for note in common]
        found += [f"{metric}, {label}, {name}: {note}" for name, note in zip(rows["model"], own, strict=True) if note]
    return found

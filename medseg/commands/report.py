"""The command that makes pages of predictions: report."""

from pathlib import Path
from typing import Annotated

import typer

from medseg.commands.options import Json, bars, show_failures

__all__ = ["report"]


def report(
    out: Annotated[Path, typer.Argument(help="What predict wrote.")],
    cases: Annotated[
        list[str] | None, typer.Option("--cases", metavar="ID[,ID]", help="Pages of these cases alone; repeat it.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many pages of cases; the first ones.")] = None,
    identifiers: Annotated[
        bool,
        typer.Option(
            "--identifiers", help="Show patients, paths, all columns, and ids that may hold a patient's name."
        ),
    ] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also a PDF of one page for each case.")] = False,
    mib: Annotated[
        float, typer.Option(min=0.01, help="Voxels that a page keeps of an image, in Mi; a larger image is shrunk.")
    ] = 8,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a processor if left out.")] = None,
    pseudonyms: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE", help="Of a run under pseudonyms: pseudonyms.csv beside it tells where the images are."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Pages to look at, in OUT/report: all cases in a table, and of each its picture with mask, lines and regions.

    They open from disk and ask for nothing over the network. The same command again makes only what is missing or has
    changed. Exit code 1 where a page could not be made.
    """
    from medseg.workflow import report as run

    names = None if cases is None else [name for words in cases for name in words.split(",") if name]
    with bars() as reporter:
        done = run(
            out,
            cases=names,
            limit=limit,
            identifiers=identifiers,
            pdf=pdf,
            mib=mib,
            jobs=jobs,
            pseudonyms=pseudonyms,
            reporter=reporter,
        )
    if as_json:
        typer.echo(done.to_json())
    else:
        typer.echo(f"{done.index}: {done.cases} cases, {done.pages} with a page, {done.made} made now")
        for name, reason in done.without_picture.items():
            typer.echo(f"no picture: {name}: {reason}", err=True)
    show_failures(done.failed.items())
    if done.failed:
        raise typer.Exit(1)

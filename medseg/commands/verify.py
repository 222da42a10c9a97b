"""The command that compares what a batch left with its ledger: verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.commands.options import Json, bars, show

if TYPE_CHECKING:
    from rich.table import Table

    from medseg.workflow.verifying import Verification

__all__ = ["verify"]

_SHOWN = 50


def verify(out: Annotated[Path, typer.Argument(help="What predict wrote.")], as_json: Json = False) -> None:
    """Whether all that predict left is still what it wrote: hashes of all outputs, tables, records, stray files.

    Nothing is changed. Exit code 0: all is well; 1: something is missing, changed, half-written or not in the ledger,
    or the ledger is damaged; 2: there is no ledger.
    """
    from medseg.workflow.verifying import verify as run

    with bars() as reporter:
        found = run(out, reporter=reporter)
    if as_json:
        typer.echo(found.to_json())
    else:
        if found.problems:
            show(_table(found))
        for note in found.notes:
            typer.echo(f"note: {note}")
        said = f"{len(found.problems):,} problems" if found.problems else "all is well"
        typer.echo(f"{out}: {found.files:,} files of {found.size / 2**20:,.1f} MiB compared: {said}")
    if not found.clean:
        raise typer.Exit(1)


def _table(found: "Verification") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"What is wrong in {found.out}"), title_justify="left")
    for name in ("", "file", "found", "mend"):
        table.add_column(name, overflow="fold")
    for one in found.problems[:_SHOWN]:
        table.add_row(*(Text(word) for word in (one.kind, one.path, one.found, one.mend)))
    if len(found.problems) > _SHOWN:
        table.caption = Text(f"the first {_SHOWN} of {len(found.problems):,}; --json has all")
    return table

"""The command that tells how a batch stands: status."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.commands.company import require_company
from medseg.commands.options import Json, show

if TYPE_CHECKING:
    from medseg.workflow.status_facts import Status

__all__ = ["status"]


def status(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(help="What predict writes, or wrote.")],
    live: Annotated[
        bool,
        typer.Option("--live", "--watch", help="Go on telling until the run ends; Ctrl-C stops the telling alone."),
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks of --live.")] = 2.0,
    failed: Annotated[bool, typer.Option("--failed", help="Name every case that has failed, with its reason.")] = False,
    export: Annotated[
        bool, typer.Option("--export", help="First write tables and run card of what is finished, where nothing runs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """How a batch stands: cases by state, speed, time left, seconds by stage, memory, and failures by their reason.

    It only reads, so that a run is never held up by it. With --live --json a line each time. Exit code 0: all done, or
    at work and nothing has failed; 1: a case has failed, or the run stopped before its end; 2: there is no such run.
    """
    from medseg.workflow.batch_status import status as run

    require_company(ctx, ("--every",), "--live", live)
    if export:
        from medseg.workflow.exporting import export_tables

        export_tables(out)
    found = _followed(out, every, failed, as_json) if live else run(out)
    if not live:
        _told(found, failed, as_json)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _told(found: "Status", failed: bool, as_json: bool) -> None:
    from medseg.commands.status_view import status_view

    if as_json:
        typer.echo(found.to_json())
    else:
        show(status_view(found, failed=failed))


def _followed(out: Path, every: float, failed: bool, as_json: bool) -> "Status":
    """The last that was told."""
    from rich.console import Console
    from rich.live import Live

    from medseg.commands.status_view import status_view
    from medseg.workflow.following import follow

    looks = follow(out, every)
    found = next(looks)
    if as_json:
        typer.echo(found.to_line())
        for found in _until_stopped(looks):
            typer.echo(found.to_line())
        return found
    with Live(status_view(found, failed=failed), console=Console(), auto_refresh=False) as shown:
        for found in _until_stopped(looks):
            shown.update(status_view(found, failed=failed), refresh=True)
    return found


def _until_stopped(looks: "Iterator[Status]") -> "Iterator[Status]":
    with suppress(KeyboardInterrupt):
        yield from looks

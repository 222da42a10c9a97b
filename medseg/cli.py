"""The `medseg` command: parses, calls `workflow`, prints. Exit codes: 0 done, 1 some cases failed, 2 could not run."""

import sys
import traceback
from typing import Annotated

import typer

from medseg.commands import (
    augmenting,
    comparing,
    data,
    deidentify,
    describing,
    evaluating,
    leaderboard,
    learning,
    listen,
    measuring,
    models,
    pacs,
    patients,
    planning,
    predicting,
    report,
    status,
    verify,
)
from medseg.errors import MedsegError
from medseg.networks.lean import allow_lean

__all__ = ["app", "main"]

app = typer.Typer(
    help="Lesion masks and region measurements from folders of radiology studies.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (
    data.inspect,
    data.scan,
    data.split,
    planning.plan,
    augmenting.augment_preview,
    models.train,
    learning.cross_validate,
    learning.review,
    describing.info,
    predicting.predict,
    listen.listen,
    status.status,
    verify.verify,
    describing.export,
    data.convert,
    deidentify.deidentify,
    measuring.measure,
    patients.patients,
    patients.methods,
    evaluating.evaluate,
    leaderboard.leaderboard,
    comparing.compare,
    report.report,
    models.demo,
):
    app.command()(_command)
app.add_typer(pacs.app, name="pacs")


@app.callback(invoke_without_command=True)
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from medseg import __version__

        typer.echo(f"medseg {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; an error of ours is one line and exit code 2, unless --debug asks for its traceback.

    Whatever else ends it is 2, too, with its traceback: Python's own 1 says that cases have failed.
    """
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    if sys.argv[1:2] in (["predict"], ["listen"]):  # their process is there for one model alone
        allow_lean()
    try:
        app()
    except MedsegError as error:
        if debug:
            traceback.print_exc()
        else:
            typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except Exception:  # a defect of ours: Python's own exit code, 1, would say that cases failed
        traceback.print_exc()
        sys.exit(2)

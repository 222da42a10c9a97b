"""What `medseg predict` takes of its inputs beyond their names: a choice of series, a dry run, an inbox to follow."""

import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medseg.commands.options import bars, show

if TYPE_CHECKING:
    from medseg.reporting import Reporter
    from medseg.workflow.batch_options import BatchOptions
    from medseg.workflow.watching import Listing

__all__ = [
    "DryRun",
    "Once",
    "Quiet",
    "Series",
    "Watch",
    "command_line",
    "follow",
    "listing_of",
    "refuse_together",
    "show_forecast",
    "show_jobs",
]

Series = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Which series of each study is its case, such as 'modality=CT, slices>20, newest': conditions on "
        "modality, description, protocol, kernel, orientation, kind, number, slices, spacing, thickness, pixel, date, "
        "contrast "
        "(= != < > <= >= ~), then newest, oldest, largest, smallest, first or last.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="List what would be done, with time and memory; write nothing.")
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Follow the folder INPUTS: predict what comes into it, until Ctrl-C.")
]
Quiet = Annotated[
    str, typer.Option(metavar="TIME", help="With --watch: a study is taken when it has not changed for so long.")
]
Once = Annotated[bool, typer.Option("--once", help="With --watch: end when what lay there at the start is done.")]

_SHOWN = ("case", "state", "files", "mib", "voxels", "series_chosen", "seconds", "peak_mib", "note")
_ROWS = 50


def command_line(hidden: Collection[Path] = ()) -> str:
    """The command as it was given; with INPUTS in the place of inputs that may name somebody."""
    from medseg.atomic import as_utf8

    words = ["INPUTS" if Path(word) in hidden else word for word in sys.argv[1:]]
    once = [word for at, word in enumerate(words) if word != "INPUTS" or word not in words[:at]]
    return as_utf8("medseg " + shlex.join(once))


def refuse_together(option: str, others: Mapping[str, object]) -> None:
    """Refuse options that have no meaning beside one.

    Raises:
        ConfigError: One of them was given.
    """
    from medseg.errors import ConfigError

    given = [name for name, value in others.items() if value]
    if given:
        raise ConfigError(option, f"was given together with {', '.join(given)}", "Leave one of them out.")


def show_forecast(
    model: Path, inputs: list[Path], out: Path, series: str | None, asked: "BatchOptions", *, as_json: bool
) -> None:
    """Print what would be done; exit code 1 where headers refuse a case already."""
    from medseg.atomic import json_text
    from medseg.outputs.console import frame_table
    from medseg.workflow.forecasting import forecast

    with bars() as reporter:
        found = forecast(model, listing_of(inputs, series, reporter), out, asked)
    totals, table = found.told(), found.cases
    if as_json:
        filled = table.astype(object).where(table.notna(), None)
        typer.echo(json_text({**totals, "rows": filled.to_dict("records")}, sort_keys=False))
    else:
        show(frame_table(table, "What would be done", columns=_SHOWN, max_rows=_ROWS))
        typer.echo(_summary(totals, memory_known=found.memory_known))
    if totals.get("cases_refused"):
        raise typer.Exit(1)


def show_jobs(cluster: str, *, as_json: bool) -> None:
    """The script of a job, where the cluster is a file that says which jobs of a batch system are its workers."""
    from medseg.scale import job_script

    script = job_script(cluster)
    if script and not as_json:
        typer.echo(script)


def listing_of(inputs: list[Path], series: str | None, reporter: "Reporter") -> "Listing":
    """What lists the cases of the inputs for a model of so many channels."""
    from medseg.datasets import cases_from_inputs

    return lambda channels: cases_from_inputs(inputs, reporter, channels=channels, series=series)


def _summary(totals: Mapping[str, Any], *, memory_known: bool) -> str:
    states = [f"{totals[key]} {key[6:].replace('_', ' ')}" for key in totals if key.startswith("cases_")]
    seconds, peak = totals["seconds_of_work"], totals["peak_mib"]
    if not totals.get("cases_to_do"):
        return f"{totals['cases']} cases: {', '.join(states)}; nothing to do"
    if seconds is None:
        time = "time unknown: no case of these was done before by this model, into this folder"
    else:
        time = f"about {seconds:g} s of work, from {totals['learnt_from_cases']} earlier cases (processes share it)"
    if peak is not None:
        memory = f"about {peak} MiB at most for the largest"
    else:
        memory = "memory unknown" + ("" if memory_known else " for this kind of model")
    return f"{totals['cases']} cases: {', '.join(states)}; {totals['mib_to_read']:g} MiB to read; {time}; {memory}"


def follow(
    model: Path, inputs: list[Path], out: Path, series: str | None, asked: "BatchOptions", *, quiet: str, once: bool
) -> None:
    """Predict what comes into a folder; exit code 1 where a case of the tables has failed."""
    from medseg.errors import ConfigError
    from medseg.line.limits import seconds_of
    from medseg.workflow.openings import Openings
    from medseg.workflow.predicting import predict_listed
    from medseg.workflow.watching import watch

    if len(inputs) != 1 or inputs[0].is_file():
        raise ConfigError("--watch", f"{len(inputs)} inputs, or a file", "Name one folder.", "one folder")
    with bars() as reporter, Openings(lasting=True) as openings:
        failed = watch(
            inputs[0],
            out,
            lambda listing: predict_listed(model, listing, out, asked, reporter, openings),
            quiet=seconds_of(quiet),
            once=once,
            series=series,
            reporter=reporter,
            named=asked.pseudonyms is None,
        )
    if failed:
        typer.echo(f"{failed} cases have failed, see {out / 'cases.csv'}", err=True)
        raise typer.Exit(1)

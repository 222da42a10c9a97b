"""How a batch stands, as a terminal shows it."""

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from medseg.outputs.durations import duration

if TYPE_CHECKING:
    from medseg.workflow.status_facts import Status

__all__ = ["status_view"]

_COLOURS = {"starting": "bold cyan", "running": "bold cyan", "finished": "bold green", "no ledger": "bold"}
_SHOWN = 8  # cases at work, groups of failures and cases of each; all with --failed, or --json


def status_view(status: "Status", *, failed: bool = False) -> Group:
    """The whole of it.

    Args:
        status: How it stands.
        failed: Name every case that has failed, with its own reason.
    """
    parts: list[Any] = [_head(status), _counts(status)]
    if speed := _speed(status):
        parts.append(Text(speed))
    if status.stages:
        parts.append(_stages(status))
    if status.peak_mib is not None:
        parts.append(Text(f"Peak memory of a process: {status.peak_mib:,.0f} MiB ({status.peak_case})"))
    parts += _at_work(status)
    parts += _each_failure(status) if failed else _groups(status)
    return Group(*parts)


def _head(status: "Status") -> Text:
    said = {
        "starting": _starting(status),
        "running": f"running: {status.process}" + f", since {status.began}" * bool(status.began),
        "finished": f"finished {status.ended}",
        "interrupted": f"interrupted {status.ended}: the same command goes on",
        "killed": f"killed, or stopped by an error: begun {status.began}, it never ended; the same command goes on",
        "no ledger": f"a run without a ledger, told from its tables of {status.ended}",
    }[status.state]
    return Text.assemble(f"{status.out}: ", (said, _COLOURS.get(status.state, "bold red")))


def _starting(status: "Status") -> str:
    before = f"; what follows is told of the run of {status.began}" if status.began else ""
    return f"a run is starting, its inputs are looked through: {status.process}{before}"


def _counts(status: "Status") -> Text:
    told = ", ".join(f"{n:,} {state}" for state, n in status.counts.items())
    return Text(f"{status.total:,} cases: {told}" if told else "No case has been entered yet")


def _speed(status: "Status") -> str:
    if status.per_second is None:
        return "Speed: no case has ended yet" if status.state == "running" else ""
    rate = status.per_second
    told = f"{rate:.3g} cases/s" if rate >= 1 else f"{duration(1 / rate)} a case"
    text = f"Speed: {told} ({status.done_in_run:,} in this run)"
    if status.seconds_left is not None:
        text += f"; about {duration(status.seconds_left)} left"
    return text


def _stages(status: "Status") -> Table:
    table = Table(title=Text("Seconds of a case"), title_justify="left")
    for name in ("stage", "median", "mean", "most", "cases"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for name, one in status.stages.items():
        table.add_row(Text(name), *(f"{value:.3g}" for value in (one.median, one.mean, one.most)), f"{one.cases:,}")
    return table


def _at_work(status: "Status") -> list[Any]:
    lines: list[Any] = []
    said = "At work" if status.state == "running" else "Was at work"
    for one in status.at_work[:_SHOWN]:
        since = "" if one.seconds is None else f" for {duration(one.seconds)}"
        again = f", attempt {one.attempt}" if one.attempt > 1 else ""
        lines.append(Text(f"{said}: {one.case}{since}{again}"))
    if len(status.at_work) > _SHOWN:
        lines.append(Text(f"… and {len(status.at_work) - _SHOWN:,} more", style="dim"))
    return lines


def _groups(status: "Status") -> list[Any]:
    lines: list[Any] = []
    groups = status.groups
    for group in groups[:_SHOWN]:
        many = len(group.cases)
        lines.append(Text(f"✗ {many:,} case{'s' * (many != 1)}: {group.reason}", style="red"))
        more = f" … and {many - _SHOWN:,} more" if many > _SHOWN else ""
        lines.append(Padding(Text(", ".join(group.cases[:_SHOWN]) + more), (0, 0, 0, 2), expand=False))
        if group.advice:
            lines.append(Padding(Text(f"→ {group.advice}", style="italic"), (0, 0, 0, 2), expand=False))
    if len(groups) > _SHOWN:
        lines.append(Text(f"… and {len(groups) - _SHOWN:,} more reasons: --failed lists them", style="dim"))
    return lines


def _each_failure(status: "Status") -> list[Any]:
    return [Text.assemble((f"✗ {one.case}: ", "red"), one.error) for one in status.failures]

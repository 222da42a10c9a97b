"""The command that plans a training: plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.commands.options import Json, bars, show

if TYPE_CHECKING:
    from rich.table import Table

    from medseg.plan import Plan

__all__ = ["plan"]


def plan(
    config: Annotated[Path, typer.Argument(help="YAML file, as for train.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the config, such as plan.batch_size=4.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="What one training step may take, such as 8GiB; default: what the device has.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at the training cases and plan: grid, intensities, patch, batch, network; each number with its reason.

    The plan is written to plan.json in the folder of the run, where train takes it. Any number can be set in the
    config, below `plan`.
    """
    from medseg.workflow import make_plan

    with bars() as reporter:
        given = {} if memory is None else {"memory": memory}
        made = make_plan(config, *(overrides or []), reporter=reporter, **given)
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
    else:
        show(_table(made))


def _table(plan: "Plan") -> "Table":
    """A row for each number that has a reason."""
    from rich.table import Table

    values = plan.model_dump()
    table = Table("number", "value", "reason", title=f"Plan: {plan.dims}D {plan.modality}".rstrip())
    for key, reason in plan.reasons.items():
        outer, _, inner = key.partition(".")
        table.add_row(key, _text(values[outer][inner] if inner else values.get(outer)), reason)
    return table


def _text(value: object) -> str:
    """A value as people write it: sizes with a cross, no digits that mean nothing."""
    if isinstance(value, dict):
        return " ".join(
            [str(value.get("method", "")), *(f"{k} {v:.4g}" for k, v in value.items() if k != "method" and v)]
        )
    if isinstance(value, (list, tuple)):
        deep = any(isinstance(one, (list, tuple, dict)) for one in value)
        return (", " if deep else "×").join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)

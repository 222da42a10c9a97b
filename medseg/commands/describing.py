"""Commands about a model itself: info shows what it says of itself, export writes it as ONNX."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medseg.commands.options import Json, Trusted, show

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["export", "info"]


def info(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model folder or its run, nnU-Net results, MONAI bundle, ONNX file with plan.json, or a classical "
            "method such as classical:otsu; classical: lists them all."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show a model's card: what it finds in which images, its network, size and hash, scores, uses and limits.

    Nothing of the model runs, so that this needs no trust.
    """
    from medseg.workflow import model_info

    told = model_info(model)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        show(_table(told, str(model)))


def export(
    model: Annotated[Path, typer.Argument(help="Model folder, or the folder of its run.")],
    onnx: Annotated[Path, typer.Option("--onnx", help="Folder that gets network.onnx and plan.json.")],
    trusted: Trusted = False,
) -> None:
    """Write a model of medseg as an ONNX file with its plan, which predict takes like any model."""
    from medseg.export.onnx_folder import write_onnx

    typer.echo(f"ONNX file: {write_onnx(model, onnx, trusted=trusted)}")


def _table(told: Mapping[str, Any], title: str) -> "Table":
    """A row a fact; of one that has several parts, a line each."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in told.items():
        table.add_row(Text(key.replace("_mib", " (MiB)").replace("_mm", " (mm)")), Text("\n".join(_lines(key, value))))
    return table


def _lines(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f"{name}: {'; '.join(_lines('', one))}" for name, one in value.items())
    elif isinstance(value, list) and all(isinstance(one, str) for one in value) and key == "limits":
        yield from value
    elif isinstance(value, list):
        yield ("×" if key in ("patch", "spacing_mm") else ", ").join(next(_lines("", one), "") for one in value)
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, int):
        yield f"{value:,}"
    elif isinstance(value, float):
        yield f"{value:.4g}"
    else:
        yield str(value)

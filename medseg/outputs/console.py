"""Tables as a terminal shows them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from medseg.datasets.inspection import Inspection

__all__ = ["frame_table", "inspection_view"]


def frame_table(frame: "pd.DataFrame", title: str, columns: Sequence[str] | None = None, max_rows: int = 20) -> Table:
    """A table for the terminal: numbers to four significant digits, right-aligned; empty columns are not shown.

    Args:
        frame: Any table.
        title: Stands above it.
        columns: The ones to show, in this order; those the table lacks are passed over. All of them by default.
        max_rows: Of a longer table the first rows are shown, and how many there are is said below.
    """
    chosen = [name for name in (columns or frame.columns) if name in frame.columns]
    shown = [name for name in chosen if frame.empty or (frame[name].notna() & (frame[name] != "")).any()]
    # console markup would eat the brackets of a case called "[left]"
    table = Table(title=Text(title), title_justify="left")
    for name in shown:
        numeric = frame[name].dtype.kind in "iuf"
        table.add_column(Text(str(name)), justify="right" if numeric else "left", overflow="fold")
    for row in frame[shown].head(max_rows).itertuples(index=False, name=None):
        table.add_row(*(Text(_word(value)) for value in row))
    more = f"the first {max_rows} of {len(frame)} rows" if len(frame) > max_rows else ""
    table.caption = Text(more or ("no rows" if frame.empty else "")) or None
    table.min_width = max(len(title), len(more))
    return table


def inspection_view(inspection: "Inspection", max_problems: int = 20) -> Group:
    """A data set's summary (ranges as least / median / greatest), its cases and the problems found."""
    summary = Table(title=Text("Data set"), title_justify="left", show_header=False)
    for key, value in inspection.summary.items():
        if value not in ("", [], {}, None) and key != "problems":
            summary.add_row(Text(str(key)), Text(_described(value)))
    parts: list[Any] = [summary, frame_table(inspection.table, "Cases")]
    problems = inspection.problems
    parts += [Text(f"{', '.join(one.cases)}: {one.text}", style="red") for one in problems[:max_problems]]
    if len(problems) > max_problems:
        parts.append(Text(f"… and {len(problems) - max_problems} more problems", style="red"))
    return Group(*parts)


def _word(value: Any) -> str:
    if value is None or str(value) == "<NA>" or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)


def _described(value: Any) -> str:
    """A value of a summary in one line, nested ones in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_described(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        ranges = len(value) == 3 and all(isinstance(inner, (int, float)) for inner in value)
        return (" / " if ranges else ", ").join(_described(inner) for inner in value)
    return _word(value)

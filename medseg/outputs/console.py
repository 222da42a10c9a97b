"""Tables as a terminal shows them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from medseg.datasets.inspection import Inspection
    from medseg.outputs.finding_groups import FindingGroup

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


def inspection_view(inspection: "Inspection", max_cases: int = 4) -> Group:
    """A data set's summary (ranges as least / median / greatest), its cases, and the findings kind by kind."""
    from medseg.outputs.finding_groups import grouped

    summary = Table(title=Text("Data set"), title_justify="left", show_header=False)
    summary.add_column(style="bold")
    summary.add_column(overflow="fold")
    for key, value in inspection.summary.items():
        if value not in ("", [], {}, None, 0) and key not in _NOT_IN_SUMMARY:
            summary.add_row(Text(str(key).replace("_", " ")), Text(_described(value)))
    parts: list[Any] = [summary]
    if inspection.facts:
        parts.append(frame_table(inspection.table, "Cases", columns=_case_columns(inspection), max_rows=max_cases * 2))
    parts += [Text(f"warning: {warning}", style="yellow") for warning in inspection.dataset.warnings]
    for group in grouped(inspection.findings):
        parts += _finding_lines(group, max_cases)
    problems = len(inspection.problems)
    verdict = f"{problems} problem{'s' * (problems != 1)}" if problems else "No problem found"
    return Group(*parts, Text(verdict, style="bold red" if problems else "bold green"))


_NOT_IN_SUMMARY = ("problems", "notes", "findings", "warnings", "intensities", "labels", "label_voxels_range")


def _case_columns(inspection: "Inspection") -> list[str]:
    counted = [name for name in inspection.table.columns if name.startswith("voxels_")]
    return ["case", "patient", "split", "size", "spacing_mm", *counted[:6]]


def _finding_lines(group: "FindingGroup", max_cases: int) -> list[Any]:
    """One kind: its name and extent, the first findings with their cases, and the mend."""
    from medseg.outputs.finding_groups import listed

    problem = group.severity == "problem"
    head = Text.assemble(("✗ " if problem else "• "), (group.title, "bold"), f" · {group.extent}")
    head.stylize("red" if problem else "yellow")
    lines: list[Any] = [Text(), head]
    for one in group.findings[:max_cases]:
        named = listed(one.cases, max_cases)
        lines.append(Padding(Text(f"{named}: {one.text}" if named else one.text), (0, 0, 0, 2)))
    if len(group.findings) > max_cases:
        lines.append(Padding(Text(f"… and {len(group.findings) - max_cases} more", style="dim"), (0, 0, 0, 2)))
    lines += [Padding(Text(f"→ {mend}", style="italic"), (0, 0, 0, 2)) for mend in group.mends[:2]]
    return lines


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

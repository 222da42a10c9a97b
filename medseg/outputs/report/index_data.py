"""The tables of a report's first page, as data."""

from collections.abc import Mapping, Sequence
from typing import Any

from medseg.outputs.report.columns import ShownColumn, cells, longest_column, region_columns, size_column, titled
from medseg.outputs.report.source import ReportCase, Source

__all__ = ["case_figures", "index_data"]

_MOST_LABELS = 6


def index_data(source: Source, pages: frozenset[str]) -> dict[str, Any]:
    """All cases and all regions in columns; the last cell of a row is the address of its page, or None.

    Args:
        source: The tables.
        pages: Keys of the cases that have a page.
    """
    rows = [region for case in source.cases for region in case.regions]
    columns = region_columns(rows)
    case_column = ShownColumn("case", "case", False)
    regions = [
        [case.name, *cells(region, columns), _page(case, pages)] for case in source.cases for region in case.regions
    ]
    return {
        "cases": _cases(source, pages, rows),
        "regions": {"columns": [column.to_json() for column in (case_column, *columns)], "rows": regions},
    }


def case_figures(case: ReportCase, size: str, longest: str, label: str = "") -> dict[str, float]:
    """Regions, total size and longest diameter of a case, perhaps of one label.

    A figure is left out where the regions are measured in another unit: the area of a radiograph among volumes.

    Args:
        case: Whose.
        size: The column of sizes, and
        longest: that of diameters; see `medseg.outputs.report.columns`.
        label: Of its regions alone.
    """
    own = [region for region in case.regions if not label or region["label"] == label]
    figures = {"regions": float(len(own))}
    if not case.regions or any(size in region for region in case.regions):
        figures["size"] = float(sum(region.get(size, 0) for region in own))
    diameters = [float(region[longest]) for region in own if longest in region]
    return figures | ({"longest": max(diameters)} if diameters else {})


def _cases(source: Source, pages: frozenset[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    size, longest = size_column(rows), longest_column(rows)
    labels = list(source.labels.names) if source.labels else []
    measured = bool(rows)
    known = list(dict.fromkeys(name for case in source.cases for name in case.columns))
    columns = [ShownColumn("case", "case", False)]
    columns += [ShownColumn("patient", "patient", False)] if source.identifiers else []
    columns += [ShownColumn("status", "status", False)]
    if measured:
        columns += [ShownColumn("regions", "regions", True), ShownColumn("size", titled(size), True)]
        columns += [ShownColumn("longest", titled(longest), True)]
    split = labels if measured and 1 < len(labels) <= _MOST_LABELS else []
    columns += [ShownColumn(f"size {label}", f"{label} {titled(size)}", True) for label in split]
    columns += [ShownColumn(name, name, False) for name in ("warnings", "error")]
    columns += [ShownColumn(name, titled(name), False) for name in known]
    return {
        "columns": [column.to_json() for column in columns],
        "rows": [[*_row(case, columns, (size, longest), split), _page(case, pages)] for case in source.cases],
    }


def _row(
    case: ReportCase, columns: Sequence[ShownColumn], measures: tuple[str, str], split: Sequence[str]
) -> list[Any]:
    told: dict[str, Any] = dict(case.columns)
    told |= {"case": case.name, "patient": case.patient, "status": case.status}
    told |= {"warnings": case.warnings, "error": case.error}
    if case.status == "done":
        told |= case_figures(case, *measures)
        told |= {f"size {label}": case_figures(case, *measures, label).get("size") for label in split}
    return cells(told, columns)


def _page(case: ReportCase, pages: frozenset[str]) -> str | None:
    return f"cases/{case.key}.html" if case.key in pages else None

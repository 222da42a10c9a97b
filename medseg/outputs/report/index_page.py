"""The first page of a report: counts, failures with their reasons, distributions, outliers, and the two tables."""

import base64
import html
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medseg.atomic import write_text
from medseg.outputs.plots import Chart, strips
from medseg.outputs.report.case_page import head
from medseg.outputs.report.columns import size_column, titled
from medseg.outputs.report.index_data import case_figures, index_data
from medseg.outputs.report.outliers import LIMIT, outliers
from medseg.outputs.report.packing import write_script
from medseg.outputs.report.source import ReportCase, Source

__all__ = ["write_index"]

_MOST_LISTED = 100
_WIDE = 20  # times the least, from which on a scale is logarithmic
_FIGURES = {"size": "total size", "longest": "longest diameter", "regions": "number of regions"}


def write_index(folder: Path, source: Source, pages: frozenset[str]) -> None:
    """Write `index.html` and the data of its tables.

    Raises:
        OutputError: They cannot be written.
    """
    write_script(folder / "tables.js", "medsegIndex", index_data(source, pages))
    parts = [*_head(source), *_failures(source, pages), *_outliers(source, pages), *_distributions(source)]
    if source.identifiers:
        about = "Case ids, patients and paths are shown as they are."
    else:
        about = (
            "No patient's name or id is meant to be here: a case whose id may hold one is called by its row in "
            "cases.csv, and paths are left out."
        )
    write_text(
        folder / "index.html",
        f"{head('Report of predictions', '')}<body class=index>{''.join(parts)}"
        '<h2>Cases</h2><div id="cases"></div><h2>Regions</h2><div id="regions"></div>'
        f"<noscript><p>The tables need scripts.</p></noscript><footer class=small><p>{about}</p>"
        f"{_made(source)}</footer>"
        '<script src="static/data.js"></script><script src="static/table.js"></script>'
        '<script src="static/index.js"></script><script src="tables.js"></script></body></html>\n',
    )


def _head(source: Source) -> Iterator[str]:
    states = Counter(case.status for case in source.cases)
    regions = sum(len(case.regions) for case in source.cases)
    empty = sum(case.status == "done" and not case.regions for case in source.cases)
    counts = {"cases": len(source.cases), **states, "regions": regions, "done, without a region": empty}
    counts["with warnings"] = sum(bool(case.warnings) for case in source.cases)
    yield '<h1>Report of predictions</h1><ul class="counts">'
    yield "".join(f"<li><b>{n:,}</b>{html.escape(name)}</li>" for name, n in counts.items() if n or name == "cases")
    yield "</ul>"
    for label in source.labels.labels if source.labels else ():
        colour = "#{:02x}{:02x}{:02x}".format(*label.colour)
        yield f'<span class="legend"><span><i style="background:{colour}"></i>{html.escape(label.name)}</span></span>'


def _failures(source: Source, pages: frozenset[str]) -> Iterator[str]:
    failed = [case for case in source.cases if case.status == "failed"]
    if not failed:
        return
    yield f'<section class="card problem"><h2>{len(failed)} of {len(source.cases)} cases failed</h2>'
    yield '<button type="button" data-filter="status=failed" hidden>Show them in the table</button><ul class="long">'
    for case in failed[:_MOST_LISTED]:
        yield f"<li>{_link(case, pages)}: {html.escape(case.error)}</li>"
    yield f"</ul>{_more(len(failed))}</section>"


def _outliers(source: Source, pages: frozenset[str]) -> Iterator[str]:
    size = size_column([region for case in source.cases for region in case.regions])
    found = outliers(source, size)
    if not found:
        return
    yield '<section class="card note"><h2>Unlike the others</h2><p class="small pale">Robust z-score above '
    yield f"{LIMIT} (median and MAD over the cases that are done; of sizes and diameters the logarithm).</p>"
    yield '<ul class="long">'
    for one in found[:_MOST_LISTED]:
        unit = titled(size).partition("(")[2].rstrip(")") if one.figure == "size" else ""
        figures = f"{one.value:.4g} {unit}".strip(), f"{one.middle:.4g}"
        yield f"<li>{_link(one.case, pages)}: {html.escape(one.label)}, {_FIGURES[one.figure]} {figures[0]}"
        yield f" (median {figures[1]}; z = {one.z:+.1f})</li>"
    yield f"</ul>{_more(len(found))}</section>"


def _distributions(source: Source) -> Iterator[str]:
    charts = list(_charts(source))
    if charts:
        yield '<h2>Distributions</h2><p class="small pale">A point a region, or a case; bars mark median and quartiles.'
        yield '</p><div class="charts">'
        for chart in charts:
            picture = base64.b64encode(chart.svg).decode()
            yield f"<figure><figcaption>{html.escape(chart.title)}</figcaption>"
            yield f'<img alt="{html.escape(chart.said)}" src="data:image/svg+xml;base64,{picture}"></figure>'
        yield "</div>"


def _charts(source: Source) -> Iterator[Chart]:
    rows = [region for case in source.cases for region in case.regions]
    names = source.labels.names if source.labels else ()
    size = size_column(rows)
    unit = titled(size).partition("(")[2].rstrip(")") or "voxels"
    longest = next((name for name in ("longest_axial_mm", "longest_axial_px") if any(name in row for row in rows)), "")
    done = [case for case in source.cases if case.status == "done"]
    totals = {label: [case_figures(case, size, label)["size"] for case in done] for label in names}
    counts = {label: [case_figures(case, size, label)["regions"] for case in done] for label in names}
    yield from _spread(_of_regions(rows, names, size), "Size of regions", unit)
    yield from _spread(totals, "Size of a label in a case", unit)
    yield from _spread(_of_regions(rows, names, longest), "Longest diameter", longest[-2:])
    yield from strips({label: values for label, values in counts.items() if values}, "Regions in a case", "regions")


def _of_regions(rows: list[Any], names: Any, column: str) -> dict[str, list[float]]:
    return {label: [float(row[column]) for row in rows if row["label"] == label and column in row] for label in names}


def _spread(groups: dict[str, list[float]], title: str, unit: str) -> Iterator[Chart]:
    """Of labels that have some; where they range widely, by their logarithm."""
    positive = {label: [value for value in values if value > 0] for label, values in groups.items()}
    filled = {label: values for label, values in positive.items() if values}
    wide = any(max(values) > _WIDE * min(values) for values in filled.values())
    yield from strips(filled, title, unit, log=wide)


def _link(case: ReportCase, pages: frozenset[str]) -> str:
    name = html.escape(case.name)
    return f'<a href="cases/{case.key}.html">{name}</a>' if case.key in pages else name


def _more(count: int) -> str:
    return f"<p class=small>and {count - _MOST_LISTED} more, in the table</p>" if count > _MOST_LISTED else ""


def _made(source: Source) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in source.run.get("versions", {}).items())
    model = source.run.get("model_sha256", "")
    said = [f"Model <code>{html.escape(str(model))}</code>." if model else "", html.escape(versions)]
    command = f"<p><code>{html.escape(source.run.get('command', ''))}</code></p>" if source.identifiers else ""
    return f"<p>{' '.join(said)}</p>{command}<p>Not a medical device; masks are computed, and to be checked.</p>"

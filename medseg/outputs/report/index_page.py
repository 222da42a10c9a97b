"""The first page of a report: counts, failures with their reasons, distributions, outliers, and the two tables."""

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medseg.atomic import write_text
from medseg.ledger.summary import Failure
from medseg.outputs.failure_groups import FailureGroup, failure_groups
from medseg.outputs.plots import Chart, strips
from medseg.outputs.report.case_page import head
from medseg.outputs.report.columns import longest_column, size_column, unit_of
from medseg.outputs.report.index_data import case_figures, index_data
from medseg.outputs.report.outliers import LIMIT, outliers
from medseg.outputs.report.packing import write_script
from medseg.outputs.report.source import ReportCase, Source

__all__ = ["write_index"]

_MOST_LISTED = 100
_MOST_LINKS = 12  # of one reason
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
        f"{head('Report of predictions', '')}<body class=index><main>{''.join(parts)}"
        '<h2>Cases</h2><div id="cases"></div><h2>Regions</h2><div id="regions"></div>'
        f"<noscript><p>The tables need scripts.</p></noscript></main><footer class=small><p>{about}</p>"
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
    yield '</ul><div class="legend">'
    for label in source.labels.labels if source.labels else ():
        colour = "#{:02x}{:02x}{:02x}".format(*label.colour)
        yield f'<span><i style="background:{colour}"></i>{html.escape(label.name)}</span>'
    yield "</div>"


def _failures(source: Source, pages: frozenset[str]) -> Iterator[str]:
    failed = [case for case in source.cases if case.status == "failed"]
    if not failed:
        return
    yield f'<section class="card problem"><h2>{len(failed)} of {len(source.cases)} cases failed</h2>'
    yield '<button type="button" data-filter="status=failed" hidden>Show them in the table</button><ul class="long">'
    known = {case.name: case for case in failed}
    groups = failure_groups(Failure(case.name, _names_in(case, source), case.error) for case in failed)
    for group in groups[:_MOST_LISTED]:
        yield _reason(group, [known[name] for name in group.cases], pages)
    yield f"</ul>{_more(len(groups))}</section>"


def _names_in(case: ReportCase, source: Source) -> tuple[str, ...]:
    """What a reason calls the files of a case."""
    if source.identifiers:
        return tuple(map(str, case.images))
    return ("[image]", "[file]", *(f"[image {number}]" for number in range(1, len(case.images) + 1)))


def _reason(group: FailureGroup, cases: Sequence[ReportCase], pages: frozenset[str]) -> str:
    """Cases of one reason as one item: each case of several is reached by its link."""
    if len(cases) == 1:
        return f"<li>{_link(cases[0], pages)}: {html.escape(group.example)}</li>"
    links = ", ".join(_link(case, pages) for case in cases[:_MOST_LINKS])
    more = f" and {len(cases) - _MOST_LINKS} more" if len(cases) > _MOST_LINKS else ""
    return f"<li><b>{len(cases)} cases:</b> {html.escape(group.reason)}. <span class=small>{links}{more}</span></li>"


def _outliers(source: Source, pages: frozenset[str]) -> Iterator[str]:
    rows = [region for case in source.cases for region in case.regions]
    columns = {"size": size_column(rows), "longest": longest_column(rows)}
    found = outliers(source, columns["size"], columns["longest"])
    if not found:
        return
    yield '<section class="card note"><h2>Unlike the others</h2><p class="small pale">Robust z-score above '
    yield f"{LIMIT} (median and MAD over the cases that are done; of sizes and diameters the logarithm).</p>"
    yield '<ul class="long">'
    for one in found[:_MOST_LISTED]:
        unit = unit_of(columns[one.figure]) if one.figure in columns else ""
        figures = f"{one.value:.4g} {unit}".strip(), f"{one.middle:.4g}"
        yield f"<li>{_link(one.case, pages)}: {html.escape(one.label)}, {_FIGURES[one.figure]} {figures[0]}"
        yield f" (median {figures[1]}; z = {one.z:+.1f})</li>"
    yield f"</ul>{_more(len(found))}</section>"


def _distributions(source: Source) -> Iterator[str]:
    charts = list(_charts(source))
    if charts:
        yield '<h2>Distributions</h2><p class="small pale">A point a region, or a case; bars mark median and quartiles.'
        yield f'</p><div class="charts">{"".join(chart.html for chart in charts)}</div>'


def _charts(source: Source) -> Iterator[Chart]:
    rows = [region for case in source.cases for region in case.regions]
    names = source.labels.names if source.labels else ()
    size, longest = size_column(rows), longest_column(rows)
    unit = unit_of(size) or "voxels"
    done = [case for case in source.cases if case.status == "done"]
    figures = {label: [case_figures(case, size, longest, label) for case in done] for label in names}
    totals = {label: [own["size"] for own in every if "size" in own] for label, every in figures.items()}
    counts = {label: [own["regions"] for own in every] for label, every in figures.items()}
    yield from _spread(_of_regions(rows, names, size), "Size of regions", unit)
    yield from _spread(totals, "Size of a label in a case", unit)
    yield from _spread(_of_regions(rows, names, longest), "Longest diameter", unit_of(longest))
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

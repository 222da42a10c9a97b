"""A page that shows what `medseg inspect` found: problems first, then distributions, then every case with a picture.

One file that asks for nothing over the network; it says so itself, in a policy that browsers keep to.
"""

import hashlib
import html
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from medseg.atomic import write_text
from medseg.datasets.inspection import Inspection
from medseg.outputs.case_pictures import CasePictures
from medseg.outputs.distributions import charts
from medseg.outputs.finding_groups import FindingGroup, grouped
from medseg.outputs.inspection_look import html_page

__all__ = ["write_inspection_page"]

_FINDINGS_SHOWN = 12  # of a kind, with pictures; the table below has all
_CASES_NAMED = 60
_NOTE_LENGTH = 300


def write_inspection_page(path: Path, inspection: Inspection) -> None:
    """Write the page; pictures are shown of the cases that were inspected with `thumbnails`.

    Raises:
        OutputError: The file cannot be written.
    """
    groups = grouped(inspection.findings)
    pictures = CasePictures(inspection, [case for group in groups for case in group.cases])
    parts = [
        *_head(inspection, groups),
        *_findings(groups, pictures),
        *_distributions(inspection),
        *_cases(inspection, groups, pictures),
    ]
    write_text(path, html_page(_name(inspection), parts))


def _name(inspection: Inspection) -> str:
    return f"{inspection.dataset.root.resolve().name}: what medseg inspect found"


def _head(inspection: Inspection, groups: Sequence[FindingGroup]) -> Iterator[str]:
    figures = inspection.summary
    yield f"<h1>{_text(inspection.dataset.root.resolve().name)}</h1><p class=pale><code>"
    yield f"{_text(figures['root'])}</code> · layout {_text(figures['layout'])}"
    yield f" · {_text(figures['modality'])}</p>" if figures["modality"] else "</p>"
    kinds = [group for group in groups if group.severity == "problem"]
    links = ", ".join(f'<a href="#{_anchor(group)}">{_text(group.title.lower())}</a>' for group in kinds)
    many = len(inspection.problems)
    yield (
        f'<p class="verdict bad">{many} problem{"s" * (many != 1)}: {links}</p>'
        if kinds
        else '<p class="verdict good">No problem found.</p>'
    )
    counts = {"cases": figures["cases"], "labelled": figures["labelled"], "patients": figures["patients"]}
    counts |= {"nothing to find": figures["negative"], "partly labelled": figures["partly_labelled"]}
    counts |= {"readers": len(figures["readers"]), **figures["splits"]}
    yield '<ul class="counts">'
    yield "".join(f"<li><b>{n}</b>{_text(name)}</li>" for name, n in counts.items() if n)
    yield "</ul>"
    rows = {
        "Channels": ", ".join(figures["channels"]),
        "Size": _ranges(figures["size"], ""),
        "Spacing": _ranges(figures["spacing_mm"], " mm"),
        "Spacing unknown": f"{figures['spacing_unknown']} cases" if figures["spacing_unknown"] else "",
        "Stored as": _counts(figures["dtypes"]),
        "Axes": _counts(figures["orientations"]),
        "Units": _counts(figures["units"]),
    }
    yield "".join(f"<p class=small><b>{name}</b> {_text(value)}</p>" for name, value in rows.items() if value)
    yield from (f'<p class="small">Note: {_text(warning)}</p>' for warning in inspection.dataset.warnings)
    yield _legend(inspection)


def _ranges(ranges: Sequence[Sequence[float]], unit: str) -> str:
    """Least to greatest along each axis."""
    return " × ".join(_extent(low, high) for low, _middle, high in ranges) + (unit if ranges else "")


def _extent(low: float, high: float) -> str:
    least, greatest = f"{low:.4g}", f"{high:.4g}"
    return least if least == greatest else f"{least} to {greatest}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({n})" if len(counts) > 1 else name for name, n in counts.items())


def _legend(inspection: Inspection) -> str:
    labels = inspection.dataset.labels
    if labels is None:
        return '<p class="small pale">Nobody said what the values of the masks mean: --label name=value does.</p>'
    colours = {label.name: "#{:02x}{:02x}{:02x}".format(*label.colour) for label in labels.labels}
    swatches = "".join(
        f'<span><i style="background:{colours[label.name]}"></i>{_text(label.name)} '
        f"<span class=pale>{', '.join(map(str, label.values))}</span></span>"
        for label in labels.labels
    )
    return f'<p class="legend small"><b>Labels</b> {swatches}</p>'


def _findings(groups: Sequence[FindingGroup], pictures: CasePictures) -> Iterator[str]:
    if groups:
        yield "<h2>Findings</h2>"
    for group in groups:
        yield f'<section class="card {group.severity}" id="{_anchor(group)}">'
        yield f"<h3>{_text(group.title)} <span>· {_text(group.extent)}</span></h3><p class=pale>{_text(group.meaning)}"
        yield "</p>" + "".join(f'<p class="mend">{_with_code(mend)}</p>' for mend in group.mends[:3])
        for one in group.findings[:_FINDINGS_SHOWN]:
            named = ", ".join(_linked(case) for case in one.cases[:_CASES_NAMED])
            more = f" … and {len(one.cases) - _CASES_NAMED} more" if len(one.cases) > _CASES_NAMED else ""
            yield f'<div class="finding"><p>{_text(one.text)}</p><p class="small">{named}{more}</p>'
            yield (pictures.of_finding(one) if one.severity == "problem" else "") + "</div>"
        rest = group.findings[_FINDINGS_SHOWN:]
        if rest:
            named = ", ".join(_linked(case) for case in dict.fromkeys(case for one in rest for case in one.cases))
            yield f'<div class="finding small">and {len(rest)} more: {named}</div>'
        yield "</section>"


def _distributions(inspection: Inspection) -> Iterator[str]:
    drawn = list(charts(inspection))
    if drawn:
        yield '<h2>Distributions</h2><p class="small pale">A point a case; the bars mark median and quartiles.</p>'
        yield f'<div class="charts">{"".join(chart.html for chart in drawn)}</div>'


def _cases(inspection: Inspection, groups: Sequence[FindingGroup], pictures: CasePictures) -> Iterator[str]:
    tags: dict[str, list[FindingGroup]] = {}
    for group in groups:
        for case in group.cases if group.severity == "problem" else ():
            tags.setdefault(case, []).append(group)
    table = inspection.table
    about = [name for name in ("patient", "split", "size", "spacing_mm") if name in table and (table[name] != "").any()]
    voxels = [name for name in table.columns if str(name).startswith("voxels_")]
    yield f"<h2>Cases</h2><p class=small>{pictures.told}</p>"
    yield '<p hidden><label>Filter <input id="filter" type="search"></label></p>'
    yield '<div class="scroll"><table id="cases"><thead><tr><th>picture</th>'
    for name in ["case", *about, *voxels, "found"]:
        kind = ' class="number"' if name in voxels else ""
        yield f"<th{kind}><button>{_text(str(name).removeprefix('voxels_').replace('_mm', ' (mm)'))}</button></th>"
    yield "</tr></thead><tbody>"
    rows = table[[*about, *voxels]].itertuples(index=False, name=None)
    for one, row in zip(inspection.facts, rows, strict=True):
        own = tags.get(one.case.id, ())
        links = "".join(f'<a class="tag" href="#{_anchor(g)}">{_text(g.title)}</a><br>' for g in own)
        yield f'<tr id="{_case_anchor(one.case.id)}"><td>{pictures.of(one)}</td><td>{_text(one.case.id)}</td>'
        yield "".join(f"<td>{_text(value)}</td>" for value in row[: len(about)])
        yield "".join(_number(value) for value in row[len(about) :])
        yield f"<td>{links}{_text(_shortened(one.notes))}</td></tr>"
    yield "</tbody></table></div>"


def _number(value: object) -> str:
    # of a mask that is not there pandas has NaN, or nothing where none is
    known = isinstance(value, int) or (isinstance(value, float) and value == value)
    return f'<td class="number">{format(int(str(value).split(".")[0]), ",") if known else ""}</td>'


def _shortened(notes: Iterable[str]) -> str:
    text = "; ".join(notes)
    return text if len(text) <= _NOTE_LENGTH else text[:_NOTE_LENGTH] + " …"


def _anchor(group: FindingGroup) -> str:
    return f"{group.severity}-{group.kind}"


def _case_anchor(case: str) -> str:
    # ids may hold anything, and an anchor no space
    return "case-" + hashlib.sha256(case.encode()).hexdigest()[:12]


def _linked(case: str) -> str:
    return f'<a href="#{_case_anchor(case)}">{_text(case)}</a>'


def _with_code(text: str) -> str:
    """What stands between backticks is what a user types."""
    parts = _text(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _text(value: object) -> str:
    return html.escape(str(value))

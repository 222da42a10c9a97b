"""The report of what was done: a table of files, a summary, and a page; nothing in it names anybody."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from medseg import __version__
from medseg.atomic import write_json, write_text
from medseg.deidentify.one_file import Outcome
from medseg.deidentify.profile import Profile
from medseg.deidentify.table import EDITION
from medseg.outputs.inspection_look import html_page
from medseg.outputs.page_tables import header, row_of, text

__all__ = ["summary", "write_report"]

_COLUMNS: Final = (
    "source", "outcome", "reason", "patient", "study", "series", "file", "modality", "burnt_in", "blanked",
)  # fmt: skip
_ACTIONS: Final = (
    "kept",
    "removed",
    "emptied",
    "replaced",
    "UID replaced",
    "date shifted",
    "words cleaned",
    "name replaced",
)
_SEEN: Final = ("declared", "likely", "possible")
_MOST = 2000  # rows in the page; the table has all


def write_report(out: Path, profile: Profile, rows: Sequence[Outcome]) -> dict[str, Any]:
    """Write `report.csv`, `report.json` and `report.html`; the summary.

    Raises:
        OutputError: A file cannot be written.
    """
    found = summary(profile, rows)
    write_text(out / "report.csv", _csv(rows))
    write_json(out / "report.json", found)
    write_text(out / "report.html", html_page("De-identification", _page(profile, found, rows)))
    return found


def summary(profile: Profile, rows: Sequence[Outcome]) -> dict[str, Any]:
    """Counts of files by outcome, of what was done by attribute, of pictures with text; and the settings."""
    attributes: dict[str, Counter[str]] = {}
    for row in rows:
        for keyword, actions in row.done.items():
            attributes.setdefault(keyword, Counter()).update(actions)
    done = [row for row in rows if row.outcome == "done"]
    return {
        "program": f"medseg {__version__}",
        "profile": f"DICOM PS3.15 {EDITION} Annex E, Basic Application Confidentiality Profile",
        "options": [{"code": code, "meaning": meaning} for code, meaning in profile.codes()],
        "settings": _settings(profile),
        "files": dict(sorted(Counter(row.outcome for row in rows).items())),
        "patients": len({row.patient for row in done if row.patient}),
        "studies": len({(row.patient, row.study) for row in done if row.study}),
        "series": len({(row.patient, row.series) for row in done if row.series}),
        "text_in_pictures": dict(sorted(Counter(row.burnt_in for row in done if row.burnt_in in _SEEN).items())),
        "not_blanked": sum(row.burnt_in in _SEEN and not row.blanked for row in done),
        "reasons": dict(sorted(Counter(row.reason for row in rows if row.reason).items())),
        "attributes": {keyword: dict(sorted(counts.items())) for keyword, counts in sorted(attributes.items())},
    }


def _settings(profile: Profile) -> dict[str, Any]:
    """The options; of a rule only by which attributes it matches, since their values are those of originals."""
    blank = [rule.model_dump(mode="json") | {"match": sorted(rule.match)} for rule in profile.blank]
    return profile.model_dump(mode="json") | {"keep": sorted(profile.keep), "blank": blank}


def _csv(rows: Sequence[Outcome]) -> str:
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([*_COLUMNS, *(action.replace(" ", "_").lower() for action in _ACTIONS)])
    for row in rows:
        counts: Counter[str] = Counter()
        for actions in row.done.values():
            counts.update(actions)
        table.writerow([*(getattr(row, name) for name in _COLUMNS), *(counts[action] for action in _ACTIONS)])
    return written.getvalue()


def _page(profile: Profile, found: dict[str, Any], rows: Sequence[Outcome]) -> Iterator[str]:
    yield "<h1>De-identification</h1>"
    yield f'<p class="verdict">{text(_verdict(found))}</p>'
    counts = found["files"] | {name: found[name] for name in ("patients", "studies", "series")}
    yield '<ul class="counts">'
    yield "".join(f"<li><b>{n:,}</b>{text(name)}</li>" for name, n in counts.items())
    yield "</ul>"
    yield f'<p class="small">{text(found["profile"])}; {text(found["program"])}. Dates: {text(profile.dates)}.</p>'
    yield "<ul>"
    yield from (f"<li>{text(code)} {text(meaning)}</li>" for code, meaning in profile.codes())
    yield "</ul>"
    yield "<h2>Files</h2>"
    if len(rows) > _MOST:
        yield f'<p class="small">The first {_MOST:,} of {len(rows):,}; report.csv has all.</p>'
    yield '<p hidden><label>Show <input id="filter"></label></p>'
    yield header(["source", "outcome", "patient", "series", "modality", "text"], ["blanked"], ["why"], 'id="cases"')
    for row in rows[:_MOST]:
        words = [row.source, row.outcome, row.patient, row.series, row.modality, row.burnt_in]
        yield row_of(words, [str(row.blanked or "")], [row.reason])
    yield "</tbody></table></div>"
    yield "<h2>Attributes</h2>"
    yield header(["attribute"], _ACTIONS)
    for keyword, actions in found["attributes"].items():
        yield row_of([keyword], [f"{actions[name]:,}" if name in actions else "" for name in _ACTIONS])
    yield "</tbody></table></div>"


def _verdict(found: dict[str, Any]) -> str:
    files = found["files"]
    said = f"{files.get('done', 0):,} files de-identified"
    bad = files.get("failed", 0)
    said += f", {bad:,} failed" if bad else ""
    if found["not_blanked"]:
        said += f"; look at {found['not_blanked']:,} whose pictures show or may show text"
    return said

"""The page of a case and its files, made anew only where something of it changed."""

import hashlib
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg import address
from medseg.atomic import write_text
from medseg.errors import MedsegError, OutputError
from medseg.outputs.report.case_data import Opened, lines_of, open_case, places, write_pictures
from medseg.outputs.report.columns import cells, region_columns
from medseg.outputs.report.names import without_identity
from medseg.outputs.report.packing import write_script
from medseg.outputs.report.source import ReportCase, Source

__all__ = ["PAGE_VERSION", "PageSettings", "current", "head", "make_page", "stamp"]

PAGE_VERSION = 6  # counted up whenever pages of older versions are to be made again
_FIRST = "// medseg report "


@dataclass(frozen=True)
class PageSettings:
    """How pages are made.

    Args:
        most_voxels: Of an image in a page; larger ones are shrunk.
        pdf: Also a PDF of one page.
    """

    most_voxels: int = 8 << 20
    pdf: bool = False


def head(title: str, up: str) -> str:
    """The head of a page: nothing but files beside it may be loaded."""
    policy = (
        "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; "
        "img-src 'self' file: data: blob:; font-src data:; connect-src data: blob:"
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{up}static/report.css"></head>'
    )


def stamp(case: ReportCase, source: Source, settings: PageSettings) -> str:
    """A hash of all that a page is made of; of files, their names, sizes and times."""
    masks = sorted((source.out / case.id).glob("mask*"))
    files = [_state(path) for path in (*masks, *(address.split(image)[0] for image in case.images))]
    labels = source.labels.to_config() if source.labels else None
    run = {key: source.run.get(key) for key in ("model_sha256", "versions", "settings")}
    parts = [PAGE_VERSION, repr(case), files, labels, run, settings.most_voxels, source.identifiers]
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()


def current(folder: Path, case: ReportCase, wanted: str, settings: PageSettings) -> bool:
    """Whether the page of a case is there and of that stamp."""
    if settings.pdf and not (folder / f"{case.key}.pdf").is_file():
        return False
    try:
        with (folder / f"{case.key}.js").open(encoding="utf-8") as lines:
            return lines.readline() == f"{_FIRST}{wanted}\n"
    except (OSError, ValueError):
        return False


def make_page(folder: Path, case: ReportCase, source: Source, settings: PageSettings, wanted: str) -> str:
    """Write the page of a case, its data and its picture.

    Its data come last, and with them the stamp: a page that is not finished is none.

    Returns:
        Why there is no picture of a case that is done; empty where there is one.

    Raises:
        OutputError: A file cannot be written.
    """
    for path in folder.glob(f"{case.key}.*"):
        path.unlink(missing_ok=True)
    columns = region_columns(case.regions)
    data: dict[str, Any] = {
        "name": case.name,
        "labels": [] if source.labels is None else [_label(label) for label in source.labels.labels],
        "columns": [column.to_json() for column in columns],
        "regions": [{"cells": cells(region, columns)} for region in case.regions],
        "picture": None,
        "key": case.key,
    }
    reason, opened = "", None
    if case.status == "done":
        try:
            opened = open_case(case, source)
            data["picture"], grid = write_pictures(folder, case, opened, source.run, settings.most_voxels)
            where = places(case, grid, lines_of(case, opened))
            data["regions"] = [one | place for one, place in zip(data["regions"], where, strict=True)]
        except OutputError:
            raise
        except Exception as error:  # a page without its picture is better than none
            reason = _said(error, case, source)
    else:
        reason = f"the case {'failed' if case.status == 'failed' else f'was {case.status}'}, so there is no mask"
    data["reason"] = reason
    if settings.pdf:
        _write_pdf(folder / f"{case.key}.pdf", case, source, opened)
    write_text(folder / f"{case.key}.html", _html(case, source, settings.pdf))
    write_script(folder / f"{case.key}.js", "medsegCase", data, f"{_FIRST}{wanted}\n")
    return reason if case.status == "done" else ""


def _said(error: Exception, case: ReportCase, source: Source) -> str:
    text = str(error) if isinstance(error, MedsegError) else f"unexpected {type(error).__name__}: {error}"
    text = text.rstrip(".")
    return text if source.identifiers else without_identity(text, case.id, case.name, source.patients, case.images)


def _write_pdf(path: Path, case: ReportCase, source: Source, opened: Opened | None) -> None:
    from medseg.outputs.report.one_pager import write_one_pager

    write_one_pager(path, case, source, opened)


def _label(label: Any) -> dict[str, str]:
    return {"name": label.name, "colour": "#{:02x}{:02x}{:02x}".format(*label.colour)}


def _state(path: Path) -> list[Any]:
    try:
        status = path.stat()
    except OSError:
        return [path.name, None]
    return [path.name, status.st_size, status.st_mtime_ns]


def _html(case: ReportCase, source: Source, pdf: bool) -> str:
    links = f'<a href="{case.key}.pdf">PDF</a>' if pdf else ""
    known = {"patient": case.patient, **case.columns}
    facts = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(value)}</dd>"
        for name, value in known.items()
        if value
    )
    title = "Failed" if case.status == "failed" else "Left out"
    kind = "problem" if case.status == "failed" else "note"
    failed = f'<section class="card {kind}"><h2>{title}</h2><p>{html.escape(case.error)}</p></section>'
    told = [failed] if case.error else []
    if case.warnings:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in case.warnings.split("; "))
        told.append(f'<section class="card note"><h2>Warnings</h2><ul>{notes}</ul></section>')
    model, version = str(source.run.get("model_sha256", "")), str(source.run.get("versions", {}).get("medseg", ""))
    made = f"Model {html.escape(model[:12])}, medseg {html.escape(version)}. "
    return (
        f"{head(case.name, '../')}<body class=case>"
        f'<header><nav id="nav" aria-label="Report"><a href="../index.html">All cases</a>{links}</nav>'
        f"<h1>{html.escape(case.name)}</h1>"
        f"<p class=pale>Row {case.number} of cases.csv · {html.escape(case.status)}</p>"
        f"</header><main>{''.join(told)}"
        "<noscript><p class=bad>This page needs scripts.</p></noscript><div class=columns>"
        '<section id="view" aria-label="Picture"></section>'
        '<section id="side"><h2>Regions</h2><div id="regions"></div></section></div></main>'
        f"<footer><dl>{facts}</dl><p class=small>{made if model else ''}"
        "Not a medical device; masks are computed, and to be checked.</p></footer>"
        '<script src="../static/data.js"></script><script src="../static/volume.js"></script>'
        '<script src="../static/radiograph.js"></script><script src="../static/case.js"></script>'
        f'<script src="pages.js"></script><script src="{case.key}.js"></script></body></html>\n'
    )

"""The report of a folder of predictions: read its tables, make the pages that are missing, then the first page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from medseg.atomic import json_text
from medseg.batch.key_table import images_of
from medseg.errors import ConfigError
from medseg.evaluation.in_turn import Failed, in_turn
from medseg.outputs.report.case_page import PageSettings, make_page, stamp
from medseg.outputs.report.folder import copy_static, drop_old, write_page_list
from medseg.outputs.report.index_page import write_index
from medseg.outputs.report.source import ReportCase, Source, read_source
from medseg.reporting import Reporter, Silent

__all__ = ["Report", "report"]

_MIB = 1 << 20


@dataclass(frozen=True)
class Report:
    """What `report` made.

    Args:
        index: The first page; open it in a browser.
        cases: How many cases it lists.
        pages: How many of them have a page.
        made: How many pages were made now; the others were there.
        without_picture: Why a page made now has no picture, by the case's name.
        failed: Why a page could not be made, by the case's name.
    """

    index: Path
    cases: int
    pages: int
    made: int
    without_picture: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON."""
        told = {name: getattr(self, name) for name in ("index", "cases", "pages", "made")}
        return json_text({**told, "without_picture": self.without_picture, "failed": self.failed}, sort_keys=False)

    def _repr_html_(self) -> str:
        return f'<p><a href="{self.index.resolve().as_uri()}">{self.index}</a>: {self.pages} of {self.cases} cases</p>'


def report(
    out: str | Path,
    *,
    cases: Sequence[str] | None = None,
    limit: int | None = None,
    identifiers: bool = False,
    pdf: bool = False,
    mib: float = 8,
    jobs: int | None = None,
    pseudonyms: str | Path | None = None,
    reporter: Reporter | None = None,
) -> Report:
    """Write `OUT/report/index.html` and a page for each case; they open from disk and need no network.

    A page whose case, mask and images have not changed is kept, so that a run that was stopped is gone on with.

    Args:
        out: What `predict` wrote.
        cases: Pages are made of these alone, by id or by their name in the report; the first page has all.
        limit: At most so many pages are made of the cases, the first ones.
        identifiers: Show ids of cases that may hold a patient's name, patients, paths and all columns.
        pdf: Also `OUT/report/cases/NUMBER.pdf`, one page a case.
        mib: Voxels that a page keeps of an image, in Mi; a larger image is shrunk.
        jobs: Processes; one a processor where left out, none for a few cases.
        pseudonyms: The key of a run under pseudonyms, beside which `pseudonyms.csv` tells where the images are; else
            its pages have no pictures.
        reporter: Told of the progress.

    Raises:
        InputError: The folder lacks its tables.
        ConfigError: There is no such case, or nothing would be made.
        OutputError: A file cannot be written.
    """
    out = Path(out)
    if mib <= 0 or (limit is not None and limit < 0):
        raise ConfigError("mib" if mib <= 0 else "limit", "is not positive", "Give a larger one.")
    reporter = reporter or Silent()
    source = read_source(out, identifiers=identifiers)
    if pseudonyms is not None:
        where = images_of(Path(pseudonyms).absolute().parent)
        found = (replace(case, images=where.get(case.id, case.images)) for case in source.cases)
        source = replace(source, cases=tuple(found))
    settings = PageSettings(max(1, int(mib * _MIB)), pdf)
    folder = out / "report" / "cases"
    if not copy_static(folder.parent):
        reporter.say("Volumes are not drawn: NiiVue is not in this installation. `make vendor` fetches it; then again")
    marks = {case.key: (case, stamp(case, source, settings)) for case in source.cases}
    folder.mkdir(exist_ok=True)
    kept = drop_old(folder, marks, settings)
    wanted = [marks[case.key] for case in _chosen(source, cases)[:limit] if case.key not in kept]
    # Each process needs the case it works on, and none of the others.
    work = partial(_made, folder, replace(source, cases=()), settings)
    results = list(in_turn(work, wanted, jobs, reporter, "Making pages")) if wanted else []
    told = {case.name: result for (case, _mark), result in zip(wanted, results, strict=True) if result}
    failed = {name: result.reason for name, result in told.items() if isinstance(result, Failed)}
    there = kept | {case.key for case, _mark in wanted if case.name not in failed}
    write_page_list(folder, sorted(there))
    write_index(folder.parent, source, frozenset(there))
    without = {name: result for name, result in told.items() if isinstance(result, str)}
    return Report(out / "report" / "index.html", len(source.cases), len(there), len(wanted), without, failed)


def _made(folder: Path, source: Source, settings: PageSettings, item: tuple[ReportCase, str]) -> str:
    return make_page(folder, item[0], source, settings, item[1])


def _chosen(source: Source, names: Sequence[str] | None) -> list[ReportCase]:
    if names is None:
        return list(source.cases)
    known = {name: case for case in source.cases for name in (case.name, case.id)}
    if absent := [name for name in names if name not in known]:
        mend = "Give the first column of cases.csv, or the name in the report."
        raise ConfigError("cases", f"{', '.join(absent)} not in cases.csv", mend)
    wanted = {known[name].key for name in names}
    return [case for case in source.cases if case.key in wanted]

"""The folder of a report: what lies in it besides the pages, and which pages are still true."""

import filecmp
import shutil
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from medseg.atomic import atomic_path
from medseg.outputs.report.case_page import PageSettings, current
from medseg.outputs.report.packing import write_script
from medseg.outputs.report.source import ReportCase

__all__ = ["copy_static", "drop_old", "write_page_list"]

_DRAWING = "niivue.umd.js"


def copy_static(folder: Path) -> bool:
    """Copy scripts, style and NiiVue with its licence, where they are not there yet.

    Returns:
        Whether this installation has NiiVue, which draws volumes and is fetched when it is built.

    Raises:
        OutputError: A file cannot be written.
    """
    with as_file(files("medseg.outputs.report") / "static") as static:
        for path in sorted(static.iterdir()):
            target = folder / "static" / path.name
            if target.is_file() and filecmp.cmp(path, target, shallow=False):
                continue
            with atomic_path(target) as temporary:
                shutil.copyfile(path, temporary)
        return (static / _DRAWING).is_file()


def drop_old(folder: Path, wanted: Mapping[str, tuple[ReportCase, str]], settings: PageSettings) -> set[str]:
    """Remove the pages that are no longer true: of cases that are gone, and of what has changed since.

    Args:
        folder: Of the pages.
        wanted: By key, the case and the stamp that its page must have.
        settings: Of the pages.

    Returns:
        Keys of the pages that are there and true.
    """
    kept = {key for key, (case, mark) in wanted.items() if current(folder, case, mark, settings)}
    for path in folder.glob("*"):
        if path.is_file() and path.name.split(".")[0] not in kept and path.name != "pages.js":
            path.unlink()
    return kept


def write_page_list(folder: Path, keys: list[str]) -> None:
    """Write which pages there are, by which each finds the ones before and after it.

    Raises:
        OutputError: It cannot be written.
    """
    write_script(folder / "pages.js", "medsegPages", keys)

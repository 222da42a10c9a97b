"""De-identification of DICOM trees by PS3.15 Annex E: attributes, UIDs, dates, private data, text in pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.deidentify.blank_rules import BlankRule, read_blank_rules
from medseg.deidentify.profile import Action, Profile
from medseg.pseudonyms import Pseudonyms
from medseg.reporting import Reporter, Silent

__all__ = ["Action", "BlankRule", "Deidentified", "Profile", "deidentify", "read_blank_rules"]


@dataclass(frozen=True)
class Deidentified:
    """What became of a tree.

    Args:
        summary: As in `report.json`.
        failures: Files that failed or were held back, each with the reason. These are the original paths: they are for
            whoever did the work, and stand in no file of the results.
    """

    summary: dict[str, Any]
    failures: tuple[tuple[Path, str], ...]


def deidentify(
    source: str | Path,
    out: str | Path,
    *,
    key: str | Path,
    profile: Profile | None = None,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> Deidentified:
    """De-identify a file or a tree of files into a new folder, with a report.

    Objects of DICOM are de-identified by PS3.15 Annex E, NIfTI volumes lose the texts of their headers, and nothing
    else is copied. Run again with the same folder, it does what is not done yet.

    Args:
        source: A file, or a folder with all below it but what is hidden.
        out: Where the results go: one folder a patient, study and series, under pseudonyms.
        key: The file of the key; it is made where there is none, and must lie in neither folder. `deidentified.csv`
            beside it tells what each file was.
        profile: What is wanted; the Basic Profile with safe private attributes otherwise.
        workers: How many processes work at once; with more than one, call this from under
            `if __name__ == "__main__"`.
        reporter: Shows progress.

    Raises:
        InputError: There is nothing to be done, or the folders lie in one another.
        ConfigError: The key lies in one of them, or the results are of other options or another key.
        OutputError: A file cannot be written.
    """
    from medseg.deidentify.report import write_report
    from medseg.deidentify.tree import Tree

    folders: Iterable[Path] = (Path(out), Path(source))
    kept = Path(key).resolve()  # the table of originals lies beside the key, not beside a link to it
    pseudonyms = Pseudonyms.from_file(kept, apart_from=folders)
    tree = Tree(Path(source), Path(out), profile or Profile(), pseudonyms, kept.parent, workers)
    tree.run(reporter or Silent())
    found = write_report(Path(out), tree.profile, tree.rows)
    return Deidentified(found, tuple((path, row.reason) for path, row in tree.failures))

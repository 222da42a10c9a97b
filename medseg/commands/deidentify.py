"""The command that de-identifies a tree of DICOM files: deidentify."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from medseg.commands.options import Json, bars, show_failures

__all__ = ["deidentify"]


def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file, or a folder with all that lies below it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder, or that of an earlier run to go on with.")],
    key: Annotated[
        Path,
        typer.Option(
            help="File of the key from which pseudonyms follow; made where there is none. Keep it: with another, "
            "the same patient gets another pseudonym. It may lie neither in IN nor in OUT; beside it deidentified.csv "
            "tells whose each file is."
        ),
    ],
    dates: Annotated[
        Literal["remove", "shift", "keep"],
        typer.Option(help="Dates go, are moved by days that are each patient's own, or stay."),
    ] = "remove",
    keep: Annotated[
        str,
        typer.Option(
            metavar="GROUPS",
            help="Of device (identity of scanners), patient (sex, age up to 89, size, weight ...) and institution, "
            "those that stay, with commas between.",
        ),
    ] = "",
    descriptions: Annotated[
        Literal["remove", "clean"],
        typer.Option(help="Descriptions go, or keep those words that are known to be harmless."),
    ] = "remove",
    private: Annotated[
        Literal["safe", "none"],
        typer.Option(help="Private attributes: those that the standard lists as safe stay, or none."),
    ] = "safe",
    blank: Annotated[
        Path | None, typer.Option(metavar="RULES", help="YAML file that says which regions of which pictures go black.")
    ] = None,
    burnt_in: Annotated[
        Literal["flag", "withhold"],
        typer.Option(help="Pictures that show or may show text: written and flagged, or not written unless blanked."),
    ] = "flag",
    workers: Annotated[int, typer.Option(min=1, help="Processes that work at once.")] = 1,
    as_json: Json = False,
) -> None:
    """De-identify DICOM files (PS3.15 Annex E, Basic Profile and options) into OUT, with a report.

    Originals stay as they are. Ids and UIDs are replaced by a keyed hash, the same in all files and runs of one key.
    NIfTI volumes lose the texts of their headers; other files are not copied. Run again, it goes on where it stopped.
    Exit code 0: all is done; 1: files failed or were withheld; 2: could not run.
    """
    from medseg.atomic import json_text
    from medseg.config import check
    from medseg.deidentify import Profile, read_blank_rules
    from medseg.deidentify import deidentify as run

    wanted = {
        "dates": dates,
        "keep": [word.strip() for word in keep.split(",") if word.strip()],
        "clean_descriptors": descriptions == "clean",
        "safe_private": private == "safe",
        "burnt_in": burnt_in,
        "blank": read_blank_rules(blank) if blank else (),
    }
    profile = check(Profile, wanted, "the options")
    with bars() as reporter:
        found = run(source, out, key=key, profile=profile, workers=workers, reporter=reporter)
    show_failures((str(path), reason) for path, reason in found.failures)
    if as_json:
        typer.echo(json_text(found.summary))
    else:
        counts = ", ".join(f"{n:,} {name}" for name, n in found.summary["files"].items())
        typer.echo(f"{out}: {counts}; patients: {found.summary['patients']:,}")
        if found.summary["not_blanked"]:
            typer.echo(f"look at {found.summary['not_blanked']:,} pictures that show or may show text: report.html")
    if found.failures:
        raise typer.Exit(1)

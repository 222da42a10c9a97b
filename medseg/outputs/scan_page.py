"""A page that shows what a DICOM scan found: a picture of every readable volume, the reason of every refusal."""

import html
from pathlib import Path

from medseg.atomic import write_text
from medseg.errors import MedsegError
from medseg.io.dicom.series import read_volume
from medseg.io.dicom.tree import DicomTree
from medseg.io.dicom.volumes import Volume
from medseg.options import ReadOptions
from medseg.picture import html_figure
from medseg.reporting import Reporter, Silent

__all__ = ["write_scan_page"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222 }
h2 { font-size: 1.05em; margin: 2em 0 .2em; border-top: 1px solid #ccc; padding-top: .8em }
p { margin: .2em 0 } code { color: #555; overflow-wrap: anywhere } .refused { color: #a00 } .note { color: #850 }
figure { margin: .6em 0 } img { max-width: 100%; background: #000 } figcaption { color: #555; font-size: .9em }
"""


def write_scan_page(
    path: Path, tree: DicomTree, options: ReadOptions | None = None, reporter: Reporter | None = None
) -> None:
    """One self-contained HTML file; each volume is read for its picture, one after another.

    Raises:
        OutputError: The file cannot be written.
    """
    parts = []
    for where, volume in (reporter or Silent()).track(tree.volumes, "Drawing", len(tree.volumes)):
        parts.append(_section(where, volume, options or ReadOptions()))
    broken = [f'<h2>{_text(file)}</h2><p class="refused">{_text(error)}</p>' for file, error in tree.problems]
    title = f"DICOM in {tree.root}"
    write_text(
        path,
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
        f"<body><h1>{_text(title)}</h1><p>{_text(repr(tree))}</p>{''.join(parts)}{''.join(broken)}</body></html>\n",
    )


def _section(where: Path, volume: Volume, options: ReadOptions) -> str:
    header = volume.first.header
    patient, date = (_text(header.get(name) or "unknown") for name in ("PatientID", "StudyDate"))
    head = f"<h2>{_text(volume.described())}</h2><p>patient {patient}, date {date} <code>{_text(where)}</code></p>"
    try:
        image = read_volume(volume, options)
    except MedsegError as error:
        return f'{head}<p class="refused">{_text(error)}</p>'
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in image.notes)
    said = ", ".join(f"{name} {value}" for name, value in image.facts.items() if not value.startswith("1."))
    caption = ", ".join(part for part in (image.geometry.describe(), image.unit, said) if part)
    return head + notes + html_figure(image.voxels[0], image.geometry, caption)


def _text(value: object) -> str:
    return html.escape(str(value))

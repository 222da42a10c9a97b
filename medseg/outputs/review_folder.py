"""What a person needs to correct a case in 3D Slicer or ITK-SNAP: image, mask, reference, and names with colours."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.atomic import write_text
from medseg.image import Image, Segmentation
from medseg.io import write_image, write_mask
from medseg.io.label_files import write_label_files
from medseg.labels import Labels

__all__ = ["VIEWERS", "mask_ending", "plain_labels", "write_case", "write_guide"]

VIEWERS = ("slicer", "itksnap")


def plain_labels(labels: Labels) -> Labels:
    """The labels as the masks here have them: by file value, whatever colours or structures the data set has."""
    return replace(labels, colours=(), structures=())


def write_case(folder: Path, image: Image, start: Segmentation, reference: Segmentation | None) -> None:
    """Write `image`, `mask` (to be corrected) and `reference`, as .nii.gz, in 2D as .png or .tif.

    Of labels that may overlap, each has a file: `mask_LABEL`, and the reference's in a folder of their own.
    """
    for number, channel in enumerate(image.voxels, start=1):
        name = "image" if number == 1 else f"image_{number}"
        kept = channel.astype(np.float32) if channel.dtype == np.float64 else channel
        write_image(folder / f"{name}{_image_ending(image)}", replace(image, voxels=kept[np.newaxis]))
    if start.labels.exclusive:
        write_mask(folder / f"mask{mask_ending(start)}", start)
    else:
        write_label_files(folder, start, mask_ending(start))
    if reference is not None and reference.labels.exclusive:
        write_mask(folder / f"reference{mask_ending(start)}", reference)
    elif reference is not None:
        write_label_files(folder / "reference", reference, mask_ending(start))


def mask_ending(segmentation: Segmentation) -> str:
    """The ending of a mask's file."""
    return ".png" if segmentation.geometry.ndim == 2 else ".nii.gz"


def write_guide(folder: Path, labels: Labels, viewers: Sequence[str] = VIEWERS) -> None:
    """Write `labels.ctbl` for 3D Slicer, `labels.txt` for ITK-SNAP, and `README.md`, which says what to do."""
    rows = _rows(labels)
    if "slicer" in viewers:
        write_text(folder / "labels.ctbl", _slicer_table(rows))
    if "itksnap" in viewers:
        write_text(folder / "labels.txt", _itksnap_table(rows))
    write_text(folder / "README.md", _guide(rows, viewers))


def _rows(labels: Labels) -> list[tuple[int, str, tuple[int, int, int]]]:
    """File value, name and colour of what is drawn."""
    if not labels.exclusive:
        return [(1, "label", labels.labels[0].colour)]
    rows = [(label.values[0], label.name, label.colour) for label in labels.labels]
    return rows if labels.ignore is None else [*rows, (labels.ignore, "ignore", (128, 128, 128))]


def _slicer_table(rows: Sequence[tuple[int, str, tuple[int, int, int]]]) -> str:
    """3D Slicer's colour table: value, name without spaces, red, green, blue, opacity."""
    lines = [f"{value} {'_'.join(name.split())} {r} {g} {b} 255" for value, name, (r, g, b) in sorted(rows)]
    return "\n".join(["# Color table file", f"# {len(lines) + 1} values", "0 Background 0 0 0 0", *lines]) + "\n"


def _itksnap_table(rows: Sequence[tuple[int, str, tuple[int, int, int]]]) -> str:
    """ITK-SNAP's label descriptions: value, red, green, blue, opacity, shown, shown as a mesh, name."""
    lines = ['{:>5} {:>5} {:>4} {:>4} {:>8} {:>2} {:>2}    "{}"'.format(0, 0, 0, 0, 0, 0, 0, "Clear Label")]
    for value, name, (r, g, b) in sorted(rows):
        quoted = name.replace('"', "'")
        lines.append(f'{value:>5} {r:>5} {g:>4} {b:>4} {1:>8} {1:>2} {1:>2}    "{quoted}"')
    return "\n".join(["# ITK-SnAP Label Description File", "# IDX  -R-  -G-  -B-  -A-  VIS MSH  LABEL", *lines]) + "\n"


def _image_ending(image: Image) -> str:
    if image.geometry.ndim == 3:
        return ".nii.gz"
    return ".png" if image.voxels.dtype in (np.uint8, np.uint16) else ".tif"


_SLICER = """
## In 3D Slicer

1. File, Add Data: choose the case's `image`, its `mask` (Description: Segmentation) and `labels.ctbl`.
2. Correct it in the Segment Editor.
3. Segmentations, Export to files, or Save: a label map in file values, over the case's `mask`.
"""
_ITKSNAP = """
## In ITK-SNAP

1. Open the case's `image` as main image, then Segmentation, Open Segmentation: its `mask`.
2. Segmentation, Import Label Descriptions: `labels.txt`.
3. Correct it, and Save Segmentation Image over the case's `mask`.
"""


def _guide(rows: Sequence[tuple[int, str, tuple[int, int, int]]], viewers: Sequence[str]) -> str:
    values = "\n".join(f"| {name} | {value} |" for value, name, _colour in rows)
    ways = ("slicer", _SLICER), ("itksnap", _ITKSNAP)
    return f"""# Cases to look at

`review.csv` says why each case was chosen, `review.png` shows them. A case's folder has its image (one file a channel),
`mask`, which is the prediction, and `reference` where there is one. Correct `mask`, or put a corrected reference in its
place. A mask that stays as it is leaves the data set as it is. Then:

    medseg review RUN --corrected . --to NEWDATA.csv
{"".join(text for viewer, text in ways if viewer in viewers)}
## Values

| label | value |
| --- | --- |
{values}
"""

"""Lay a mask on a DICOM series, and write it as the objects that archives and viewers take."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from medseg import __version__
from medseg.errors import ConfigError
from medseg.io import read_image, read_segmentation
from medseg.labels import Labels
from medseg.ledger import digest, outputs_of
from medseg.options import ReadOptions
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.writing import Written, writing_of
from medseg.regions import measure_segmentation
from medseg.resample import moved

__all__ = ["convert_to_dicom"]


def convert_to_dicom(
    mask: str | Path,
    like: str | Path,
    out: str | Path,
    to: str | Sequence[str] = "seg",
    *,
    labels: Labels | None = None,
    codes: str | Path | Mapping[str, Any] | None = None,
    seg: Literal["BINARY", "FRACTIONAL", "LABELMAP"] = "BINARY",
    segments: Literal["label", "region"] | None = None,
    made_by: str = "",
    resample: bool = False,
    options: ReadOptions | None = None,
) -> Written:
    """Write a mask as DICOM objects over the series that it was drawn on.

    Args:
        mask: NIfTI, PNG, DICOM SEG, RTSTRUCT or any other mask.
        like: The DICOM series or radiograph.
        out: Folder for the objects: `seg.dcm`, `sr.dcm`, `rtstruct.dcm`.
        to: Which of them: "seg,sr".
        labels: What the mask's values mean, where it does not say it.
        codes: As in `medseg.predict`.
        seg: The kind of SEG; FRACTIONAL of a fractional SEG.
        segments: As in `medseg.predict`.
        made_by: The program or model that made the mask; without it, it counts as drawn by hand.
        resample: Resample a mask of another grid onto the series, each label linearly, instead of refusing it.
        options: How to read, where there is a choice.

    Returns:
        The files, and what is to be known of them. The same mask on the same series gives the same bytes.

    Raises:
        LabelError: A label has no codes.
        InputError: The series is no DICOM.
        GridMismatchError: The mask does not lie on the series.
        OutputError: A file cannot be written.
    """
    writing = writing_of(to, codes, seg, segments)
    if writing is None:
        raise ConfigError("to", "nothing", "Name what to write, such as seg.")
    image = read_image(like, options=options)
    on = None if resample else image
    found = read_segmentation(mask, on=on, labels=labels, options=options)
    segmentation = moved(found, image) if resample else found
    name = Path(mask).name.partition(".")[0]
    author = Author(made_by, version=__version__, settings_hash=digest({"writing": writing.told, "case": name}))
    regions = None
    if "sr" in writing.objects:
        regions = measure_segmentation(image, segmentation, case=name)
    before = outputs_of(Path(out), Path(out).rglob("*.dcm"))
    done = writing.of(author).write(Path(out), name, image, segmentation, regions)
    same = all(before.get(path) == written for path, written in outputs_of(Path(out), done.paths).items())
    repeated = (f"{out} has the same objects from an earlier run",) if same else ()
    return Written(done.paths, (*segmentation.notes, *done.notes, *repeated))

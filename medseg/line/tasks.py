"""What the processes of the line do: read a case; measure and write one. No torch is loaded for it."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg.atomic import flush_folder
from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Image, Segmentation
from medseg.ledger import outputs_of
from medseg.line.files import RESULTS
from medseg.line.packing import packed
from medseg.options import ReadOptions

if TYPE_CHECKING:
    import pandas as pd

    from medseg.outputs.dicom.writing import Writing

__all__ = ["Finished", "Finishing", "finish", "read", "ready_to_finish", "ready_to_read"]


@dataclass(frozen=True)
class Finishing:
    """What is done with a segmentation.

    Args:
        out: Folder of the batch; each case gets one in it.
        min_voxels: Smaller regions are left out of the table.
        channel_names: As in `medseg.regions.measure_regions`.
        reading: How the images were read: a channel that was resampled onto another's grid is measured on its own.
        probabilities: Whether those of each case lie in its folder, and tell how sure a region is.
        masks_only: Neither measure nor draw.
        nameless: Texts of an image's header, which may name somebody, are not carried over into its masks.
        writing: Which DICOM objects are written beside the masks.
    """

    out: Path
    min_voxels: int = 0
    channel_names: Sequence[str] | None = None
    reading: ReadOptions | None = None
    probabilities: bool = False
    masks_only: bool = False
    nameless: bool = False
    writing: "Writing | None" = None


@dataclass(frozen=True)
class Finished:
    """What measuring and writing a segmentation left.

    Args:
        count: Regions; None where they were not measured.
        regions: Their table, packed.
        outputs: Of each file, by its path below the folder of the batch, bytes and SHA-256.
        notes: What the user should know of them.
    """

    count: int | None
    regions: bytes | None
    outputs: Mapping[str, tuple[int, str]]
    notes: tuple[str, ...] = ()


def read(options: ReadOptions | None, case: Case) -> Image:
    """The image of a case."""
    from medseg.io import read_case_image

    return read_case_image(case, options)


def ready_to_read(options: ReadOptions | None) -> tuple[ReadOptions | None, None]:
    """Load what reading needs, so that it is no case's time; what `read` is given."""
    import medseg.io  # noqa: F401

    return options, None


def ready_to_finish(how: Finishing) -> tuple[Finishing, None]:
    """Load what finishing needs; what `finish` is given."""
    import medseg.outputs.preview
    import medseg.regions  # noqa: F401

    if how.writing is not None:
        import pydicom  # noqa: F401

    return how, None


def finish(how: Finishing, work: tuple[Case, Image, Segmentation]) -> Finished:
    """Measure a segmentation, write its preview and its mask, and have them on the disk.

    Raises:
        OutputError: They cannot be written.
    """
    from medseg.io import write_mask
    from medseg.io.label_files import write_label_files

    case, image, segmentation = work
    folder = how.out / case.id
    _require_there(how.out)
    (folder / "preview.png").unlink(missing_ok=True)  # of an earlier run, whose mask is replaced
    regions = None if how.masks_only else _measured_and_drawn(how, case, image, segmentation)
    ending = ".png" if image.geometry.ndim == 2 else ".nii.gz"
    if how.nameless:
        segmentation = _nameless(segmentation)
    if segmentation.labels.exclusive:
        write_mask(folder / f"mask{ending}", segmentation)
    else:
        write_label_files(folder, segmentation, ending)
    notes = () if how.writing is None else _dicom(how, how.writing, case, image, segmentation, regions)
    flush_folder(folder)
    flush_folder(how.out)
    outputs = outputs_of(how.out, (path for pattern in RESULTS for path in folder.glob(pattern)))
    if regions is None:
        return Finished(None, None, outputs, notes)
    return Finished(len(regions), packed(regions), outputs, notes)


def _dicom(
    how: Finishing,
    writing: "Writing",
    case: Case,
    image: Image,
    segmentation: Segmentation,
    regions: "pd.DataFrame | None",
) -> tuple[str, ...]:
    if writing.kind == "FRACTIONAL":
        segmentation = replace(segmentation, probabilities=_probabilities(how, case))
    return writing.write(how.out / case.id, case.id, image, segmentation, regions).notes


def _nameless(segmentation: Segmentation) -> Segmentation:
    """Without the free texts of a NIfTI header, in which converters leave what they like."""
    image = segmentation.image
    if image is None or not hasattr(image.header, "binaryblock"):
        return segmentation
    header = image.header.copy()
    for name in {"descrip", "aux_file", "db_name", "data_type", "unused_str"} & set(header.keys()):
        header[name] = b""
    return replace(segmentation, image=replace(image, header=header))


def _require_there(out: Path) -> None:
    """Refuse to make a folder anew that was there when the run began: its disk is gone."""
    if not out.is_dir():
        gone = OSError(errno.ENOENT, "it is gone")
        raise OutputError(out, "is not there any more", "Mount its disk again.", error=gone)


def _measured_and_drawn(how: Finishing, case: Case, image: Image, segmentation: Segmentation) -> "pd.DataFrame":
    from medseg.outputs.preview import write_preview
    from medseg.regions import measure_segmentation

    regions = measure_segmentation(
        image,
        replace(segmentation, probabilities=_probabilities(how, case)),
        case=case.id,
        min_voxels=how.min_voxels,
        channel_names=how.channel_names,
        own_grids=_own_grids(how, case, image),
    )
    write_preview(how.out / case.id / "preview.png", image, segmentation, regions=regions)
    return regions


def _probabilities(how: Finishing, case: Case) -> np.ndarray | None:
    """As they were written: mapped, so that only what regions need is read."""
    if not how.probabilities:
        return None
    mapped: np.ndarray = np.load(how.out / case.id / "probabilities.npy", mmap_mode="r")
    return mapped


def _own_grids(how: Finishing, case: Case, image: Image) -> dict[str, Image]:
    if len(case.images) < 2 or how.reading is None or not how.reading.resample_channels:
        return {}
    from medseg.io.own_grids import read_elsewhere

    names = how.channel_names or [f"ch{number}" for number in range(len(case.images))]
    return {names[number]: one for number, one in read_elsewhere(case.images, image, how.reading).items()}

"""Masks with their names: what a DICOM SEG, an RTSTRUCT or any other mask file holds, as a `Segmentation`."""

from pathlib import Path

from medseg import address
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io.masks import read_label_map
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions

__all__ = ["holds_structures", "read_segmentation"]


def holds_structures(source: str | Path) -> bool:
    """Whether a file, or that of an address, is a DICOM SEG or RTSTRUCT."""
    from medseg.io.dicom.structures import labelled

    return labelled.kind_of(address.split(source)[0]) is not None


def read_segmentation(
    source: str | Path,
    *,
    on: Image | Geometry | None = None,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
) -> Segmentation:
    """A mask and what its values mean.

    A DICOM SEG or RTSTRUCT names its structures: their numbers become file values, names are told apart, colours and
    codes are kept. Structures that overlap become a stack of binary channels. `seg.dcm:/liver` or `seg.dcm:/2` picks
    one, whose mask is 0 and 1. Structures lie where their positions in space say, never by the number of a frame.

    Args:
        source: A DICOM SEG or RTSTRUCT, an address of one structure inside it, or any other mask file.
        on: The image or its grid, on which the result lies. An RTSTRUCT needs it; a SEG lies on its own grid
            without it. With an image, the frame of reference is compared where the image knows its own.
        labels: What the file values (structure numbers of SEG and RTSTRUCT, in the order of their numbers) mean;
            without it, what the file says, else "label 1", "label 2" ...
        options: How to read, where there is a choice; `across_frames` trusts a registration.

    Returns:
        A label map, shape (x, y[, z]), with exclusive labels; or binary channels, shape (labels, x, y[, z]), where
        structures overlap. `probabilities` holds the fractions of a fractional SEG.

    Raises:
        UnreadableFileError: The file is missing, broken or of an unknown kind.
        LabelError: No structure has the name that is asked for, or values are not declared.
        GeometryError: Frames or contours have no place on a regular grid.
        GridMismatchError: They do not lie on the voxels of `on`, or in another frame of reference.
    """
    from medseg.io.dicom.structures import labelled  # loads pydicom

    path, inside = address.split(source)
    if labelled.kind_of(path) is not None:
        return labelled.read_labelled(path, inside, on, labels, options)
    grid, image = (on.geometry, on) if isinstance(on, Image) else (on, None)
    found = read_label_map(source, on=grid, labels=labels, options=options)
    named = labels or labels_of(found.mask, where=str(source))
    named.to_indices(found.mask, str(source))  # refuses values that nobody declared
    return Segmentation(found.mask, found.geometry, named, image=image, notes=found.notes)

"""The image in a zip: a DICOM series or a NIfTI file, read from where it lies."""

from pathlib import Path

from medseg import address
from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import formats
from medseg.io.archive import members
from medseg.options import ReadOptions

__all__ = ["nifti_in", "read", "read_geometry"]


def nifti_in(path: Path) -> list[Path]:
    """Addresses of the NIfTI files in a zip.

    Raises:
        UnreadableFileError: The zip is damaged or refused.
    """
    return [address.join(path, name) for name in members(path) if formats.ending(Path(name)) in formats.NIFTI]


def read(path: Path, inside: str, options: ReadOptions) -> Image:
    """The one image of a zip, or the one that is asked for.

    Only the list of the zip and the member that is at hand are held: of DICOM one slice (or what the header of a
    multi-frame object declares), of NIfTI the voxels.

    Args:
        path: The zip.
        inside: The name of a NIfTI file in it, perhaps `:/k` for volume k; or what names a volume in a folder of DICOM.
        options: How to read, where there is a choice.

    Raises:
        UnreadableFileError: The zip is damaged or refused (see `medseg.io.archive.members`), or holds no image.
        InputError: It holds several images; they are listed with their addresses.
        GeometryError: A grid is doubtful.
    """
    member, number = _member(path, inside)
    if member is not None:
        from medseg.io.volumes import nifti

        return nifti.read(member, number, options)
    from medseg.io.dicom import series

    return series.read(path, inside, options)


def read_geometry(path: Path, inside: str, options: ReadOptions) -> Geometry:
    """The grid alone; no voxel is decoded. Raises what `read` raises."""
    member, number = _member(path, inside)
    if member is not None:
        from medseg.io.volumes import nifti

        return nifti.read_geometry(member, number, options)
    from medseg.io.dicom import series

    return series.read_geometry(path, inside, options)


def _member(path: Path, inside: str) -> tuple[Path | None, str]:
    """The NIfTI file that is meant and which of its volumes; `None` for DICOM."""
    known = nifti_in(path)
    if inside:
        name, _, number = inside.partition(":/")
        wanted = address.join(path, name)
        return (wanted, number) if wanted in known else (None, "")
    if not known:
        _require_dicom(path)
        return None, ""
    from medseg.io.dicom.scan import scan_dicom

    tree = scan_dicom(path)
    found = [*known, *(where for where, volume in tree.volumes if volume.kind != "localizer")]
    if len(found) == 1:
        return known[0], ""
    listed = "; ".join(map(str, found[:8])) + (f"; and {len(found) - 8} more" if len(found) > 8 else "")
    raise InputError(path, f"holds {len(found)} images ({listed})", "Pass the address of one.", "one")


def _require_dicom(path: Path) -> None:
    """Refuse a zip with nothing in it that could be read, by what is in it."""
    from medseg.io.dicom.files import files_of

    if files_of(path):
        return
    others = list(members(path))
    found = f"holds no image, but {len(others)} other files ({others[0]} ...)" if others else "is empty"
    raise UnreadableFileError(path, found, "Unpack what is of another format.", "a study in DICOM or NIfTI")

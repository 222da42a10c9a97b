"""Which file is of which format, by its ending or, for DICOM, by its first bytes."""

from pathlib import Path

__all__ = [
    "DICOM_ENDINGS",
    "ENDINGS",
    "ITK",
    "NIFTI",
    "RASTER",
    "begins_as_dicom",
    "ending",
    "is_dicom",
    "is_readable",
    "may_be_dicom",
    "stem",
]

NIFTI = (".nii.gz", ".nii")
RASTER = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
ITK = (".nrrd", ".mha", ".mhd")
DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
ENDINGS = (*NIFTI, *RASTER, *ITK, *DICOM_ENDINGS)


def ending(path: Path) -> str:
    """The known ending of a file's name in lower case (".nii.gz" is one), else its last suffix."""
    name = path.name.lower()
    return next((known for known in ENDINGS if name.endswith(known)), path.suffix.lower())


def stem(path: Path) -> str:
    """The name without its known ending; dots of other names are kept."""
    known = ending(path)
    return path.name[: -len(known)] if known in ENDINGS else path.name


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does: a preamble with "DICM", or (older files) the identifying group.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        return begins_as_dicom(file.read(132))


def begins_as_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes are DICOM's."""
    if head[128:132] == b"DICM":
        return True
    # Without a preamble: group 0008 (or 0002), an element of its first few, then a VR or a short length.
    return len(head) >= 132 and head[:2] in (b"\x08\x00", b"\x02\x00") and head[3] == 0 and head[2] < 0x20


def is_readable(path: Path) -> bool:
    """Whether a path looks like one image: a visible file with a known ending, or DICOM without an ending.

    Raises:
        OSError: The file cannot be opened.
    """
    if path.name.startswith(".") or not path.is_file():
        return False
    if ending(path) in ENDINGS:
        return True
    return may_be_dicom(path) and is_dicom(path)


def may_be_dicom(path: Path) -> bool:
    """Whether a name may be a DICOM file's: a DICOM ending, none, or only the digits of a UID."""
    return path.suffix.lower() in ("", *DICOM_ENDINGS) or path.suffix[1:].isdigit()

"""Which file is of which format, by its ending or, for DICOM, by its first bytes."""

import gzip
import zlib
from pathlib import Path

__all__ = [
    "ARRAYS",
    "DICOM_ENDINGS",
    "ENDINGS",
    "HDF5",
    "JSRT_BYTES",
    "METAIMAGE",
    "MGH",
    "NIFTI",
    "NRRD",
    "PAIRS",
    "RASTER",
    "begins_as_dicom",
    "ending",
    "is_dicom",
    "is_jsrt",
    "is_readable",
    "may_be_dicom",
    "partner",
    "readable_in",
    "stem",
]

NIFTI = (".nii.gz", ".nii")
PAIRS = (".hdr", ".hdr.gz", ".img", ".img.gz")
MGH = (".mgz", ".mgh", ".mgh.gz")
RASTER = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".ppm", ".pnm")
NRRD = (".nrrd", ".nhdr")
METAIMAGE = (".mha", ".mhd")
ARRAYS = (".npy", ".npz")
HDF5 = (".h5", ".hdf5")
JSRT_BYTES = 2048 * 2048 * 2
DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
ENDINGS = (*NIFTI, *RASTER, *NRRD, *METAIMAGE, *DICOM_ENDINGS, *PAIRS, *MGH, *ARRAYS, *HDF5)


def ending(path: Path) -> str:
    """The known ending of a file's name in lower case (".nii.gz" is one), else its last suffix."""
    name = path.name.lower()
    return next((known for known in ENDINGS if name.endswith(known)), path.suffix.lower())


def stem(path: Path) -> str:
    """The name without its known ending; dots of other names are kept."""
    known = ending(path)
    return path.name[: -len(known)] if known in ENDINGS else path.name


def partner(path: Path) -> Path | None:
    """The other file of a pair of `.hdr` and `.img` (each perhaps gzip), if it is there."""
    own = ending(path)
    other = ".img" if own.startswith(".hdr") else ".hdr"
    names = [f"{stem(path)}{end}" for end in (other, other + ".gz", other.upper(), other.upper() + ".gz")]
    if own.endswith(".gz"):
        names = [names[1], names[0], *names[2:]]
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does: a preamble with "DICM", or (older files) the identifying group.

    Raises:
        OSError: The file cannot be opened.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        try:
            return begins_as_dicom(file.read(132))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return False


def is_jsrt(path: Path) -> bool:
    """Whether a file is a film of the JSRT database: an `.img` of that very size, without a header beside it.

    Raises:
        OSError: The file cannot be opened.
    """
    return ending(path) == ".img" and path.stat().st_size == JSRT_BYTES and partner(path) is None


def begins_as_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes are DICOM's."""
    if head[128:132] == b"DICM":
        return True
    # Without a preamble: group 0008 (or 0002), an element of its first few, then a VR or a short length.
    return len(head) >= 132 and head[:2] in (b"\x08\x00", b"\x02\x00") and head[3] == 0 and head[2] < 0x20


def is_readable(path: Path) -> bool:
    """Whether a path looks like one image: a visible file with a known ending, or DICOM without an ending.

    Of a pair, the voxels count and not the header.

    Raises:
        OSError: The file cannot be opened.
    """
    if path.name.startswith(".") or not path.is_file():
        return False
    if ending(path).startswith(".hdr") and partner(path) is not None:
        return False  # one image: it goes by the name of its voxels
    if ending(path) in ENDINGS:
        return True
    return may_be_dicom(path) and is_dicom(path)


def readable_in(folder: Path, pattern: str = "*") -> list[Path]:
    """The paths in a folder that match a pattern and look like one image, sorted; none where there is no folder.

    Raises:
        OSError: As `is_readable`.
    """
    return [path for path in sorted(folder.glob(pattern)) if is_readable(path)]


def may_be_dicom(path: Path) -> bool:
    """Whether a name may be a DICOM file's: a DICOM ending, none, or only the digits of a UID."""
    return path.suffix.lower() in ("", *DICOM_ENDINGS) or path.suffix[1:].isdigit()

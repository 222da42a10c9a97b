"""Which files the line leaves in the folder of a case, and how it is cleared of them."""

from fnmatch import fnmatchcase
from pathlib import Path

from medseg.errors import OutputError

__all__ = ["RESULTS", "discard", "is_output"]

_DICOM = ("seg.dcm", "sr.dcm", "rtstruct.dcm", "capture/*.dcm")
RESULTS = ("mask.nii.gz", "mask.png", "mask_*.nii.gz", "mask_*.png", "preview.png", "probabilities.npy", *_DICOM)
_UNFINISHED = (".mask*", ".preview*", ".probabilities*", ".seg*", ".sr*", ".rtstruct*", "capture/.*.dcm")


def is_output(name: str) -> bool:
    """Whether a file is called, below the folder of its case, as one of our results is."""
    return any(fnmatchcase(name, pattern) for pattern in RESULTS)


def discard(folder: Path) -> None:
    """Remove what an earlier run, or a process that was killed, left of a case, so that no old mask stands for it.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        if not folder.is_dir():
            return
        for pattern in (*RESULTS, *_UNFINISHED):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
    except OSError as error:
        mend = "See that you may write there."
        raise OutputError(folder, f"cannot be cleared ({error.strerror})", mend, error=error) from error

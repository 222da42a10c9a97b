"""Which files a DICOM tree consists of: all below a folder, or those that a DICOMDIR lists."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from medseg import address
from medseg.errors import InputError, UnreadableFileError
from medseg.io import formats
from medseg.io.archive import is_archive, members
from medseg.io.dicom.headers import dataset, guarded
from medseg.walking import walked

__all__ = ["files_of"]

# Endings of what lies beside studies and is never DICOM; any other ending, or none, is looked into.
_NEVER = frozenset(
    (
        ".csv", ".tsv", ".txt", ".json", ".xml", ".html", ".htm", ".pdf", ".md", ".yaml", ".yml", ".xlsx", ".docx",
        ".py", ".ipynb", ".log", ".exe", ".dll", ".ini", ".inf", ".css", ".js", ".zip", ".tar", ".7z", ".h5", ".hdf5",
        ".npy", ".npz", ".pt", ".mat", ".bval", ".bvec", ".mp4", ".gif", ".svg", ".pyc",
    )
)  # fmt: skip
_NEVER_PACKED = (".tar.gz", ".nii.gz", ".csv.gz", ".json.gz")


def files_of(source: Path | Sequence[Path]) -> list[Path]:
    """The files to look into, sorted by folder and name; hidden ones and known other formats are left out.

    Args:
        source: A folder (with everything below it), a zip (likewise), a DICOMDIR, a file, or files.

    Raises:
        InputError: The path does not exist, or a DICOMDIR lists a file outside its folder.
        UnreadableFileError: A folder cannot be opened, or a DICOMDIR is broken.
    """
    if not isinstance(source, Path):
        return list(source)
    if not address.exists(source):
        raise UnreadableFileError(source, "does not exist", "Check the path.")
    if source.is_dir():
        return list(_below(source))
    if not source.is_file():
        raise UnreadableFileError(source, "is a pipe or a device", "Save it as a file.")
    if is_archive(source):
        return [address.join(source, name) for name in members(source) if _may_be(name.rpartition("/")[2])]
    return _listed(source) if source.name.upper() == "DICOMDIR" else [source]


def _below(root: Path) -> Iterator[Path]:
    """The files; a folder that cannot be opened is listed itself, so that its reason is told as that of a file is."""
    closed: list[OSError] = []
    for folder, names in walked(root, closed.append):
        for name in names:
            if _may_be(name):
                yield from _regular(folder / name)
    for error in closed:
        if Path(error.filename) == root:
            _refuse(error)
        yield Path(error.filename)


def _may_be(name: str) -> bool:
    """Whether a file of this name is looked into."""
    lower = name.lower()
    known = "." + lower.rpartition(".")[2] if "." in lower else ""
    if name.startswith(".") or lower == "dicomdir" or known in _NEVER or lower.endswith(_NEVER_PACKED):
        return False
    return known not in formats.ENDINGS or known in formats.DICOM_ENDINGS


def _listed(path: Path) -> list[Path]:
    """The files that a DICOMDIR lists, which all lie below its folder (PS3.10 8.2)."""
    whole = dataset(path)
    records = guarded(path, lambda: list(whole.get("DirectoryRecordSequence") or ()))
    if not records:
        raise UnreadableFileError(path, "lists no file", "Pass the folder that holds the files.")
    root = path.parent.resolve()
    found: list[Path] = []
    for record in records:
        parts = guarded(path, lambda record=record: record.get("ReferencedFileID"))  # type: ignore[misc]
        if not parts:
            continue
        names = [parts] if isinstance(parts, str) else [str(part) for part in parts]
        if any(part in ("", "..") or "/" in part or "\0" in part for part in names) or not _within(root, names):
            raise InputError(path, f"lists {'/'.join(names)}, outside its folder", "Do not trust it: pass the folder.")
        found += _regular(path.parent.joinpath(*names))
    return found


def _regular(path: Path) -> Iterator[Path]:
    """The path, unless it is a pipe or a device, which could keep a reader waiting for ever."""
    if path.is_file() or not path.exists():  # what is missing is said when it is read
        yield path


def _within(root: Path, names: Sequence[str]) -> bool:
    """Whether a file lies below a folder, links followed."""
    try:
        return root.joinpath(*names).resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # an endless name, or links that lead in a circle
        return False


def _refuse(error: OSError) -> None:
    raise UnreadableFileError(
        error.filename, f"cannot be opened ({error.strerror})", "Check its permissions."
    ) from error

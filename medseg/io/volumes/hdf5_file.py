"""An HDF5 file, opened so that nothing outside it is read and nothing larger than it can hold is allocated."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medseg import address
from medseg.errors import InputError, MissingExtraError, UnreadableFileError
from medseg.io.volumes.hdf5_bytes import CheckedBytes

try:
    import h5py
except ImportError as error:
    raise MissingExtraError("HDF5", "h5py is not installed", "Install it: pip install 'medseg[hdf5]'.") from error

__all__ = ["checked", "dataset_at", "image_datasets", "opened"]

_LARGEST_RATIO = 2000  # a constant volume shrinks 1032 times by deflate; chunks that were never written take no room
_SIZES = (8, 8)  # bytes of an address and of a length: what everybody writes, and `CheckedBytes` knows
_MOST_LINKS = 16
_MOST_OBJECTS = 100_000
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file for reading; whatever goes wrong inside becomes an error that names it.

    Raises:
        UnreadableFileError: The file is missing, not HDF5, or damaged.
    """
    try:
        with CheckedBytes(path) as content, h5py.File(content, "r") as file:
            if file.id.get_create_plist().get_sizes() != _SIZES:
                raise UnreadableFileError(path, "has addresses of a rare size", "Write it again with h5py.")
            yield file
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except _BROKEN as error:
        reason = str(error).strip("'\"")
        raise UnreadableFileError(path, f"cannot be read ({reason})", "Fetch or write it again.") from error


def image_datasets(path: Path, file: Any) -> dict[str, Any]:
    """Every dataset of real numbers with two axes or more, by its name from the root; links are not followed.

    Raises:
        UnreadableFileError: The file holds absurdly many objects.
    """
    found: dict[str, Any] = {}
    seen = {file.id}
    waiting = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            member = group[name]
            if member.id in seen:
                continue  # hard links may lead round in a circle
            seen.add(member.id)
            if len(seen) > _MOST_OBJECTS:
                raise UnreadableFileError(path, f"holds more than {_MOST_OBJECTS} objects", "Split the file.")
            if isinstance(member, h5py.Group):
                waiting.append((f"{prefix}{name}/", member))
            elif isinstance(member, h5py.Dataset) and _of_numbers(member) and len(member.shape) >= 2:
                found[f"{prefix}{name}"] = member
    return dict(sorted(found.items()))


def dataset_at(path: Path, file: Any, name: str, links: int = 0) -> tuple[Any, list[str]]:
    """The dataset of a name, and what is left of the name after it; only links inside the file are followed.

    Raises:
        InputError: There is none of that name, or it is a group.
        UnreadableFileError: The name leads to another file, or in a circle.
    """
    here = file
    parts = [part for part in name.split("/") if part]
    for i, part in enumerate(parts):
        if isinstance(here, h5py.Dataset):
            return here, parts[i:]
        link = here.get(part, getlink=True) if part not in (".", "..") else None
        if link is None:
            raise InputError(
                address.join(path, name), f"there is no {part!r} in {here.name}", f"Take one of: {_listed(here)}."
            )
        if isinstance(link, h5py.SoftLink) and links < _MOST_LINKS:
            target = link.path if link.path.startswith("/") else f"{here.name}/{link.path}"
            return dataset_at(path, file, "/".join([target, *parts[i + 1 :]]), links + 1)
        if not isinstance(link, h5py.HardLink):
            raise UnreadableFileError(
                path, f"{part!r} leads to another file, or in a circle", "Copy the data into this file."
            )
        here = here[part]
        if not isinstance(here, (h5py.Group, h5py.Dataset)):
            raise InputError(address.join(path, name), f"{part!r} holds no data", "Name a dataset.")
    if isinstance(here, h5py.Group):
        raise InputError(address.join(path, name), "is a group", f"Name a dataset in it: {_listed(here)}.")
    return here, []


def checked(path: Path, dataset: Any) -> Any:
    """The dataset, if it is a plain array of numbers in this very file, and of no more of them than it can hold.

    Raises:
        UnreadableFileError: It is not.
    """
    if not _of_numbers(dataset):
        raise UnreadableFileError(
            path, f"{dataset.name} holds {dataset.dtype}, shape {dataset.shape}", "Name a dataset of real numbers."
        )
    if dataset.external or (dataset.is_virtual and any(one.file_name != "." for one in dataset.virtual_sources())):
        raise UnreadableFileError(path, f"{dataset.name} lies in another file", "Copy the data into this file.")
    values = max(math.prod(dataset.shape), math.prod(dataset.chunks or (1,)))
    if min(dataset.shape, default=0) < 1 or values * dataset.dtype.itemsize > path.stat().st_size * _LARGEST_RATIO:
        raise UnreadableFileError(
            path,
            f"{dataset.name} declares {dataset.shape} {dataset.dtype} in a file of {path.stat().st_size} bytes",
            "Write it again.",
        )
    return dataset


def _of_numbers(dataset: Any) -> bool:
    return dataset.shape is not None and dataset.dtype.kind in "iufb"


def _listed(group: Any) -> str:
    names = list(group)
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "") or "nothing"

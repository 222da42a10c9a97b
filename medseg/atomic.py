"""Writing files so that none is ever half-written: to a temporary name beside its place, then renamed."""

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_utf8", "atomic_path", "flush_folder", "json_text", "write_csv", "write_json", "write_text"]

_SIGNIFICANT = "%.10g"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, which becomes `path` when the block ends well.

    The temporary name begins with a dot and keeps the suffixes of `path`, since writers choose a format by them.
    Missing folders above are made.

    Args:
        path: Where the finished file shall be; an older one stays whole until it is replaced.

    Yields:
        A path beside it, which the block writes and closes.

    Raises:
        OutputError: The folder or the file cannot be written. Whatever else the block raises passes through;
            in both cases nothing is left behind.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        temporary = _reserve(target)
        yield temporary
        # pandas, Pillow and others reopen by name, so what they wrote may be in the cache only
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        mend = "Choose a folder that you may write to, with room left."
        raise OutputError(target, f"cannot be written ({reason})", mend, error=error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """See to it that the names in a folder are on the disk, as `atomic_path` does for what is in its files.

    Raises:
        OutputError: The folder is gone, or the disk fails.
    """
    if os.name != "posix":  # elsewhere a folder cannot be opened, and the system sees to it
        return
    try:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise OutputError(folder, f"cannot be written ({error.strerror})", "Is its disk there?", error=error) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as unfinished:
        unfinished.write_text(as_utf8(text), encoding="utf-8")


def write_csv(path: str | Path, frame: "pd.DataFrame") -> None:
    """Write a table as CSV: UTF-8, no index, ten significant digits, an empty field for what is missing.

    Ten digits are more than any measurement holds, and fewer than those in which two machines differ. Counts and text
    are written whole; an id such as "007" stays one when it is read as text.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=_SIGNIFICANT, lineterminator="\n", encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write content as `json_text` gives it.

    Raises:
        OutputError: The file cannot be written.
        TypeError: The content holds what JSON has no word for.
    """
    write_text(path, json_text(content) + "\n")


def as_utf8(text: str) -> str:
    r"""Text as UTF-8 can hold it.

    The name of a file need not be UTF-8: Python reads its other bytes as surrogates, which become \udcNN here, as JSON
    writes them, too.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def json_text(content: Any, *, sort_keys: bool = True) -> str:
    """JSON that is the same for the same content: keys sorted (or in their own order), NaN and infinities as null.

    Numpy's numbers and arrays, tuples and paths are turned into JSON's own types.
    """
    return json.dumps(_plain(content), indent=2, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)


def _plain(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    if isinstance(content, (np.ndarray, np.generic)):
        return _plain(content.tolist())
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    return str(content) if isinstance(content, Path) else content


def _reserve(target: Path) -> Path:
    """An empty file beside the target, made as `open` makes one so that it gets the usual permissions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(target.suffixes[-2:]) if target.name.endswith(".gz") else target.suffix
    reserved = target.with_name(f".{target.name[:40]}-{secrets.token_hex(6)}{suffix}")
    reserved.open("xb").close()
    return reserved

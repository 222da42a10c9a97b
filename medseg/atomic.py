"""Writing files so that none is ever half-written: to a temporary name beside its place, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medseg.errors import OutputError

__all__ = ["atomic_path", "write_text"]


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
        raise OutputError(
            target, f"cannot be written ({reason})", "Choose a folder that you may write to, with room left."
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _reserve(target: Path) -> Path:
    """An empty file beside the target, made as `open` makes one so that it gets the usual permissions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(target.suffixes[-2:]) if target.name.endswith(".gz") else target.suffix
    reserved = target.with_name(f".{target.name[:40]}-{secrets.token_hex(6)}{suffix}")
    reserved.open("xb").close()
    return reserved

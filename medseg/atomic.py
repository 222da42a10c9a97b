"""Writing files so that none is ever half-written: to a temporary name beside its place, then renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medseg.errors import OutputError

__all__ = ["atomic_path"]


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, which becomes `path` when the block ends well.

    The temporary name begins with a dot and keeps the suffixes of `path`, since writers choose a format by them.
    Missing folders above are made. The file gets the permissions that a plain `open` would give.

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
        temporary.chmod(0o666 & ~_umask())
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


def _reserve(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(target.suffixes[-2:]) if target.name.endswith(".gz") else target.suffix
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}-", suffix=suffixes, dir=target.parent)
    os.close(handle)
    return Path(name)


def _umask() -> int:
    """The process's file mask; it can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask

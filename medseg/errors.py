"""Every error that medseg raises on purpose.

    MedsegError
    ├── InputError              something that was given cannot be used
    │   ├── UnreadableFileError     a file that is missing, truncated or not what its name says
    │   ├── GeometryError           a grid that is doubtful or does not fit
    │   │   ├── GridMismatchError       two grids that must be one are not
    │   │   └── UnknownSpacingError     millimetres asked of an image that has none
    │   ├── LabelError              values in a mask that nobody declared
    │   ├── DatasetError            a folder, manifest or table that does not hold together
    │   ├── LeftOutError            a study that a rule of the user's leaves out: no failure
    │   ├── ConfigError             a key or value of a configuration
    │   └── ModelFolderError        a model folder that is incomplete or of another kind
    ├── OutputError             something could not be written
    ├── ArchiveError            an archive that cannot be reached, or refuses
    ├── TrainingError           training cannot go on (a non-finite loss, say)
    └── MissingExtraError       an optional dependency is not installed

Each says where, what was found, what was expected and how to mend it, on one line.
"""

from pathlib import Path
from typing import Any

__all__ = [
    "ArchiveError",
    "ConfigError",
    "DatasetError",
    "GeometryError",
    "GridMismatchError",
    "InputError",
    "LabelError",
    "LeftOutError",
    "MedsegError",
    "MissingExtraError",
    "ModelFolderError",
    "OutputError",
    "TrainingError",
    "UnknownSpacingError",
    "UnreadableFileError",
]


class MedsegError(Exception):
    """An error with its mend.

    Args:
        where: The file, argument or case that the error is about.
        found: What was found there, as a clause without a full stop.
        mend: What the user can do, as a sentence.
        expected: What was expected instead, where that is not plain from `found`.
    """

    def __init__(self, where: str | Path, found: str, mend: str, expected: str = "") -> None:
        wanted = f", expected {expected}" if expected else ""
        super().__init__(" ".join(f"{where}: {found}{wanted}. {mend}".split()))
        self.where = str(where)
        self.mend = " ".join(mend.split())

    def __reduce__(self) -> tuple[Any, ...]:
        """How it comes out of another process: by its text, as it is not made of its parts again."""
        return _raised_elsewhere, (type(self), str(self), {**self.__dict__})


def _raised_elsewhere(kind: type[MedsegError], text: str, state: dict[str, Any]) -> MedsegError:
    error = kind.__new__(kind, text)
    error.args = (text,)
    error.__dict__.update(state)
    return error


class InputError(MedsegError):
    """Something that was given cannot be used."""


class UnreadableFileError(InputError):
    """A file that is missing, truncated or not what its name says."""


class GeometryError(InputError):
    """A grid that is doubtful or does not fit."""


class GridMismatchError(GeometryError):
    """Two grids that must be one are not."""


class UnknownSpacingError(GeometryError):
    """Millimetres were asked of an image that has none."""


class LabelError(InputError):
    """Values in a mask that nobody declared."""


class DatasetError(InputError):
    """A folder, manifest or table that does not hold together."""


class LeftOutError(InputError):
    """A study that a rule of the user's leaves out, which is no failure."""


class ConfigError(InputError):
    """A key or value of a configuration."""


class ModelFolderError(InputError):
    """A model folder that is incomplete or of another kind."""


class OutputError(MedsegError):
    """Something could not be written.

    Args:
        where: As in `MedsegError`; so are `found`, `mend` and `expected`.
        found: What was found there.
        mend: What the user can do.
        expected: What was expected instead.
        error: The system's own error, whose `errno` tells a full disk from a forbidden one.
    """

    def __init__(
        self, where: str | Path, found: str, mend: str, expected: str = "", *, error: OSError | None = None
    ) -> None:
        super().__init__(where, found, mend, expected)
        self.errno = None if error is None else error.errno


class ArchiveError(MedsegError):
    """An archive (PACS) cannot be reached, refuses, or answers otherwise than was agreed.

    Args:
        where: As in `MedsegError`; so are `found`, `mend` and `expected`.
        found: What was found there.
        mend: What the user can do.
        expected: What was expected instead.
        passing: Whether the same may go well later.
    """

    def __init__(self, where: str | Path, found: str, mend: str, expected: str = "", *, passing: bool = False) -> None:
        super().__init__(where, found, mend, expected)
        self.passing = passing


class TrainingError(MedsegError):
    """Training cannot go on."""


class MissingExtraError(MedsegError):
    """An optional dependency is not installed."""

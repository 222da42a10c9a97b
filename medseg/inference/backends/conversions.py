"""Where converted networks are kept, and how a good one is known.

One lies in `MODEL/backends/NAME-KEY/`, the key being a hash of weights, layers, window and versions, so that other
weights or another release find nothing there. Its `agreement.json` holds the whole key, the SHA-256 of each file, and
for each precision how far it agrees with PyTorch. What does not match is made anew.

What is trusted: the files are graphs and numbers, no code; their readers are OpenVINO's and ONNX Runtime's. The hashes
find what is stale, cut or of another model. They do not find a forgery: who sent a model folder with weights and a
conversion can have made either, and both are trusted alike. Remove `backends/` to have it made from the weights here.
"""

import hashlib
import secrets
import shutil
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from pydantic import Field, ValidationError

from medseg.atomic import write_json
from medseg.config import Settings
from medseg.errors import OutputError
from medseg.inference.backends.agreement import Agreement

__all__ = ["Conversion", "Record", "Temporary", "find", "places", "put"]

_RECORD = "agreement.json"
_UNFINISHED = ".unfinished-"
_HOUR = 3600


class Record(Settings):
    """What is known of a conversion: its key, what made it, its files by name with their SHA-256, its agreement."""

    key: str
    versions: str
    files: dict[str, str]
    agreements: dict[str, Agreement] = Field(default_factory=dict)


class Temporary:
    """A new folder that goes when nobody holds this any more, or Python ends."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="medseg-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class Conversion:
    """A converted network on disk.

    Args:
        folder: Where its files are.
        record: What is known of it.
        beside: Whether that is in the model folder.
        temporary: What holds the folder, where that is kept nowhere.
    """

    folder: Path
    record: Record
    beside: bool
    temporary: "Temporary | None" = None

    def with_agreement(self, precision: str, agreement: Agreement) -> "Conversion":
        """It with what was measured, written down where that can be."""
        agreements = {**self.record.agreements, precision: agreement}
        record = self.record.model_copy(update={"agreements": agreements})
        with suppress(OutputError):  # then it is measured again next time
            write_json(self.folder / _RECORD, record.model_dump(mode="json"))
        return Conversion(self.folder, record, self.beside, self.temporary)


def places(model: Path | None) -> list[Path]:
    """Folders for conversions of a model, best first: the model's, the user's cache; none without a model folder."""
    if model is None:
        return []
    found = [model / "backends"]
    with suppress(RuntimeError):  # where there is no home
        found.append(Path.home() / ".cache" / "medseg" / "backends")
    return found


def find(model: Path | None, name: str, key: str) -> Conversion | None:
    """The conversion of this key that is kept, whole; None where there is none."""
    for place in places(model):
        record = _read(place / _folder_name(name, key), key)
        if record is not None:
            return Conversion(place / _folder_name(name, key), record, place.parent == model)
    return None


def put(model: Path | None, name: str, key: str, versions: str, write: Callable[[Path], None]) -> Conversion:
    """Make a conversion where it can be kept, whole or not at all; else in a temporary folder.

    Args:
        model: The model folder.
        name: The backend.
        key: Of the conversion.
        versions: What makes it.
        write: Writes its files into a folder. What it raises passes through; then nothing is left behind.
    """
    for place in places(model):
        unfinished = _begin(place)
        if unfinished is None:
            continue
        try:
            record = _written(unfinished, key, versions, write)
            folder = _into_place(unfinished, place / _folder_name(name, key), key)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return Conversion(folder, record, place.parent == model)
    temporary = Temporary()
    return Conversion(temporary.folder, _written(temporary.folder, key, versions, write), False, temporary)


def _folder_name(name: str, key: str) -> str:
    return f"{name}-{key[:16]}"


def _begin(place: Path) -> Path | None:
    """A new folder to write into, or None where that is not possible; what killed runs left there is removed."""
    unfinished = place / f"{_UNFINISHED}{secrets.token_hex(6)}"
    try:
        unfinished.mkdir(parents=True)
        for old in place.glob(f"{_UNFINISHED}*"):
            if time.time() - old.stat().st_mtime > _HOUR:
                shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return None
    return unfinished


def _written(folder: Path, key: str, versions: str, write: Callable[[Path], None]) -> Record:
    write(folder)
    files = {path.name: _hash(path) for path in sorted(folder.iterdir())}
    record = Record(key=key, versions=versions, files=files)
    write_json(folder / _RECORD, record.model_dump(mode="json"))
    return record


def _into_place(unfinished: Path, target: Path, key: str) -> Path:
    """Rename, unless another process was faster; what was damaged gives way.

    Raises:
        OutputError: The folder cannot be renamed.
    """
    if target.exists() and _read(target, key) is None:
        shutil.rmtree(target, ignore_errors=True)
    try:
        unfinished.rename(target)
    except OSError as error:
        if _read(target, key) is None:
            mend = "Remove it, or take backend=torch."
            raise OutputError(target, f"cannot be written ({error.strerror or error})", mend) from error
    return target


def _read(folder: Path, key: str) -> Record | None:
    """What is known of a conversion whose key and files are right, else None."""
    try:
        record = Record.model_validate_json((folder / _RECORD).read_text(encoding="utf-8"))
        if record.key != key or any(_hash(folder / name) != known for name, known in record.files.items()):
            return None
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
    return record


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

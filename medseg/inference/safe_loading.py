"""Weights from a file that may be anybody's: nothing in it is run.

A PyTorch checkpoint is a pickle, and a pickle can name any function to be called when it is read. PyTorch's
restricted reader (`weights_only=True`) knows tensors and plain containers alone; what needs more is refused.
"""

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from medseg.errors import ModelFolderError

__all__ = ["NUMPY_SCALARS", "file_hash", "read_checkpoint", "tensors_of"]

Allowed = Callable[..., Any] | tuple[Callable[..., Any], str]

_scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
# What a number of NumPy is made of when it is unpickled; numpy.core is where NumPy 1 kept it.
NUMPY_SCALARS: tuple[Allowed, ...] = (
    (_scalar, "numpy._core.multiarray.scalar"),
    (_scalar, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (bool, "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")),
)


def read_checkpoint(path: Path, *, allowed: Sequence[Allowed] = (), conversion: str = "") -> Any:
    """What a checkpoint holds, on the CPU: of safetensors a dictionary of tensors, else whatever was saved.

    Args:
        path: A `.safetensors` file, or one of `torch.save`.
        allowed: Classes and functions that may be made or called besides PyTorch's own list (see
            `torch.serialization.safe_globals`), such as `NUMPY_SCALARS`.
        conversion: How to convert a refused one, as the rest of a sentence, where there is a better way than any.

    Raises:
        ModelFolderError: The file is missing or damaged, or reading it would run code; then the message has what it
            asks for, its SHA-256 and how to convert it.
    """
    if _is_program(path):
        raise _unsafe(path, "is a TorchScript program", "torch.jit.load(FILE).state_dict()")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(list(allowed)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _is_pickle(path):
            raise ModelFolderError(path, "is not a checkpoint", "Pass one that `torch.save` wrote.") from error
        opened = "torch.load(FILE, weights_only=False)"
        raise _unsafe(path, _asked_for(path, allowed), opened, conversion) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        first = (str(error).strip() or type(error).__name__).split(". ")[0].splitlines()[0]
        raise ModelFolderError(path, f"cannot be read ({first})", "Restore the file.") from error


def tensors_of(path: Path, *, allowed: Sequence[Allowed] = ()) -> dict[str, torch.Tensor]:
    """The state dictionary in a checkpoint, which may lie under `state_dict`, `model` or `network_weights`.

    Raises:
        ModelFolderError: As `read_checkpoint`, or there is no such dictionary in it.
    """
    held = read_checkpoint(path, allowed=allowed)
    inner = [held, *(held.get(key) for key in ("state_dict", "model", "network_weights"))] if _is_map(held) else []
    for found in inner:
        if _is_map(found) and found and all(isinstance(value, torch.Tensor) for value in found.values()):
            return dict(found)
    raise ModelFolderError(path, "holds no state dictionary of tensors", "Save `network.state_dict()`.")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        ModelFolderError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFolderError(path, f"cannot be read ({error})", "Restore the file.") from error


def _is_map(held: Any) -> bool:
    return isinstance(held, dict)


def _is_program(path: Path) -> bool:
    """Whether this is TorchScript: code beside its weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _is_pickle(path: Path) -> bool:
    """Whether this is a pickle, alone or in the archive that `torch.save` writes."""
    with path.open("rb") as file:
        return file.read(2)[:1] in (b"\x80", b"P")  # protocol 2 and later; PK, a zip archive


def _unsafe(path: Path, asked: str, opened: str, conversion: str = "") -> ModelFolderError:
    found = f"is refused, because reading it would run code: it {asked} (SHA-256 {file_hash(path)})"
    plain = (
        f"open it with `{opened}`, take its state dictionary, and save that alone with "
        "`safetensors.torch.save_file` or `torch.save`"
    )
    mend = f"Where you trust who made it, convert it once, in the environment it comes from: {conversion or plain}."
    return ModelFolderError(path, found, mend, "tensors in plain dictionaries")


def _asked_for(path: Path, allowed: Sequence[Allowed]) -> str:
    """What a file wants besides tensors and containers, by name."""
    try:
        with torch.serialization.safe_globals(list(allowed)):
            names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, ValueError):  # a bare pickle, which PyTorch does not list
        names = []
    return f"asks for {', '.join(sorted(names)[:8])}" if names else "is a pickle of more than tensors"

"""Whether a model is a classical method, which no torch is loaded for, and how it is opened then."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.errors import ConfigError

if TYPE_CHECKING:
    from medseg.classical import Classical

__all__ = ["is_classical_model", "open_classical_model"]


def is_classical_model(path: str | Path) -> bool:
    """Whether it is the word of a classical method, or holds a fitted one; no library is loaded to know."""
    folders = (Path(path), Path(path) / "model")
    return str(path).startswith("classical:") or any((folder / "classical.json").is_file() for folder in folders)


def open_classical_model(path: str | Path, settings: Mapping[str, Any]) -> "Classical":
    """A classical method; of what networks are told, it takes nothing.

    Args:
        path: As `is_classical_model`.
        settings: Those of `InferenceSettings` that are not their defaults.

    Raises:
        ConfigError: There is no such method or option, a value does not fit, or a setting has no meaning here.
        ModelFolderError: The file is not what `medseg train` wrote.
    """
    from medseg.classical import open_classical

    meant = [key for key in settings if key != "trusted"]
    if meant:
        mend = "Leave it out: a classical method runs on the processor, one image after another."
        raise ConfigError(", ".join(meant), f"has no meaning for {path}", mend)
    return open_classical(path)

"""`run.json`: what made a folder of predictions, so that it can be made again."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medseg.atomic import write_json

__all__ = ["versions", "write_run"]

_PACKAGES = ("medseg", "torch", "monai", "numpy", "nibabel", "SimpleITK", "connected-components-3d")


def versions() -> dict[str, str]:
    """Of Python and of the programs that an output depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def write_run(path: Path, plan: dict[str, Any], model_hash: str, command: str, settings: dict[str, Any]) -> None:
    """Write model hash, plan, settings, versions and command; nothing that differs between equal runs."""
    write_json(
        path,
        {
            "command": command,
            "model_sha256": model_hash,
            "plan": plan,
            "settings": settings,
            "versions": versions(),
        },
    )

"""`run.json`: what made a folder of predictions, so that it can be made again."""

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medseg.atomic import write_json
from medseg.plan import model_root

__all__ = ["model_card", "versions", "write_run"]

_PACKAGES = ("medseg", "torch", "monai", "numpy", "nibabel", "SimpleITK", "connected-components-3d")
_CARD = (
    *("name", "task", "description", "version", "card", "intended_use", "limits", "eval_metrics", "data_source"),
    *("authors", "copyright", "license"),
)


def versions() -> dict[str, str]:
    """Of Python and of the programs that an output depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def model_card(path: str | Path) -> dict[str, Any]:
    """What a model's maker says of it, from the metadata of its folder; empty where nobody says anything.

    Neither is code of the maker's run for it, nor a library loaded.
    """
    try:
        said = json.loads((model_root(Path(path)) / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: said[key] for key in _CARD if said.get(key)} if isinstance(said, dict) else {}


def write_run(
    path: Path,
    plan: Mapping[str, Any],
    model_hash: str,
    command: str,
    settings: Mapping[str, Any],
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write model, hash, plan, settings, seeds, versions and command; nothing that differs between equal runs.

    The page beside it is removed: it is of an earlier run, until `medseg.outputs.run_card.write_card` writes it anew.

    Args:
        path: The file.
        plan: The model's description.
        model_hash: Of its weights.
        command: The command line.
        settings: How it runs.
        card: What its maker says of it.

    Raises:
        OutputError: The file cannot be written.
    """
    card = dict(card or {})
    learnt = card.get("card")
    seed = learnt.get("seed") if isinstance(learnt, Mapping) else None
    with suppress(OSError):  # writing says it better
        path.with_suffix(".html").unlink(missing_ok=True)
    write_json(
        path,
        {
            "command": command,
            "model_sha256": model_hash,
            "model_card": card,
            "plan": dict(plan),
            "seeds": {"training": seed, "prediction": "none: nothing is drawn at random"},
            "settings": dict(settings),
            "versions": versions(),
        },
    )

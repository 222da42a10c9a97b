"""Open a model, or ask what it says of itself, whoever trained it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.classical_models import is_classical_model, open_classical_model
from medseg.config import check

if TYPE_CHECKING:
    from medseg.segmenter import Model

__all__ = ["load_model", "model_info"]


def load_model(path: str | Path, **settings: Any) -> "Model":
    """Open a model, whoever trained it; see `medseg.inference.model_folder.load_model`.

    Args:
        path: A model folder or the folder of its run, an nnU-Net results folder, a MONAI bundle, an ONNX file with
            its `plan.json`, or a classical method: its word (`classical:otsu,side=dark`) or the folder of its fit.
        settings: Fields of `InferenceSettings`: device, precision, backend, speed, max_memory, portable, trusted.

    Raises:
        ConfigError: A setting is unknown or does not fit.
        ModelFolderError: It is no model, incomplete, or needs to be trusted.
    """
    from medseg.inference.settings import InferenceSettings

    checked = check(InferenceSettings, settings, "load_model")
    if is_classical_model(path):
        return open_classical_model(path, checked.model_dump(exclude_defaults=True))
    from medseg.inference.model_folder import load_model as open_path

    return open_path(path, checked)


def model_info(path: str | Path) -> dict[str, Any]:
    """What a model says of itself, without opening it; see `medseg.inference.model_info.model_info`.

    A bare `classical:` lists the classical methods, `classical:otsu` what that one can be told.
    """
    if is_classical_model(path):
        from medseg.classical import classical_info

        return classical_info(path)
    from medseg.inference.model_info import model_info as described

    return described(path)

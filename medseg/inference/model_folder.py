"""Read a model folder: its plan and its safetensors weights."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError

from medseg.device import open_fabric
from medseg.errors import ModelFolderError
from medseg.inference.network_segmenter import NetworkSegmenter
from medseg.networks import build_network
from medseg.networks.weights import read_weights
from medseg.plan import model_root, read_plan

__all__ = ["load_model"]


def load_model(
    folder: str | Path, *, device: str = "auto", precision: str = "auto", portable: bool = False
) -> NetworkSegmenter:
    """Open a model folder that `medseg train` wrote.

    Args:
        folder: The model folder, or the folder of the run that holds it as `model/`.
        device: "auto", "cpu", "cuda", "mps".
        precision: "auto", "fp32", "bf16", "fp16".
        portable: Predict exactly as the bundle does in plain MONAI: fp32, no cropping.

    Raises:
        ModelFolderError: A file of it is missing, or weights and plan do not belong together.
    """
    root = model_root(Path(folder))
    if not root.is_dir():
        raise ModelFolderError(root, "is not a folder", "Pass the folder `model/` that `medseg train` wrote.")
    plan = read_plan(root / "plan.json")
    path = root / "models" / "model.safetensors"
    fabric = open_fabric(device, "fp32" if portable else precision)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFolderError(path, f"cannot be read ({error})", "Restore the file, or train again.") from error
    network = build_network(plan)
    try:
        read_weights(network, path)
    except (SafetensorError, ValueError) as error:
        found = f"does not fit plan.json ({error})"
        raise ModelFolderError(path, found, "Plan and weights must come from one training.") from error
    ready = network.eval().to(fabric.device)
    return NetworkSegmenter(ready, plan, fabric, crop=not portable, hash=hashlib.sha256(content).hexdigest())

"""What a path to a model is, and how it is opened; our own model folder among them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from torch import nn

from medseg.device import open_compute
from medseg.errors import ModelFolderError
from medseg.inference.backends.choosing import open_backend
from medseg.inference.monai_bundle.metadata import config_file
from medseg.inference.network_segmenter import NetworkSegmenter
from medseg.inference.onnx_model import find_onnx, open_onnx
from medseg.inference.safe_loading import file_hash
from medseg.inference.settings import InferenceSettings
from medseg.networks.lean import import_networks
from medseg.networks.own import find_factory
from medseg.networks.weights import read_weights
from medseg.plan import Plan, model_root, read_plan
from medseg.segmenter import Model
from medseg.trust import is_own, require_trust

__all__ = ["KINDS", "Kind", "kind_of", "load_model", "read_network"]


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Args:
        name: What it is called.
        files: By which files it is known, in words.
        recognises: Whether a path is one, by names of files alone.
        open: It as a segmenter.
    """

    name: str
    files: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path, InferenceSettings], Model]


def load_model(path: str | Path, settings: InferenceSettings | None = None) -> Model:
    """Open a model, whoever trained it.

    Args:
        path: A model folder, or the folder of the run that holds it as `model/`; or what another row of `KINDS` tells.
        settings: How it is to run. Code that it brings or names (a network that is somebody's own
            `package.module:factory`, its exported program, the config of a MONAI bundle) runs only where they say
            `trusted`.

    Raises:
        ModelFolderError: It is none of the kinds, a file of it is missing, weights and plan do not belong together, or
            it is somebody's code and not trusted; then nothing of it has run.
        MissingExtraError: What its kind needs is not installed.
    """
    return kind_of(Path(path)).open(Path(path), settings or InferenceSettings())


def kind_of(path: Path) -> "Kind":
    """What a path is.

    Raises:
        ModelFolderError: None of the kinds; what was looked for is told.
    """
    for kind in KINDS:
        if kind.recognises(path):
            return kind
    found = "holds no model" if path.is_dir() else "is not a folder, nor a model file"
    looked_for = "; ".join(f"{kind.name} ({kind.files})" for kind in KINDS)
    raise ModelFolderError(path, found, "Pass the folder `model/` that `medseg train` wrote, or another.", looked_for)


def _is_ours(path: Path) -> bool:
    root = model_root(path)
    return (root / "plan.json").is_file() and find_onnx(root) is None


def _open_ours(path: Path, settings: InferenceSettings) -> NetworkSegmenter:
    root = model_root(path)
    plan = read_plan(root / "plan.json")
    require_trust(root, plan.network.name, settings.trusted)
    compute = open_compute(settings.device, "fp32" if settings.portable else settings.precision)
    digest = file_hash(root / "models" / "model.safetensors")
    foreign = is_own(plan.network.name) and find_factory(plan.network.name) is None
    if foreign:
        network = _program(root, plan, compute.device)
    else:
        network = read_network(root, plan, trusted=settings.trusted).eval().to(compute.device)
    backend = open_backend(
        "torch" if settings.portable else settings.backend,
        network,
        (len(plan.channels), *plan.patch_size),
        compute,
        folder=root,
        digest=digest,
        exclusive=plan.label_set.exclusive,
    )
    origin: Literal["weights", "exported program"] = "exported program" if foreign else "weights"
    return NetworkSegmenter(
        backend, plan, compute.device, settings.portable, settings.speed, digest, origin, settings.memory_limit
    )


def _is_nnunet(path: Path) -> bool:
    from medseg.inference.nnunet.folder import recognises

    return recognises(path)


def _open_nnunet(path: Path, settings: InferenceSettings) -> Model:
    from medseg.inference.nnunet.opening import open_nnunet

    return open_nnunet(path, settings)


def _is_bundle(path: Path) -> bool:
    return not (path / "plan.json").exists() and config_file(path) is not None


def _open_bundle(path: Path, settings: InferenceSettings) -> Model:
    from medseg.inference.monai_bundle.segmenter import open_bundle

    return open_bundle(path, settings)


KINDS = (
    Kind("model folder of medseg", "plan.json, models/model.safetensors", _is_ours, _open_ours),
    Kind("ONNX file", "NAME.onnx with plan.json beside it", lambda path: find_onnx(path) is not None, open_onnx),
    Kind("MONAI bundle", "configs/inference.json or .yaml, without plan.json", _is_bundle, _open_bundle),
    Kind("nnU-Net v2 results", "dataset.json, plans.json, fold_*/checkpoint_*.pth", _is_nnunet, _open_nnunet),
)


def read_network(root: Path, plan: Plan, *, trusted: bool = False) -> nn.Module:
    """The plan's network with the weights of a model folder, float32, on the CPU; `trusted` as in `load_model`.

    Raises:
        ModelFolderError: The weights are missing, broken or of another network, or that is not trusted.
        ConfigError: The network cannot be built here.
    """
    path = root / "models" / "model.safetensors"
    require_trust(root, plan.network.name, trusted)
    if not is_own(plan.network.name):  # somebody's own may be made of anything that MONAI has
        import_networks()
    from medseg.networks.building import build_network  # brings MONAI, which other kinds do without

    network = build_network(plan)
    try:
        read_weights(network, path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (SafetensorError, ValueError) as error:
        found = f"does not fit plan.json ({error})"
        raise ModelFolderError(path, found, "Plan and weights must come from one training.") from error
    return network


def _program(root: Path, plan: Plan, device: torch.device) -> nn.Module:
    """The exported program, in eval mode for good, on the device."""
    from torch.export.passes import move_to_device_pass

    path = root / "models" / "model.pt2"
    if not path.exists():
        found = f"its network {plan.network.name} is not installed here"
        raise ModelFolderError(root, found, "Install its package, or put its folder on PYTHONPATH.")
    try:
        return move_to_device_pass(torch.export.load(path), device).module()
    except Exception as error:  # torch.export names no errors of its own for a damaged file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelFolderError:
    return ModelFolderError(path, f"cannot be read ({error})", "Restore the file, or train again.")

"""What a model says of itself, whoever trained it: no code of anybody's runs, and nothing is computed."""

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medseg.errors import ModelFolderError
from medseg.inference.model_folder import kind_of
from medseg.inference.monai_bundle.metadata import config_file, read_metadata, weight_file
from medseg.inference.onnx_model import find_onnx
from medseg.inference.safe_loading import file_hash
from medseg.inference.settings import InferenceSettings
from medseg.labels import Labels
from medseg.plan import Plan, model_root, read_plan
from medseg.trust import is_own

__all__ = ["model_info"]

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_HEADER = 100_000_000  # bytes that safetensors allows its header


def model_info(path: str | Path) -> dict[str, Any]:
    """Kind, network, labels, channels, grid, size, hash, scores, speeds, uses and limits of a model, where known.

    Args:
        path: What `load_model` takes.

    Returns:
        Values that JSON can hold, by their names; what a kind of model does not say is left out.

    Raises:
        ModelFolderError: It is no model, or incomplete.
    """
    kind = kind_of(Path(path))
    told = {"kind": kind.name, **_DESCRIBED[kind.name](Path(path))}
    return {key: value for key, value in told.items() if value not in (None, "", [], {}, ())}


def _of_ours(path: Path) -> dict[str, Any]:
    root = model_root(path)
    plan = read_plan(root / "plan.json")
    weights = root / "models" / "model.safetensors"
    said = _metadata_of(root)
    facts = {**_of_plan(plan), "parameters": _parameters(weights), **_file(weights)}
    return {
        **facts,
        **_card(said, facts),
        **_uses(said),
        "speeds": _speeds(plan),
        "plain MONAI": "yes" if plan.portable else f"no: {plan.reasons.get('portable', 'its plan needs medseg')}",
        "converted": _converted(root),
        "trust": f"needed: {plan.network.name} is its maker's code" if is_own(plan.network.name) else "not needed",
    }


def _of_onnx(path: Path) -> dict[str, Any]:
    found = find_onnx(path)
    if found is None:
        raise ModelFolderError(path, "is not one ONNX file with plan.json beside it", "Put both into one folder.")
    file, plan_file = found
    plan = read_plan(plan_file)
    said = _metadata_of(plan_file.parent)
    facts = {**_of_plan(plan), **_file(file)}
    return {
        **facts,
        **_card(said, facts),
        **_uses(said),
        "speeds": _speeds(plan),
        "trust": "not needed",
    }


def _of_bundle(path: Path) -> dict[str, Any]:
    said, weights = read_metadata(path), weight_file(path)
    config = config_file(path)
    return {
        "name": said.said("name") or path.resolve().name,
        "task": said.said("task") or said.said("description"),
        "version": said.said("version"),
        **_labels(said.labels),
        "channels": list(said.channels),
        "dims": said.dims,
        "patch": list(said.patch),
        **(_file(weights) if weights else {}),
        "scores": said.content.get("eval_metrics"),
        "data": said.said("data_source"),
        "intended use": said.said("intended_use"),
        "authors": said.said("authors"),
        "copyright": said.said("copyright"),
        "license": _license(path, said.content),
        "needs": said.content.get("required_packages_version") or said.content.get("optional_packages_version"),
        "trust": f"needed: {config.name if config else 'its config'} is code",
    }


def _of_nnunet(path: Path) -> dict[str, Any]:
    from medseg.inference.backends.torch_eager import TorchEager
    from medseg.inference.nnunet.folder import find_results
    from medseg.inference.nnunet.opening import open_nnunet

    model = open_nnunet(path, InferenceSettings(device="cpu", precision="fp32", backend="torch"))
    files = find_results(path).checkpoints
    said, backend = dict(model.description), model.backend
    networks = backend.network.parameters() if isinstance(backend, TorchEager) else ()
    return {
        "name": said.get("name"),
        "network": f"{len(files)} network(s) of nnU-Net v2, {said.get('configuration')}",
        **_labels(model.labels),
        "channels": list(model.channels),
        "dims": len(said.get("patch_size", ())),
        "spacing_mm": said.get("spacing"),
        "patch": said.get("patch_size"),
        "normalisation": said.get("normalisation"),
        "folds": said.get("folds"),
        "parameters": sum(weights.numel() for weights in networks),
        "size_mib": round(sum(file.stat().st_size for file in files) / 2**20, 2),
        "sha256": model.hash,
        "license": _license(path, {}),
        "converted": _converted(find_results(path).folder),
        "speeds": {"fast": "no mirrored views", "normal": "as nnUNetv2_predict"},
        "trust": "not needed",
    }


_DESCRIBED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "model folder of medseg": _of_ours,
    "ONNX file": _of_onnx,
    "MONAI bundle": _of_bundle,
    "nnU-Net v2 results": _of_nnunet,
}


def _of_plan(plan: Plan) -> dict[str, Any]:
    return {
        "network": plan.title,
        **_labels(plan.label_set),
        "channels": list(plan.channels),
        "modality": plan.modality,
        "dims": plan.dims,
        "spacing_mm": list(plan.spacing_mm) if plan.spacing_mm else None,
        "longest_side": plan.longest_side,
        "patch": list(plan.patch_size),
        "members": plan.members if plan.members > 1 else None,
        "postprocessing": plan.postprocessing.model_dump(mode="json", exclude_defaults=True),
    }


def _labels(labels: Labels) -> dict[str, Any]:
    return {
        "labels": {label.name: label.values[0] for label in labels.labels},
        "overlapping": None if labels.exclusive else True,
    }


def _card(said: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What its maker says of it; of what the files themselves tell, nobody's word counts."""
    card = said.get("card")
    return {key: value for key, value in card.items() if key not in {"kind", *facts}} if isinstance(card, dict) else {}


def _uses(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"intended use": said.get("intended_use"), "limits": said.get("limits"), "license": said.get("license")}


def _speeds(plan: Plan) -> dict[str, str]:
    """What `--speed` offers for a plan."""
    air = ", windows in air left out" if plan.air_is_background else ""
    told = {
        "fast": f"windows overlap by {min(plan.overlap, 0.25):.0%}{air}",
        "normal": f"windows overlap by {plan.overlap:.0%}{air}",
    }
    if plan.mirror_axes:
        told["best"] = f"and {2 ** len(plan.mirror_axes)} mirrored views are averaged"
    return told


def _converted(root: Path) -> dict[str, str]:
    """How far the conversions kept beside a model agree with PyTorch, by backend and precision."""
    from medseg.inference.backends.conversions import Record

    told = {}
    for file in sorted(root.glob("backends/*/agreement.json")):
        try:
            record = Record.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # of another release, which makes it anew
        for precision, agreement in record.agreements.items():
            name = f"{file.parent.name.rpartition('-')[0]} {precision}"
            told[name] = f"refused: it {agreement.refusal()}" if agreement.refusal() else agreement.told
    return told


def _metadata_of(root: Path) -> dict[str, Any]:
    """Our own metadata; nothing where the file was taken away, since a model runs without."""
    try:
        said = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _license(path: Path, said: Mapping[str, Any]) -> str:
    """What is said of the licence, or the file that says it."""
    stated = said.get("license") or said.get("licence")
    files = (path / name for name in ("LICENSE", "LICENSE.txt", "docs/license.txt", "docs/LICENSE"))
    return str(stated) if stated else next((str(file.relative_to(path)) for file in files if file.is_file()), "")


def _file(path: Path) -> dict[str, Any]:
    digest = file_hash(path)  # first, since it names a file that is missing
    return {"size_mib": round(path.stat().st_size / 2**20, 2), "sha256": digest}


def _parameters(path: Path) -> int:
    """Learnt numbers in a safetensors file, by its header alone.

    Raises:
        ModelFolderError: It is no such file.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, _HEADER)))
        tensors = {name: one["shape"] for name, one in header.items() if name != "__metadata__"}
        return sum(math.prod(shape) for name, shape in tensors.items() if not name.endswith(_BUFFERS))
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFolderError(path, f"cannot be read ({error})", "Restore the file, or train again.") from error

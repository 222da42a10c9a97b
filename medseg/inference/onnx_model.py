"""An ONNX file with a `plan.json` as a network: our preparation, windows and restoring, its computation."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medseg.device import open_compute
from medseg.errors import ConfigError, MissingExtraError, ModelFolderError
from medseg.inference.backends.onnx_runtime import open_session
from medseg.inference.network_segmenter import NetworkSegmenter
from medseg.inference.safe_loading import file_hash
from medseg.inference.settings import InferenceSettings
from medseg.plan import Plan, read_plan

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxNetwork", "find_onnx", "open_onnx"]

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxNetwork:
    """An ONNX file, computed by ONNX Runtime on the CPU; a `Backend`.

    Its first input is an image (B, C, *patch), its first output the logits (B, outputs, *patch). What is fixed among
    these sizes must be the plan's; a fixed batch is filled up.

    Args:
        path: The file.
        plan: What it must fit.

    Raises:
        ModelFolderError: It is not ONNX, or does not fit the plan.
        MissingExtraError: ONNX Runtime is not installed.
    """

    name = "onnx"
    why = "the model is an ONNX file, which ONNX Runtime computes on the CPU."

    def __init__(self, path: Path, plan: Plan) -> None:
        self._session = _session(path)
        image, logits = self._session.get_inputs()[0], self._session.get_outputs()[0]
        channels, outputs = len(plan.channels), plan.outputs
        _require(path, "input", image.shape, (channels, *plan.patch_size))
        _require(path, "output", logits.shape, (outputs, *plan.patch_size))
        if image.type not in _TYPES or len(self._session.get_inputs()) > 1:
            found = f"takes {', '.join(f'{one.name} of {one.type}' for one in self._session.get_inputs())}"
            raise ModelFolderError(path, found, "Export the network alone.", "one image of float numbers")
        self._input, self._type = image.name, _TYPES[image.type]
        self._batch = image.shape[0] if isinstance(image.shape[0], int) else None
        self._path, self._answer = path, (outputs, *plan.patch_size)

    @property
    def at_once(self) -> int:
        """Windows that it computes at least, filled up where there are fewer."""
        return self._batch or 1

    @property
    def precision(self) -> str:
        """In what it takes its numbers: fp32 or fp16."""
        return "fp16" if self._type is np.float16 else "fp32"

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, outputs, *patch), float32, on the CPU, of windows (B, C, *patch)."""
        voxels = windows.cpu().numpy().astype(self._type, copy=False)
        batch = self._batch or len(voxels)
        logits = [self._run(voxels[start : start + batch], batch) for start in range(0, len(voxels), batch)]
        return torch.from_numpy(np.concatenate(logits)).float()

    def _run(self, voxels: np.ndarray, batch: int) -> np.ndarray:
        missing = batch - len(voxels)
        filled = np.pad(voxels, [(0, missing)] + [(0, 0)] * (voxels.ndim - 1)) if missing else voxels
        logits = np.asarray(self._session.run(None, {self._input: filled})[0])[: len(voxels)]
        if logits.shape[1:] != self._answer:  # of sizes that the file leaves open nothing was known before
            _require(self._path, "answer", list(logits.shape), self._answer)
        return logits


def find_onnx(path: Path) -> tuple[Path, Path] | None:
    """The ONNX file and the plan that a path means: the file, or a folder that holds one and no weights of ours.

    Returns:
        The file and the plan beside it or, of `models/NAME.onnx`, in the folder above; `None` where there are none.
    """
    if path.is_dir():
        inside = [*sorted(path.glob("*.onnx")), *sorted((path / "models").glob("*.onnx"))]
        if len(inside) != 1 or (path / "models" / "model.safetensors").exists():
            return None
        return find_onnx(inside[0])
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return None
    plans = [path.parent / "plan.json", *([path.parent.parent / "plan.json"] if path.parent.name == "models" else [])]
    return next(((path, plan) for plan in plans if plan.is_file()), None)


def open_onnx(path: Path, settings: InferenceSettings) -> NetworkSegmenter:
    """Open an ONNX file with its plan.

    Raises:
        ModelFolderError: The file or its plan cannot be used.
        ConfigError: Another backend, device or precision is asked for.
        MissingExtraError: ONNX Runtime is not installed.
    """
    found = find_onnx(path)
    if found is None:
        raise ModelFolderError(path, "is not one ONNX file with plan.json beside it", "Put both into one folder.")
    for name, possible in {"backend": "onnx", "device": "cpu", "precision": "fp32"}.items():
        if getattr(settings, name) not in ("auto", possible):
            mend = f"Leave {name} out, or set it to {possible}."
            raise ConfigError(name, f"{getattr(settings, name)} for an ONNX file", mend)
    file, plan_file = found
    plan = read_plan(plan_file)
    device = open_compute("cpu", "fp32").device
    network = OnnxNetwork(file, plan)
    digest, limit = file_hash(file), settings.memory_limit
    if limit is not None and network.at_once > 1:
        mend = "Leave it out, or export the file for batches of any size."
        raise ConfigError("max_memory", f"{file.name} takes {network.at_once} windows at once, never fewer", mend)
    return NetworkSegmenter(network, plan, device, settings.portable, settings.speed, digest, max_memory=limit)


def _session(path: Path) -> "onnxruntime.InferenceSession":
    try:
        return open_session(path)
    except MissingExtraError:
        raise
    except Exception as error:  # onnxruntime's errors have no class in common
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFolderError(path, f"cannot be read ({first})", "Export it again.") from error


def _require(path: Path, what: str, shape: list[Any], wanted: tuple[int, ...]) -> None:
    """Refuse a shape (B, channels, *patch) some of whose fixed sizes are others than the plan's."""
    sizes = shape[1:]
    if len(sizes) != len(wanted) or any(isinstance(n, int) and n != w for n, w in zip(sizes, wanted, strict=True)):
        names = ["B", *(str(n) if isinstance(n, int) else "any" for n in sizes)]
        mend = "File and plan.json must be of one model: channels, labels and patch_size."
        expected = f"(B, {', '.join(map(str, wanted))}) as in the plan"
        raise ModelFolderError(path, f"its {what} is ({', '.join(names)})", mend, expected)

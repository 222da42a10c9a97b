"""ONNX Runtime computes a network on the CPU in float32, from an ONNX file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from medseg.errors import MissingExtraError
from medseg.inference.backends.original import Original

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRun", "convert", "load", "open_session", "precision_here", "versions"]

_FILE = "network.onnx"
_MEND = "Install it: pip install 'medseg[onnx]'."


def versions() -> str:
    """What a conversion depends on beside PyTorch.

    Raises:
        MissingExtraError: ONNX, its converter or ONNX Runtime is not installed.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise MissingExtraError("backend", f"{error.name} is not installed", _MEND) from error
    named = (onnx, onnxscript, onnxruntime)
    return ", ".join(f"{module.__name__} {module.__version__}" for module in named)


def precision_here(wanted: str) -> str:
    """Float32: what ONNX Runtime computes in on a CPU."""
    return "fp32"


def convert(original: Original, folder: Path) -> None:
    """Write an ONNX file, float32, for batches of any size, into a folder."""
    program = original.exported()
    # One file where protobuf allows it (2 GiB), else the numbers beside it.
    size = sum(weights.nbytes for weights in program.state_dict.values())
    torch.onnx.export(program, (), folder / _FILE, verbose=False, external_data=size > 2**30)


def open_session(path: Path) -> "onnxruntime.InferenceSession":
    """An ONNX file, ready to compute with as many threads as PyTorch takes.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        Exception: What ONNX Runtime raises of a file that it cannot read; its errors have no class in common.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(path, "ONNX Runtime is not installed", _MEND) from error
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(torch.get_num_threads(), os.cpu_count() or 1)
    options.log_severity_level = 3  # errors alone: it warns of what it optimises
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def load(folder: Path, window: tuple[int, ...], precision: str) -> "OnnxRun":
    """A conversion, ready to compute."""
    return OnnxRun(open_session(folder / _FILE))


class OnnxRun:
    """Windows to logits, one window at a time: on a CPU larger batches only fall out of its caches.

    Args:
        session: Of a converted network.
    """

    def __init__(self, session: "onnxruntime.InferenceSession") -> None:
        self._session = session
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0]

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, outputs, *patch) of windows (B, C, *patch), on the CPU; neither is copied."""
        images = windows.detach().to("cpu", torch.float32).contiguous()
        logits = torch.empty(len(images), *self._output.shape[1:])
        for image, answer in zip(images, logits, strict=True):
            binding = self._session.io_binding()
            shapes = (1, *image.shape), (1, *answer.shape)
            binding.bind_input(self._input, "cpu", 0, np.float32, shapes[0], image.data_ptr())
            binding.bind_output(self._output.name, "cpu", 0, np.float32, shapes[1], answer.data_ptr())
            self._session.run_with_iobinding(binding)
        return logits

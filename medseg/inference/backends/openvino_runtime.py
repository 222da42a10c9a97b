"""OpenVINO computes a network on the CPU, from a graph file (.xml) and its numbers (.bin)."""

import sys
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import torch

from medseg.errors import MissingExtraError
from medseg.inference.backends.original import Original
from medseg.inference.backends.stepwise_norm import with_stepwise_norms

__all__ = ["OpenVinoRun", "convert", "import_openvino", "load", "precision_here", "versions"]

_FILE = "network.xml"
_HINTS = {"fp32": "f32", "bf16": "bf16"}
_TELEMETRY = "openvino_telemetry"


def import_openvino() -> ModuleType:
    """OpenVINO, without the package that tells its maker of each import and conversion.

    OpenVINO does without that package where it is missing, so that it is hidden while OpenVINO is imported.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    hidden = _TELEMETRY not in sys.modules
    if hidden:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        mend = "Install it: pip install 'medseg[openvino]', or take backend=torch."
        raise MissingExtraError("backend", "OpenVINO is not installed", mend) from error
    finally:
        if hidden:
            del sys.modules[_TELEMETRY]
    return openvino


@cache
def _core() -> Any:
    """OpenVINO itself, once and for as long as the process lives.

    It runs signal handlers on a stack of its own, which it frees with the last of its objects and which the system then
    still uses: the next signal, Ctrl-C say, would be a segmentation fault.
    """
    return import_openvino().Core()


def versions() -> str:
    """What a conversion depends on beside PyTorch."""
    return f"openvino {import_openvino().get_version()}"


def precision_here(wanted: str) -> str:
    """In what it computes on this processor: bf16 where that is wanted and can be, else fp32."""
    able = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if wanted == "bf16" and "BF16" in able else "fp32"


def convert(original: Original, folder: Path) -> None:
    """Write graph and numbers, float32, for batches of any size, into a folder."""
    import_openvino()
    from openvino import save_model
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    network = with_stepwise_norms(original.network)
    program = Original(network, original.window).exported()
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchFXPythonDecoder.from_exported_program(program)
    # The graph borrows its numbers from `program` until it is saved.
    save_model(frontend.convert(frontend.load(decoder)), folder / _FILE, compress_to_fp16=False)


def load(folder: Path, window: tuple[int, ...], precision: str) -> "OpenVinoRun":
    """A conversion, compiled for single windows and for as many threads as PyTorch takes."""
    core = _core()
    model = core.read_model(folder / _FILE)
    model.reshape([1, *window])
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": False,  # cores are shared with the processes that read and write
    }
    return OpenVinoRun(core.compile_model(model, "CPU", settings))


class OpenVinoRun:
    """Windows to logits, one window at a time: on a CPU larger batches only fall out of its caches.

    Numbers are not copied: OpenVINO reads the windows and writes the logits where PyTorch keeps them.

    Args:
        compiled: A compiled model for windows (1, C, *patch).
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._answer = tuple(compiled.output(0).shape)[1:]
        self._lock = Lock()  # a request has one input and one output

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, outputs, *patch) of windows (B, C, *patch), on the CPU."""
        from openvino import Tensor

        images = windows.detach().to("cpu", torch.float32).contiguous()
        logits = torch.empty(len(images), *self._answer)
        with self._lock:
            for image, answer in zip(images.numpy(), logits.numpy(), strict=True):
                self._request.set_input_tensor(Tensor(image[None], shared_memory=True))
                self._request.set_output_tensor(Tensor(answer[None], shared_memory=True))
                self._request.infer()
        return logits

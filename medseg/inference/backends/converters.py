"""What a network can be converted for, in a dict."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medseg.inference.backends import onnx_runtime, openvino_runtime
from medseg.inference.backends.agreement import Run
from medseg.inference.backends.original import Original

__all__ = ["CONVERTERS", "Converter"]


@dataclass(frozen=True)
class Converter:
    """A program that computes converted networks on the CPU.

    Args:
        title: What it is called.
        versions: What its conversions depend on beside PyTorch; MissingExtraError where that is missing.
        precision_here: From a precision that is wanted, fp32 or bf16, the one in which it computes on this processor.
        convert: Write a network into a folder.
        load: From that folder, the shape of a window and a precision, what computes.
    """

    title: str
    versions: Callable[[], str]
    precision_here: Callable[[str], str]
    convert: Callable[[Original, Path], None]
    load: Callable[[Path, tuple[int, ...], str], Run]


CONVERTERS = {
    "openvino": Converter(
        "OpenVINO",
        openvino_runtime.versions,
        openvino_runtime.precision_here,
        openvino_runtime.convert,
        openvino_runtime.load,
    ),
    "onnx": Converter(
        "ONNX Runtime", onnx_runtime.versions, onnx_runtime.precision_here, onnx_runtime.convert, onnx_runtime.load
    ),
}

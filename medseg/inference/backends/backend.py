"""What every backend is: windows in, logits out."""

from typing import Protocol

import torch

__all__ = ["Backend"]


class Backend(Protocol):
    """Something that computes a network.

    Calling it gives the logits of windows, one window not depending on the others of its batch: of windows
    (B, C, *patch), float32 and on any device, the logits (B, outputs, *patch), float32, on the backend's device.
    B may be another at each call. What is returned is the caller's: no later call writes into it.
    """

    @property
    def name(self) -> str:
        """Its name in the settings: torch, compile, onnx or openvino."""

    @property
    def precision(self) -> str:
        """In what it computes: fp32, bf16 or fp16."""

    @property
    def why(self) -> str:
        """Why it is this one, as a sentence for the user."""

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of windows."""

"""The network in PyTorch, by which every other way to compute it is made and judged."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from medseg import __version__
from medseg.networks.weights import weight_bytes

__all__ = ["Original"]


@dataclass(frozen=True, eq=False)
class Original:
    """A network in eval mode, float32, and what is known of it.

    Args:
        network: Of windows (B, C, *patch), the logits (B, outputs, *patch).
        window: Shape of one window: (C, *patch).
        exclusive: Whether the labels exclude one another (argmax) or not (each by its sign).
        digest: SHA-256 of the file of its weights; where there is none, the weights themselves are hashed.
        folder: The model folder, beside whose weights a conversion is kept.
    """

    network: nn.Module
    window: tuple[int, ...]
    exclusive: bool = True
    digest: str = ""
    folder: Path | None = None

    def key(self, converter: str, versions: str) -> str:
        """SHA-256 of all that a conversion depends on: weights, layers, shape, and the versions of what converts."""
        weights = self.digest or hashlib.sha256(weight_bytes(self.network)).hexdigest()
        # The same weights are another network with another activation, or under another graph.
        layers = [repr(self.network), str(getattr(self.network, "code", ""))]
        parts = [converter, versions, torch.__version__, __version__, weights, layers, self.window]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def exported(self) -> torch.export.ExportedProgram:
        """It as a graph, for batches of any size. Whatever tracing a network of anybody's can raise, is raised."""
        # From an example of one, torch.export would take 1 for the only batch size.
        example = torch.zeros(2, *self.window)
        shapes = ({0: torch.export.Dim("batch")},)
        with torch.no_grad():
            return torch.export.export(self.network, (example,), dynamic_shapes=shapes, strict=False)

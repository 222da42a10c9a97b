"""Lightning Fabric on one device, which leads training."""

import logging
from typing import Any

from lightning_fabric import Fabric

from medseg.device import Compute, open_compute

__all__ = ["compute_of", "open_fabric"]

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def open_fabric(device: str = "auto", precision: str = "auto") -> Fabric:
    """Fabric on the device that `open_compute` picks, in its precision; raises as it does."""
    chosen = open_compute(device, precision)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces each choice otherwise
    kind, which = chosen.device.type, chosen.device.index
    devices: Any = 1 if kind == "cpu" else [which or 0]
    return Fabric(accelerator=kind, devices=devices, precision=_PRECISIONS[chosen.precision])  # type: ignore[arg-type]


def compute_of(fabric: Fabric) -> Compute:
    """Its device and precision."""
    ours = {theirs: own for own, theirs in _PRECISIONS.items()}
    return Compute(fabric.device, ours[str(fabric.strategy.precision.precision)])

"""Where and in which precision the network runs, and the allocator that makes a CPU fast."""

import ctypes
import logging
import platform
from typing import Any

import torch
from lightning_fabric import Fabric

from medseg.errors import ConfigError

__all__ = ["open_fabric", "pick_device"]

# glibc's <malloc.h>: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD.
_MALLOPT = ((-3, 2**31 - 1), (-1, 2**31 - 1), (-2, 64 << 20))


def open_fabric(device: str = "auto", precision: str = "auto") -> Fabric:
    """Lightning Fabric on one device.

    Args:
        device: "auto", "cpu", "cuda", "mps", or one of several such as "cuda:1".
        precision: "auto", "fp32", "bf16" or "fp16"; `auto` is bf16 where the processor computes in it.

    Raises:
        ConfigError: There is no such device, or fp16 is asked of a CPU.
    """
    chosen = pick_device(device)
    if chosen.type == "cpu" and precision == "fp16":
        raise ConfigError("precision", "fp16 on a CPU", "Use bf16, or auto.", "fp32 or bf16")
    if chosen.type == "cpu":
        _tune_allocator()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces each choice otherwise
    which: Any = 1 if chosen.type == "cpu" else [chosen.index or 0]
    return Fabric(accelerator=chosen.type, devices=which, precision=_pick_precision(chosen, precision))


def pick_device(wanted: str = "auto") -> torch.device:
    """The device asked for; `auto` is the first of CUDA, MPS and CPU that is there.

    Raises:
        ConfigError: There is no such device here.
    """
    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if wanted == "auto":
        return torch.device(next(kind for kind, count in counts.items() if count))
    kind, _, index = wanted.partition(":")
    if not (index or "0").isdigit() or int(index or 0) >= counts.get(kind, 0):
        here = ", ".join(f"{kind} ({count})" if count > 1 else kind for kind, count in counts.items() if count)
        raise ConfigError("device", f"no device {wanted!r} here", "Use auto, or one that is here.", here)
    return torch.device(wanted)


def _pick_precision(device: torch.device, wanted: str) -> Any:
    """Lightning Fabric's name of the precision: bf16 where the processor computes in it, else fp32."""
    if wanted != "auto":
        return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[wanted]
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return "bf16-mixed"
    return "32-true"


def _tune_allocator() -> None:
    """Keep freed memory in the process on Linux.

    Network activations are large blocks that glibc gives back to the kernel after each use and page-faults in
    again for the next: without this a forward pass on a CPU takes 1.5 to 1.8 times as long.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for parameter, value in _MALLOPT:
        libc.mallopt(parameter, value)

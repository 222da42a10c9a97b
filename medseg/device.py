"""Where and in which precision the network runs, and the allocator that makes a CPU fast."""

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from medseg.errors import ConfigError

__all__ = ["Compute", "open_compute", "pick_device"]

# glibc's <malloc.h>: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD.
_MALLOPT = ((-3, 2**31 - 1), (-1, 2**31 - 1), (-2, 64 << 20))


_LOWER = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Compute:
    """Where a network computes, and how exactly.

    Args:
        device: Of weights and activations.
        precision: fp32, bf16 or fp16, as torch's autocast has the lower ones.
    """

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in the precision within the block."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_LOWER[self.precision])

    def to_device(self, values: torch.Tensor) -> torch.Tensor:
        """Values on the device."""
        return values.to(self.device, non_blocking=self.device.type == "cuda")


def open_compute(device: str = "auto", precision: str = "auto") -> Compute:
    """One device, its allocator made fast.

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
    return Compute(chosen, _pick_precision(chosen) if precision == "auto" else precision)


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


def _pick_precision(device: torch.device) -> str:
    """bf16 where the processor computes in it, else fp32; on a GPU the lower one that it has."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return "bf16"
    return "fp32"


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

"""Memory that does not suffice: recognised, explained, and mended by a smaller batch."""

from pathlib import Path

import torch

from medseg.atomic import write_text
from medseg.errors import TrainingError
from medseg.plan import Plan

__all__ = ["halved", "is_shortage", "shortage"]

# What torch says where it raises a plain RuntimeError: its CPU allocator, and cuDNN's and cuBLAS's workspaces.
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def shortage(error: BaseException, plan: Plan, device: torch.device) -> TrainingError:
    """The error to raise, with the numbers that can be lowered."""
    patch = ", ".join(map(str, plan.patch_size))
    factors = zip(plan.patch_size, plan.network.factors, strict=True)
    smaller = ", ".join(str(max(n // 2 // factor, 1) * factor) for n, factor in factors)
    first = (str(error).splitlines() or [type(error).__name__])[0]
    lower = f"plan.batch_size={max(1, plan.batch_size // 2)}, " if plan.batch_size > 1 else ""
    mend = (
        f"Lower what a step takes: {lower}plan.patch_size=[{smaller}], or give memory=... (such as 4GiB) for a new "
        "plan; learning.lower_batch=true halves the batch by itself."
    )
    return TrainingError(
        f"memory of the {device.type}",
        f"does not suffice for batches of {plan.batch_size} of [{patch}] ({first})",
        mend,
    )


def halved(plan: Plan, path: Path) -> Plan:
    """The plan with half its batch, written over the plan of the run with the reason."""
    reason = f"half of {plan.batch_size}: memory did not suffice in training"
    smaller = plan.model_copy(
        update={"batch_size": plan.batch_size // 2, "reasons": {**plan.reasons, "batch_size": reason}}
    )
    write_text(path, smaller.model_dump_json(indent=2) + "\n")
    return smaller

"""What one window costs a network, counted and not timed: the same on every machine and at every hour."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from medseg.inference.backends.original import Original

__all__ = ["gigaflops"]


def gigaflops(original: Original) -> float:
    """Multiplications and additions of one window, in units of 10⁹; nothing is computed for it.

    Infinite where a network cannot be followed without its numbers.
    """
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
            original.network(torch.zeros(1, *original.window))
    except Exception:  # whatever a network of anybody's can raise when its tensors hold no numbers
        return float("inf")
    return counter.get_total_flops() / 1e9

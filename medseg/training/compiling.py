"""A network compiled by torch, or as it is where torch cannot."""

import copy
import warnings
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import random

from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.shortage import is_shortage

__all__ = ["compiled"]


def compiled(model: Any, plan: Plan, fabric: Fabric, reporter: Reporter) -> Any:
    """The model compiled for the plan's batches, which is tried once forth and back; its weights do not change.

    Args:
        model: As Fabric runs it; gives a list of logits.
        plan: Has the size of a batch.
        fabric: Device and precision.
        reporter: Told why, where the model goes on as it is.
    """
    kept = copy.deepcopy(model.state_dict())
    reporter.say("Compiling the network, which takes minutes")
    try:
        with random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's compiler imports what torch has deprecated
            fast = torch.compile(model, dynamic=False)
            model.train()
            images = torch.zeros(plan.batch_size, len(plan.channels), *plan.patch_size, device=fabric.device)
            fabric.backward(torch.stack([logits.square().mean() for logits in fast(images)]).sum())
    except RuntimeError as error:
        if is_shortage(error):
            raise
        reporter.say(f"Warning: torch.compile cannot compile this network, which is trained as it is: {_said(error)}")
        fast = model
    finally:
        model.load_state_dict(kept)  # running means of batch norms have seen the trial
        model.zero_grad(set_to_none=True)
    return fast


def _said(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__

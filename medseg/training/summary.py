"""`summary.json`: what happened in a run, for those who read it afterwards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medseg.atomic import write_text
from medseg.plan import Plan
from medseg.training.checkpoint import Progress

__all__ = ["write_summary"]


def write_summary(
    path: Path,
    progress: Progress,
    plan: Plan,
    ended: str,
    left_out: Mapping[str, str],
    preparing: float,
    where: str,
    weights: int,
) -> None:
    """Write how far a run is, what it left out or lowered, and where its minutes went.

    Args:
        path: The file.
        progress: How far it is.
        plan: As it is now; the reason for its batch tells whether that was lowered.
        ended: Why it is over; empty while it runs.
        left_out: Why cases were left out, by their ids.
        preparing: Seconds that preparing the cases took in this process.
        where: Device and precision.
        weights: Trainable parameters of the network.

    Raises:
        OutputError: The file cannot be written.
    """
    dices = progress.dices
    best = [row for row in progress.history if dices and row.get("val_dice") == max(dices)]
    learning = progress.seconds - progress.waiting - progress.validating
    told: dict[str, Any] = {
        "ended": ended or None,
        "steps": progress.step,
        "planned_steps": progress.total_steps,
        "epochs": len(progress.history),
        "best_epoch": int(best[0]["epoch"]) if best else None,
        "best_dice": max(dices, default=None),
        "batch_size": plan.batch_size,
        "batch_size_reason": plan.reasons.get("batch_size"),
        "left_out": dict(left_out),
        "minutes": {
            "preparing": round(preparing / 60, 3),
            "learning": round(learning / 60, 3),
            "waiting_for_batches": round(progress.waiting / 60, 3),
            "validating": round(progress.validating / 60, 3),
        },
        "seconds_per_step": round(progress.step_seconds, 4),
        "where": where,
        "accelerator": torch.cuda.get_device_name() if where.startswith("cuda") else None,
        "parameters": weights,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    write_text(path, json.dumps(told, indent=2) + "\n")

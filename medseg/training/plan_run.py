"""The plan of a run: computed from its training cases, or an earlier model's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from medseg.atomic import write_text
from medseg.case import Case
from medseg.config import check
from medseg.device import pick_device
from medseg.errors import ConfigError, DatasetError, LabelError, ModelFolderError
from medseg.labels import Labels
from medseg.plan import Plan, model_root, read_plan
from medseg.reporting import Reporter
from medseg.training.cases import require_judged
from medseg.training.each_case import CaseWork
from medseg.training.fingerprint import take_fingerprint
from medseg.training.memory import bytes_of, memory_text, step_bytes
from medseg.training.planning import compute_plan, overridden
from medseg.training.settings import TrainSettings
from medseg.trust import require_named

__all__ = ["plan_training"]

_ASIDE = {
    "name",
    "out",
    "minutes",
    "epochs",
    "jobs",
    "augment",
    "loss",
    "log",
    "learning",
    "memory",
    "unreadable",
}  # no say in a plan


def plan_training(
    cases: Sequence[Case], labels: Labels, channels: Sequence[str], settings: TrainSettings, reporter: Reporter
) -> Plan:
    """The plan of a run: computed from its training cases once, and saved as `plan.json`.

    With `init` it is the earlier model's, so that its weights fit; `plan` overrides still apply.

    Raises:
        LabelError: The labels are not those of the model that training starts from.
        ModelFolderError: That is an ensemble.
        DatasetError: A label was looked for in no case or shown in none, or the cases do not fit one another.
        ConfigError: The folder holds a plan of other settings, an override does not fit, or the network of a plan
            from a file is somebody's own code that the config does not name.
    """
    require_judged(cases, labels)
    path = settings.folder / "plan.json"
    if path.exists():
        _require_same(settings)
        kept = read_plan(path)
        require_named(path, kept.network.name, settings.network_name)
        return kept
    if settings.init is not None:
        plan = _plan_of(settings.init, labels, channels, settings)
    else:
        plan = _computed(cases, labels, channels, settings, reporter)
    write_text(_record(settings), json.dumps(_said(settings), indent=2, sort_keys=True) + "\n")
    write_text(path, plan.model_dump_json(indent=2) + "\n")
    return plan


def _computed(
    cases: Sequence[Case], labels: Labels, channels: Sequence[str], settings: TrainSettings, reporter: Reporter
) -> Plan:
    # Before the cases are read, so that a mistake is told at once.
    device = pick_device(settings.learning.device)
    memory = bytes_of(settings.memory) if settings.memory is not None else _memory_of(device)
    fingerprint = take_fingerprint(
        cases,
        labels,
        reporter,
        settings.modality,
        settings.seed,
        settings.reading,
        settings.preparation,
        folder=settings.folder / "fingerprint",
        work=CaseWork(
            "Looking at the training cases", settings.jobs, settings.unreadable, settings.folder / "left_out.csv"
        ),
    )
    given = {"reading": settings.reading, "preparation": settings.preparation, **settings.plan}
    return compute_plan(fingerprint, labels, channels, given, gpu=device.type != "cpu", memory=memory)


def _memory_of(device: torch.device) -> int | None:
    """Bytes that a step may take on a device; None on a CPU, which is bound by time."""
    if device.type != "cuda":
        return None
    return int(0.9 * torch.cuda.get_device_properties(device).total_memory)


def _plan_of(model: Path, labels: Labels, channels: Sequence[str], settings: TrainSettings) -> Plan:
    """The plan of the model that training starts from."""
    earlier = read_plan(model_root(model) / "plan.json")
    if earlier.members > 1:
        mend = "Start from one of the models that it was made of, such as fold0."
        raise ModelFolderError(model, f"is an ensemble of {earlier.members}", mend)
    if earlier.label_set.names != labels.names:
        names = ", ".join(earlier.label_set.names)
        raise LabelError("labels", ", ".join(labels.names), "Fine-tune on the same structures.", f"{names} as in init")
    if len(earlier.channels) != len(channels):
        wanted = f"{len(earlier.channels)} ({', '.join(earlier.channels)}) as in init"
        raise DatasetError(
            "channels", f"{len(channels)} ({', '.join(channels)})", "Fine-tune on the same images.", wanted
        )
    merged = {**earlier.model_dump(), "labels": labels.to_config(), "reading": settings.reading}
    if settings.preparation:
        merged |= {"preparation": settings.preparation, "portable": False}
    merged |= settings.plan
    merged["network"] = {**earlier.network.model_dump(), **settings.plan.get("network", {})}
    plan = check(Plan, merged | {"reasons": overridden(earlier.reasons, settings.plan)}, "plan")
    require_named(model_root(model) / "plan.json", plan.network.name, settings.network_name)
    return plan if settings.memory is None else _within(plan, bytes_of(settings.memory), "batch_size" in settings.plan)


def _within(plan: Plan, memory: int, fixed: bool) -> Plan:
    """The plan with a batch whose step fits the memory; patch and network are those that the weights were made for.

    Args:
        plan: Of the model that training starts from.
        memory: Bytes that a step may take.
        fixed: Whether the config sets the batch.

    Raises:
        ConfigError: No batch fits.
    """
    net = plan.network
    for batch in range(plan.batch_size, plan.batch_size - 1 if fixed else 0, -1):
        size = step_bytes(plan.patch_size, batch, net.features, net.kernels, net.strides, net.blocks)
        if size <= memory:
            why = {} if batch == plan.batch_size else {"batch_size": f"lowered until a step fits {memory_text(memory)}"}
            told = {"step_mib": round(size / 2**20), "reasons": plan.reasons | why}
            return plan.model_copy(update={"batch_size": batch, **told})
    found = f"{memory_text(memory)}, but the smallest step of the model takes about {memory_text(size)}"
    raise ConfigError("memory", found, "Give more, or set a smaller plan.patch_size or plan.batch_size.")


def _record(settings: TrainSettings) -> Path:
    return settings.folder / "planned.json"


def _said(settings: TrainSettings) -> dict[str, Any]:
    """The settings that a plan depends on."""
    return json.loads(settings.model_dump_json(exclude=_ASIDE)) | {"memory": settings.memory}


def _require_same(settings: TrainSettings) -> None:
    """Refuse a plan that was made with other settings; who says nothing of memory takes the plan as it is."""
    path = _record(settings)
    if not path.exists():
        return
    before, now = json.loads(path.read_text(encoding="utf-8")), _said(settings)
    ignored = _ASIDE if now["memory"] is None else _ASIDE - {"memory"}
    changed = sorted(key for key in (now.keys() | before.keys()) - ignored if now.get(key) != before.get(key))
    if changed:
        mend = "Make it again by `medseg plan` with this config, delete it, or choose another out=..."
        raise ConfigError(settings.folder / "plan.json", f"was made with other settings ({', '.join(changed)})", mend)

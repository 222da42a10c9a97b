"""The stages of a training after its plan: prepared cases and weights."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from safetensors import SafetensorError
from torch import nn, random

from medseg.atomic import write_text
from medseg.case import Case
from medseg.errors import ConfigError, DatasetError, ModelFolderError
from medseg.networks.building import build_network
from medseg.networks.encoder_weights import start_encoder
from medseg.networks.weights import read_weights
from medseg.plan import Plan, model_root
from medseg.reporting import Reporter
from medseg.training.air import finds_nothing_in_air
from medseg.training.balance import weighed
from medseg.training.cache import CachedCase, cache_cases
from medseg.training.checkpoint import Progress
from medseg.training.each_case import CaseWork, for_each_case
from medseg.training.fabric import open_fabric
from medseg.training.fit import Trained, fit
from medseg.training.losses import build_loss
from medseg.training.observer import Observer
from medseg.training.patches import PatchSource
from medseg.training.settings import TrainSettings
from medseg.training.summary import write_summary
from medseg.training.validation import require_readable
from medseg.transforms.augmentation.drawing import build_augmentation

__all__ = ["learn", "require_same_settings"]


# What has no say in the weights, so that a run may go on with another: processes, what failures do, logs.
_FREE, _FREE_OF_LEARNING = {"jobs", "unreadable", "log"}, {"workers", "lower_batch"}


def require_same_settings(settings: TrainSettings) -> None:
    """Refuse to go on with a run by other settings than it began with, where they have a say in what is learnt.

    Raises:
        ConfigError: The folder holds a run with other settings; the keys that differ are named.
    """
    path = settings.folder / "settings.json"
    if not path.exists():
        return
    before = _decisive(json.loads(path.read_text(encoding="utf-8")))
    now = _decisive(json.loads(settings.model_dump_json()))
    changed = sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
    if changed:
        mend = "Choose another out=..., or delete that folder."
        raise ConfigError(settings.folder, f"holds a run with other settings ({', '.join(changed)})", mend)


def _decisive(told: Mapping[str, Any]) -> dict[str, Any]:
    learning = {key: value for key, value in told.get("learning", {}).items() if key not in _FREE_OF_LEARNING}
    return {key: value for key, value in told.items() if key not in _FREE} | {"learning": learning}


def learn(
    training: Sequence[Case],
    validation: Sequence[Case],
    plan: Plan,
    settings: TrainSettings,
    reporter: Reporter,
    observer: Observer,
) -> Trained:
    """Prepare the cases and train the plan's network to the end of the budget.

    Raises:
        ConfigError: The settings of the loss do not fit the labels, or the precision the device.
        DatasetError: There is no case to validate on.
        MedsegError: A case cannot be read, the loss is not finite, or memory does not suffice.
    """
    if not validation:
        mend = "Name some in the file of the split: the best weights are chosen by them."
        raise DatasetError("validation part", "no labelled case", mend)
    # A mistake in the loss, the device or the network is told before the cases are prepared.
    build_loss(plan.label_set, settings.loss.balanced((1.0,) * plan.outputs))
    learning = settings.learning
    fabric = open_fabric(learning.device, learning.precision)
    network = _start(plan, settings)
    # Only now has the run begun: what was told so far can be mended in the same folder.
    told = json.loads(settings.model_dump_json())
    write_text(settings.folder / "settings.json", json.dumps(told, indent=2, sort_keys=True) + "\n")
    begin = time.monotonic()
    work = CaseWork("Preparing the cases", settings.jobs, settings.unreadable, settings.folder / "left_out.csv")
    cached = cache_cases(training, plan, settings.folder / "cache", reporter, settings.seed, work)
    _warn_of_absent(cached.results, plan, reporter)
    seen = for_each_case(
        partial(require_readable, plan=plan),
        validation,
        replace(work, text="Looking at the validation cases", record=None),
        reporter,
    )
    preparing = time.monotonic() - begin
    settings = weighed(settings, cached.results, plan)
    source = PatchSource(
        cached.results,
        plan.patch_size,
        plan.batch_size,
        learning.foreground,
        build_augmentation(plan, settings.augment),
        settings.seed,
        learning.lesion_cases,
    )
    where = f"{fabric.device.type} {fabric.strategy.precision.precision}"
    reporter.say(
        f"{plan.dims}D {plan.network.name}, patch {'×'.join(map(str, plan.patch_size))}, batch {plan.batch_size}, "
        f"features {plan.network.features}, {where}, {learning.optimiser} by {learning.schedule}"
    )

    weights = sum(one.numel() for one in network.parameters() if one.requires_grad)

    def note(progress: Progress, now: Plan, ended: str) -> None:
        left_out = cached.left_out | seen.left_out | progress.left_out
        write_summary(settings.folder / "summary.json", progress, now, ended, left_out, preparing, where, weights)

    trained = fit(network, source, seen.cases, plan, settings, fabric, reporter, observer, note)
    return replace(trained, plan=_run_best(trained, seen.cases, settings, fabric))


def _run_best(trained: Trained, cases: Sequence[Case], settings: TrainSettings, fabric: Fabric) -> Plan:
    """The plan with what a finished training tells of how its network may be run; what the config sets stays."""
    nothing, why = finds_nothing_in_air(trained.network, trained.plan, cases, fabric)
    axes = settings.augment.mirrored(trained.plan.dims)
    learnt = {"air_is_background": nothing, "mirror_axes": axes}
    reasons = {"air_is_background": why, "mirror_axes": "as training mirrored" if axes else "training mirrored none"}
    open_ones = learnt.keys() - settings.plan.keys()
    told = trained.plan.reasons | {key: why for key, why in reasons.items() if key in open_ones}
    return trained.plan.model_copy(update={key: learnt[key] for key in open_ones} | {"reasons": told})


def _warn_of_absent(cases: Sequence[CachedCase], plan: Plan, reporter: Reporter) -> None:
    """Tell of labels that no case shows: for a fold, or for a model trained further, no plan has looked for them."""
    for place, name in enumerate(plan.label_set.names, start=1):
        if not any(case.places[place].size for case in cases):
            reporter.say(f"Warning: {name} is in none of the {len(cases)} training cases: nothing teaches it")


def _start(plan: Plan, settings: TrainSettings) -> nn.Module:
    """Fresh weights by seed, or those of the model that training starts from."""
    with random.fork_rng(devices=[]):
        random.manual_seed(settings.seed)
        network = build_network(plan)
        start_encoder(network, plan)
    if settings.init is not None:
        _start_from(network, model_root(settings.init) / "models" / "model.safetensors")
    return network


def _start_from(network: nn.Module, path: Path) -> None:
    try:
        read_weights(network, path)
    except (OSError, SafetensorError, ValueError) as error:
        mend = "Pass a whole model folder as init, and override nothing of its network."
        raise ModelFolderError(path, f"cannot be started from ({error})", mend) from error

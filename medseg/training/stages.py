"""The stages of a training after its plan: prepared cases and weights."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from torch import nn, random

from medseg.atomic import write_text
from medseg.case import Case
from medseg.device import open_fabric
from medseg.errors import ConfigError, ModelFolderError
from medseg.networks import build_network
from medseg.networks.encoder_weights import start_encoder
from medseg.networks.weights import read_weights
from medseg.plan import Plan, model_root
from medseg.reporting import Reporter
from medseg.training.balance import weighed
from medseg.training.cache import cache_cases
from medseg.training.checkpoint import Progress
from medseg.training.each_case import CaseWork
from medseg.training.fit import Trained, fit
from medseg.training.losses import build_loss
from medseg.training.observer import Observer
from medseg.training.patches import PatchSource
from medseg.training.settings import TrainSettings
from medseg.training.summary import write_summary
from medseg.transforms.augmentation.drawing import build_augmentation

__all__ = ["learn", "require_same_settings"]


def require_same_settings(settings: TrainSettings) -> None:
    """Record the settings in the run's folder; a run that goes on must go on with the same.

    Raises:
        ConfigError: The folder holds a run with other settings; the keys that differ are named.
    """
    path = settings.folder / "settings.json"
    now = json.loads(settings.model_dump_json())
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
        if changed:
            mend = "Choose another out=..., or delete that folder."
            raise ConfigError(settings.folder, f"holds a run with other settings ({', '.join(changed)})", mend)
    write_text(path, json.dumps(now, indent=2, sort_keys=True) + "\n")


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
        MedsegError: A case cannot be read, the loss is not finite, or memory does not suffice.
    """
    # A mistake in the loss, the device or the network is told before the cases are prepared.
    build_loss(plan.label_set, settings.loss.balanced((1.0,) * plan.outputs))
    learning = settings.learning
    fabric = open_fabric(learning.device, learning.precision)
    network = _start(plan, settings)
    begin = time.monotonic()
    work = CaseWork("Preparing the cases", settings.jobs, settings.unreadable, settings.folder / "left_out.csv")
    cached = cache_cases(training, plan, settings.folder / "cache", reporter, settings.seed, work)
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

    def note(progress: Progress, now: Plan, ended: str) -> None:
        left_out = cached.left_out | progress.left_out
        write_summary(settings.folder / "summary.json", progress, now, ended, left_out, preparing, where)

    return fit(network, source, validation, plan, settings, fabric, reporter, observer, note)


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

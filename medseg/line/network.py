"""Open a model for a batch, with its share of the processors, and tell what a batch needs to know of it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medseg.errors import ModelFolderError
from medseg.labels import Labels
from medseg.line.segmenting import Local
from medseg.options import ReadOptions
from medseg.segmenter import Segmenter

__all__ = ["Facts", "Opening", "opened", "opened_apart", "pinned"]

_CHOSEN = ("backend", "precision")  # by "auto"


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    Args:
        path: What `load_model` takes.
        settings: As in `load_model`.
        threads: Of torch on a CPU; None for a share of those that there are.
        cores: How many there are; None for torch's own choice.
        workers: Processes that share them; None for as many as are worth it, see `Facts.fit`.
        hash: That its weights have to have; "" for any.
    """

    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    cores: int | None = None
    workers: int | None = None
    hash: str = ""


@dataclass(frozen=True)
class Facts:
    """What a batch needs to know of an opened model; see `medseg.segmenter.Model`.

    Args:
        labels: What its masks can contain.
        channels: Names of its images' channels.
        reading: How files become its images.
        hash: SHA-256 of its weights; "" where it has none to tell.
        description: Its plan.
        settings: How it runs here.
        together: Images that share a call of the network.
        threads: Of torch; None for a classical method, whose masks are the same whether torch is loaded or not.
        gives_probabilities: Whether it has any.
        fit: Processes with this model open that the machine is worth: one for each GPU; on a CPU one for each
            processor where its network is light, else one.
        devices: GPUs that they can be spread over.
    """

    labels: Labels
    channels: tuple[str, ...] = ()
    reading: ReadOptions = field(default_factory=ReadOptions)
    hash: str = ""
    description: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    together: int = 1
    threads: int | None = None
    gives_probabilities: bool = True
    fit: int = 1
    devices: int = 0

    @classmethod
    def of(cls, model: Segmenter) -> "Facts":
        """Of a model, or of anything that segments."""
        torch, settings = sys.modules.get("torch"), dict(getattr(model, "settings", {}))
        return cls(
            model.labels,
            tuple(getattr(model, "channels", ())),
            getattr(model, "reading", None) or ReadOptions(),
            getattr(model, "hash", ""),
            dict(getattr(model, "description", {})),
            settings,
            getattr(model, "together", 1),
            torch.get_num_threads() if torch and "method" not in settings else None,
            getattr(model, "gives_probabilities", True),
        )


def pinned(settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in which what was chosen for "auto" stands in its place."""
    found = {name: chosen[name] for name in _CHOSEN if settings.get(name) == "auto" and chosen.get(name)}
    return {**settings, **found}


def opened(opening: Opening) -> tuple[Local, Facts]:
    """Open a model; what segments, and what is told of it.

    Raises:
        MedsegError: It cannot be opened, or is not the one that it was.
    """
    from medseg.classical_models import is_classical_model, open_classical_model
    from medseg.inference.settings import InferenceSettings

    settings = InferenceSettings(**opening.settings)
    if is_classical_model(opening.path):
        classical = open_classical_model(opening.path, settings.model_dump(exclude_defaults=True))
        local, facts = Local(classical), replace(Facts.of(classical), fit=opening.cores or _processors())
    else:
        local, facts = _opened_network(opening, settings)
    if opening.hash and facts.hash != opening.hash:
        found = "is not the model that it was when the run began"
        raise ModelFolderError(opening.path, found, "Give the command again when nobody writes to it any more.")
    return local, facts


def opened_apart(opening: Opening) -> tuple[Local, Facts]:
    """`opened`, in a process that is there for this model alone."""
    from medseg.networks.lean import allow_lean

    allow_lean()
    return opened(opening)


def _opened_network(opening: Opening, settings: Any) -> tuple[Local, Facts]:
    import torch

    from medseg.inference.model_folder import load_model

    cores = opening.cores or torch.get_num_threads()
    threads = opening.threads or max(1, cores // (opening.workers or 1))
    torch.set_num_threads(threads)
    model = load_model(opening.path, settings)
    fit, devices = 1, 0
    if str(model.settings.get("device", "cpu")).startswith("cuda"):
        devices = torch.cuda.device_count() if settings.device in ("auto", "cuda") else 0
        fit = max(1, devices)
    elif getattr(model, "is_light", False):
        if opening.threads is None and opening.workers is None:
            threads = 1
            torch.set_num_threads(1)
        fit = max(1, cores // threads)
    return Local(model), replace(Facts.of(model), fit=fit, devices=devices)


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""What the network's process does, or this one in its place: open a model, and segment images by it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.line.child import Start, portable
from medseg.line.limits import Watch
from medseg.line.worker import Worker
from medseg.options import ReadOptions
from medseg.room import Shared
from medseg.segmenter import Segmenter

__all__ = ["Ask", "Facts", "Local", "Opening", "Remote", "answers_of", "opened", "segment"]


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    Args:
        path: What `load_model` takes.
        settings: As in `load_model`.
        threads: Of torch on a CPU; None for its own choice.
    """

    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None


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
        threads: Of torch.
        gives_probabilities: Whether it has any.
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

    @classmethod
    def of(cls, model: Segmenter) -> "Facts":
        """Of a model, or of anything that segments."""
        import sys

        torch = sys.modules.get("torch")
        return cls(
            model.labels,
            tuple(getattr(model, "channels", ())),
            getattr(model, "reading", None) or ReadOptions(),
            getattr(model, "hash", ""),
            dict(getattr(model, "description", {})),
            dict(getattr(model, "settings", {})),
            getattr(model, "together", 1),
            torch.get_num_threads() if torch else None,
            getattr(model, "gives_probabilities", True),
        )


@dataclass(frozen=True, eq=False)
class Ask:
    """Images to segment together.

    Args:
        cases: Whose they are.
        images: As many.
        shares: For each the file for its probabilities, if any.
        among: As many as these share the call of the network: where fewer are asked for, since others of their group
            were done before or took the process down, copies fill it up, so that a mask is the same to the last bit.
    """

    cases: tuple[Case, ...]
    images: tuple[Image, ...]
    shares: tuple[Path | None, ...]
    among: int = 1


@dataclass(frozen=True, eq=False)
class Local:
    """A model in this process.

    Args:
        model: What segments.
        look: Each segmentation has its probabilities and is shown to it.
    """

    model: Segmenter
    look: Callable[[Case, Segmentation], None] | None = None


class Remote:
    """A model that is open in a process of its own; this one loads no torch for it.

    Args:
        opening: How it is opened; that goes on while other things are done.
    """

    def __init__(self, opening: Opening) -> None:
        self._start = Start((__name__, segment.__name__), opening, Shared(), (__name__, opened.__name__))
        self._worker: Worker | None = Worker(self._start)

    @property
    def facts(self) -> Facts:
        """What it is; waits until it is open.

        Raises:
            MedsegError: It cannot be opened.
        """
        assert self._worker is not None
        facts: Facts = self._worker.prepare()
        return facts

    def worker(self, watch: Watch, shared: Shared) -> Worker:
        """The process, kept to limits from now on; where large arrays lie elsewhere a fresh one."""
        assert self._worker is not None
        if shared == self._start.shared:
            return self._worker.kept_to(watch)
        self.close()
        return Worker(replace(self._start, shared=shared), watch)

    def close(self) -> None:
        """End its process."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None


def opened(opening: Opening) -> tuple[Local, Facts]:
    """Open a model; what segments, and what is told of it."""
    from medseg.inference.settings import InferenceSettings
    from medseg.workflow.classical_models import is_classical_model, open_classical_model

    settings = InferenceSettings(**opening.settings)
    if is_classical_model(opening.path):
        classical = open_classical_model(opening.path, settings.model_dump(exclude_defaults=True))
        return Local(classical), Facts.of(classical)
    from medseg.inference.model_folder import load_model

    if opening.threads is not None:
        import torch

        torch.set_num_threads(opening.threads)
    model = load_model(opening.path, settings)
    return Local(model), Facts.of(model)


def segment(local: Local, ask: Ask) -> list[Segmentation | Exception]:
    """For each image its segmentation (without the image, which the asker has), or the error that it ended with.

    Raises:
        OutputError: Probabilities cannot be written.
    """
    several = getattr(local.model, "segment_several", None)
    if several is None or ask.among < 2:
        return [_one(local, *each) for each in zip(ask.cases, ask.images, ask.shares, strict=True)]
    filled = [*ask.images, *[ask.images[-1]] * (ask.among - len(ask.images))]
    return [_bare(found) for found in several(filled)[: len(ask.images)]]


def _one(local: Local, case: Case, image: Image, share: Path | None) -> Segmentation | Exception:
    try:
        wanted = share if share is not None else local.look is not None
        found = local.model.segment(image, probabilities=wanted)
        if local.look is not None:
            local.look(case, found)
    except OutputError:
        raise
    except Exception as error:  # the night's run goes on whatever one study does to it
        return portable(error)
    return _bare(found)


def _bare(found: Segmentation | Exception) -> Segmentation | Exception:
    if isinstance(found, Exception):
        return portable(found)
    return replace(found, probabilities=None, image=None)


def answers_of(found: Sequence[Segmentation | Exception], images: Sequence[Image]) -> list[Segmentation | Exception]:
    """The answers with their images again."""
    pairs = zip(found, images, strict=True)
    return [one if isinstance(one, Exception) else replace(one, image=image) for one, image in pairs]

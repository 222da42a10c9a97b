"""What segmenting is asked, and what it answers: images by the model that is open here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medseg.case import Case
from medseg.errors import OutputError
from medseg.image import Image, Segmentation
from medseg.line.child import portable
from medseg.segmenter import Segmenter

__all__ = ["Ask", "Local", "answers_of", "segment"]


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

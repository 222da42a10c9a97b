"""Training cases prepared once and read by memory map: `image.npy`, `label.npy` and where each class is.

A case's folder is named by its id and a hash of the plan's preparation and of the bytes of its files, so that a stale
one is never read and a copy of the data set is not prepared again; a case counts as prepared only when its folder was
renamed into place. Images are float32: float16 would halve the disk but has to be turned back at each patch.
"""

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile
from zlib import crc32

import numpy as np

from medseg.case import Case
from medseg.errors import OutputError
from medseg.io import read_case_image
from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.cases import read_targets
from medseg.training.content import case_content, short_key
from medseg.training.each_case import CaseWork, Done, for_each_case
from medseg.transforms.prepare import prepare, prepare_labels

__all__ = ["CachedCase", "cache_cases"]

_PREPARATION = {
    "spacing_mm", "longest_side", "resampling", "normalisation", "crop_above", "labels", "channels", "preparation",
    "reading",
}  # fmt: skip
_PLACES = 10_000  # voxels of each class whose place is kept, to centre patches on
_STALE = 3600.0  # seconds after which nobody can be at work on a case any more


@dataclass(frozen=True, eq=False)
class CachedCase:
    """One prepared case.

    Args:
        id: The case's id.
        voxels: float32, shape (C, *working shape), memory-mapped.
        targets: uint8, memory-mapped: class indices, shape working shape; of labels that may overlap 0 and 1 for each,
            shape (labels, *working shape).
        judged: For each label whether somebody looked for it in this case.
        places: For each class, background first, flat indices of some of its voxels in the working shape.
    """

    id: str
    voxels: np.ndarray
    targets: np.ndarray
    judged: tuple[bool, ...]
    places: tuple[np.ndarray, ...]


def cache_cases(
    cases: Sequence[Case], plan: Plan, folder: Path, reporter: Reporter, seed: int = 0, work: CaseWork | None = None
) -> Done[CachedCase]:
    """Prepare what is not prepared yet, by several processes where that pays, and open all of it.

    Args:
        cases: Labelled cases.
        plan: How they are prepared.
        folder: Of the cache.
        reporter: Told of the progress.
        seed: Of the choice of places.
        work: Processes, and what an unreadable case does.

    Returns:
        The cases that could be read, opened (`results`), and why others were left out.

    Raises:
        MedsegError: A case cannot be read or does not fit the plan, and `work` does not leave it out; it is named.
    """
    _remove_leftovers(folder)
    done = for_each_case(
        partial(_place_of, plan=plan, folder=folder, seed=seed),
        cases,
        work or CaseWork("Preparing the cases"),
        reporter,
    )
    opened = [_open(case, plan, place) for case, place in zip(done.cases, done.results, strict=True)]
    return Done(done.cases, opened, done.left_out)


def _place_of(case: Case, plan: Plan, folder: Path, seed: int) -> Path:
    """The folder of a prepared case."""
    how = plan.model_dump_json(include=_PREPARATION)
    place = folder / f"{case.id}-{short_key(how, case_content(case), str(seed))}"
    if place.exists() and not _is_whole(case, plan, place):
        shutil.rmtree(place)
    if not place.exists():
        _prepare_one(case, plan, place, np.random.default_rng([seed, crc32(case.id.encode())]))
    return place


def _prepare_one(case: Case, plan: Plan, place: Path, rng: np.random.Generator) -> None:
    image = read_case_image(case, plan.reading)
    prepared = prepare(image, plan)
    targets = prepare_labels(read_targets(case, plan.label_set, image, plan.reading), prepared.restoration).numpy()
    unfinished = place.with_name(f".{place.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        unfinished.mkdir(parents=True)
        np.save(unfinished / "image.npy", prepared.voxels.numpy())
        np.save(unfinished / "label.npy", targets)
        np.savez(unfinished / "places.npz", *_places(targets, plan, rng))
        unfinished.rename(place)
    except OSError as error:
        if not place.exists():  # else another process was quicker
            mend = "Free some space, or choose another `out`."
            raise OutputError(place, f"cannot be written ({error})", mend) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _places(targets: np.ndarray, plan: Plan, rng: np.random.Generator) -> list[np.ndarray]:
    labels = plan.label_set
    if labels.exclusive:
        classes = [targets == index for index in range(labels.classes)]
    else:
        classes = [(targets == 0).all(axis=0), *(channel == 1 for channel in targets)]
    places = []
    for inside in classes:
        (found,) = np.nonzero(inside.reshape(-1))
        places.append(np.sort(rng.choice(found, _PLACES, replace=False)) if found.size > _PLACES else found)
    return places


def _is_whole(case: Case, plan: Plan, place: Path) -> bool:
    """Whether what was prepared can still be opened: files are cut where a disk was full or a machine went down."""
    try:
        _open(case, plan, place)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return False
    return True


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left half-way; what is younger may be another process at work."""
    for path in folder.glob(".*"):
        if path.is_dir() and time.time() - path.stat().st_mtime > _STALE:
            shutil.rmtree(path, ignore_errors=True)


def _open(case: Case, plan: Plan, place: Path) -> CachedCase:
    labels = plan.label_set
    looked_for = labels.judged(case.annotated)
    with (place / "places.npz").open("rb") as stream, np.load(stream) as archive:
        places = tuple(archive[f"arr_{index}"] for index in range(labels.classes))
    return CachedCase(
        case.id,
        np.load(place / "image.npy", mmap_mode="r"),
        np.load(place / "label.npy", mmap_mode="r"),
        tuple(name in looked_for for name in labels.names),
        places,
    )

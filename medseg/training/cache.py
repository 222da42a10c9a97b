"""Training cases prepared once and read by memory map: `image.npy`, `label.npy` and where each class is.

A case's folder is named by its id and a hash of the plan's preparation and of its files' names, sizes and dates, so
that a stale one is never read; a case counts as prepared only when its folder was renamed into place.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg import address
from medseg.case import Case
from medseg.errors import OutputError
from medseg.io import read_case_image
from medseg.plan import Plan
from medseg.reporting import Reporter
from medseg.training.cases import read_targets
from medseg.transforms.prepare import prepare, prepare_labels

__all__ = ["CachedCase", "cache_cases"]

_PREPARATION = {"spacing_mm", "longest_side", "normalisation", "crop_above", "labels", "channels", "preparation"}
_PLACES = 10_000  # voxels of each class whose place is kept, to centre patches on


@dataclass(frozen=True, eq=False)
class CachedCase:
    """One prepared case.

    Args:
        id: The case's id.
        voxels: float32, shape (C, *working shape), memory-mapped.
        targets: uint8, memory-mapped: class indices, shape working shape; of labels that may overlap 0 and 1 for each,
            shape (labels, *working shape).
        judged: For each label whether somebody looked for it in this case.
        places: For each class, background first, flat indices of some of its voxels.
    """

    id: str
    voxels: np.ndarray
    targets: np.ndarray
    judged: tuple[bool, ...]
    places: tuple[np.ndarray, ...]


def cache_cases(cases: Sequence[Case], plan: Plan, folder: Path, reporter: Reporter, seed: int = 0) -> list[CachedCase]:
    """Prepare what is not prepared yet, and open all of it.

    Raises:
        MedsegError: A case cannot be read; it is named.
    """
    opened = []
    for number, case in enumerate(reporter.track(cases, "Preparing the cases", len(cases))):
        place = folder / f"{case.id}-{_key(case, plan)}"
        if not place.exists():
            _prepare_one(case, plan, place, np.random.default_rng([seed, number]))
        looked_for = plan.label_set.judged(case.annotated)
        judged = tuple(name in looked_for for name in plan.label_set.names)
        opened.append(_open(case.id, place, plan.label_set.classes, judged))
    return opened


def _key(case: Case, plan: Plan) -> str:
    parts = [plan.model_dump_json(include=_PREPARATION)]
    for source in (*case.images, *case.masks, *(mask for own in case.readers.values() for mask in own)):
        path, inside = address.split(source)
        stat = path.stat() if path.exists() else None
        parts.append(f"{path.resolve()} {inside} {stat and (stat.st_size, stat.st_mtime_ns)}")
    parts.append(str((case.spacing_mm, case.structures, case.annotated, case.negative)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _prepare_one(case: Case, plan: Plan, place: Path, rng: np.random.Generator) -> None:
    image = read_case_image(case, plan.reading)
    prepared = prepare(image, plan)
    indices = prepare_labels(read_targets(case, plan.label_set, image, plan.reading), prepared.restoration).numpy()
    unfinished = place.with_name(f".{place.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        np.save(unfinished / "image.npy", prepared.voxels.numpy())
        np.save(unfinished / "label.npy", indices)
        np.savez(unfinished / "places.npz", *_places(indices, plan.label_set.classes, rng))
        unfinished.rename(place)
    except OSError as error:
        raise OutputError(place, f"cannot be written ({error})", "Free some space, or choose another `out`.") from error


def _places(indices: np.ndarray, classes: int, rng: np.random.Generator) -> list[np.ndarray]:
    flat = indices.reshape(-1)
    places = []
    for index in range(classes):
        (found,) = np.nonzero(flat == index)
        places.append(np.sort(rng.choice(found, _PLACES, replace=False)) if found.size > _PLACES else found)
    return places


def _open(case_id: str, place: Path, classes: int, judged: tuple[bool, ...]) -> CachedCase:
    with np.load(place / "places.npz") as archive:
        places = tuple(archive[f"arr_{index}"] for index in range(classes))
    return CachedCase(
        case_id,
        np.load(place / "image.npy", mmap_mode="r"),
        np.load(place / "label.npy", mmap_mode="r"),
        judged,
        places,
    )

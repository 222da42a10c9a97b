"""Image and masks of one case, read once: figures, and what is wrong with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.contents import described, image_findings
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.label_counts import counted, mask_findings
from medseg.errors import GridMismatchError, MedsegError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import read_case_image, read_case_label_map, read_label_map
from medseg.io.grids import grid_relation
from medseg.io.label_map import LabelMap
from medseg.labels import IGNORE_INDEX, Labels, labels_of
from medseg.options import ReadOptions
from medseg.picture import montage

__all__ = ["facts_of"]

_MASKS_OF = "mask of {}: "


@dataclass(frozen=True, eq=False)
class _Read:
    """What came of reading a mask: the map where it lies on its image, and in any case what was counted."""

    label_map: LabelMap | None = None
    voxels: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def facts_of(
    case: Case, labels: Labels | None = None, options: ReadOptions | None = None, height: int | None = None
) -> CaseFacts:
    """What there is to know of one case; what cannot be read is a finding.

    Args:
        case: Which.
        labels: What its masks can contain.
        options: How to read, where there is a choice.
        height: Rows of a small picture, where one is wanted.
    """
    options = options or ReadOptions()
    try:
        image = read_case_image(case, options)
    except MedsegError as error:
        return CaseFacts(case, findings=(_unreadable(case, error),))
    seen = described(case, image)
    seen = replace(seen, findings=tuple(image_findings(seen)))
    main = _main_mask(case, image, labels, options)
    seen = _with(seen, main, "mask: ")
    for reader, masks in case.readers.items():
        one = replace(case, masks=masks, readers={})
        read = _mask(one, image, labels, partial(read_case_label_map, one, image, labels, options))
        seen = _with(seen, replace(read, voxels={}), _MASKS_OF.format(reader))
        seen = replace(seen, reader_voxels={**seen.reader_voxels, reader: dict(read.voxels)})
    return seen if height is None else replace(seen, thumbnail=_thumbnail(image, main.label_map, labels, height))


def _main_mask(case: Case, image: Image, labels: Labels | None, options: ReadOptions) -> _Read:
    """The reference mask; of several readers only where the options say what they become."""
    if not case.labelled or (case.readers and not options.consensus):
        return _Read()
    if not case.masks and not case.readers:
        return _Read(read_case_label_map(case, image, labels, options))  # negative: nothing to find, nothing to count
    return _mask(case, image, labels, partial(read_case_label_map, case, image, labels, options))


def _mask(case: Case, image: Image, labels: Labels | None, read: Callable[[], LabelMap]) -> _Read:
    try:
        found = read()
    except GridMismatchError as error:
        return _off_grid(case, image.geometry, labels, error)
    except MedsegError as error:
        return _Read(findings=(_unreadable(case, error),))
    voxels, unknown = counted(found.mask, labels, found.geometry.ndim)
    if labels is None and len(voxels) >= IGNORE_INDEX:
        return _Read(findings=(_no_label_map(case, len(voxels)),))
    return _Read(found, voxels, tuple(mask_findings(case, voxels, unknown)))


def _off_grid(case: Case, grid: Geometry, labels: Labels | None, error: GridMismatchError) -> _Read:
    """Masks that do not lie on their image: each read without it, compared and counted."""
    voxels: dict[str, int] = {}
    unknown: set[int] = set()
    findings: dict[str, Finding] = {}
    for place, path in enumerate(case.masks):
        structure = case.structures[place] if case.structures else ""
        try:
            alone = read_label_map(path, labels=None if structure else labels)
        except MedsegError as broken:
            findings[str(path)] = _unreadable(case, broken)
            continue
        own, others = counted(_drawn(alone.mask, structure), labels, alone.geometry.ndim, structure)
        voxels = {name: voxels.get(name, 0) + own.get(name, 0) for name in {**voxels, **own}}
        unknown |= others
        finding = _grid_finding(case, path, alone.geometry, grid)
        if finding is not None:
            findings[str(path)] = finding
    if not findings:  # the grids are one, so it is about frames of reference, say
        findings[""] = Finding("grid_size", _text(error), (case.id,), mend=error.mend)
    return _Read(None, voxels, (*findings.values(), *mask_findings(case, voxels, unknown)))


def _drawn(mask: np.ndarray, structure: str) -> np.ndarray:
    return (mask != 0).astype(np.uint8) if structure else mask


def _grid_finding(case: Case, path: Path, found: Geometry, grid: Geometry) -> Finding | None:
    relation = grid_relation(found, grid)
    if relation.kind == "same":
        return None
    return Finding(relation.kind, f"{path.name}: {relation.text}", (case.id,), mend=relation.mend)


def _with(seen: CaseFacts, read: _Read, before: str) -> CaseFacts:
    """The facts with those of a mask; `before` stands before its notes."""
    notes = tuple(f"{before}{note}" for note in read.label_map.notes) if read.label_map else ()
    fresh = tuple(one for one in read.findings if one not in seen.findings)
    return replace(
        seen,
        notes=(*seen.notes, *notes),
        label_voxels=dict(read.voxels) or seen.label_voxels,
        findings=(*seen.findings, *fresh),
    )


def _unreadable(case: Case, error: MedsegError) -> Finding:
    return Finding("unreadable", _text(error), (case.id,), mend=error.mend)


def _no_label_map(case: Case, values: int) -> Finding:
    text = f"the mask holds {values} different values: it is no label map, or one of instances"
    mend = "Declare what its values mean (--label NAME=VALUE), or give a mask of at most 254 labels."
    return Finding("undeclared_values", text, (case.id,), mend=mend)


def _text(error: MedsegError) -> str:
    return str(error).removesuffix(error.mend).rstrip(" .")


def _thumbnail(image: Image, found: LabelMap | None, labels: Labels | None, height: int) -> np.ndarray:
    """The first channel with the mask over it, where it could be read; values that nobody declared have colours too."""
    if found is None:
        return montage(image.voxels[0], image.geometry, height=height)
    labels = labels or labels_of(found.mask)
    stack = found.mask.ndim > image.geometry.ndim
    channels = found.mask == 1 if stack else (np.isin(found.mask, label.values) for label in labels.labels)
    indices = np.zeros(image.geometry.shape, np.uint8)
    for index, channel in enumerate(channels, start=1):
        indices[channel] = index
    return montage(image.voxels[0], image.geometry, indices, labels, height)

"""Mended copies of masks that do not lie on their images; no original is ever touched."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from medseg.case import Case
from medseg.datasets.dataset import Dataset
from medseg.datasets.inspection.inspecting import inspect_dataset
from medseg.datasets.inspection.inspection import Inspection
from medseg.datasets.manifest_writing import write_manifest
from medseg.errors import InputError, MedsegError
from medseg.image import Image, Segmentation
from medseg.io import read_case_image, read_label_map, write_mask
from medseg.io.grids import grid_relation
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent
from medseg.resample import moved

__all__ = ["Mend", "Mended", "mend_dataset"]

Mend = Literal["copy-header", "resample"]

_MENDS = {"copy-header": ("grid_header",), "resample": ("grid_header", "grid_resample")}
_GRIDS = ("grid_header", "grid_resample", "grid_size")


@dataclass(frozen=True)
class Mended:
    """What was mended.

    Args:
        manifest: The CSV of the mended data set, which `open_dataset` reads.
        masks: Each original mask with its mended copy.
        refused: Pairs of a case id and why a mask of it stays as it is.
    """

    manifest: Path
    masks: Mapping[Path, Path]
    refused: tuple[tuple[str, str], ...] = ()


def mend_dataset(
    inspected: Inspection | Dataset,
    out: str | Path,
    how: Mend,
    options: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Mended:
    """Write copies of masks that lie on their images, and a manifest that names them and every other original.

    Args:
        inspected: What `inspect_dataset` said; a data set is inspected first.
        out: A folder outside the data set: labels/ and, as the last file, manifest.csv are written to it.
        how: "copy-header" gives a mask of the image's size the image's header. "resample" brings a mask onto the
            image's grid through the positions that its header states: each label linearly, the largest share wins.
        options: How to read, where there is a choice.
        reporter: Shows how far it has come.

    Raises:
        InputError: The folder lies in the data set or holds a manifest already, or `how` is unknown.
        OutputError: A file cannot be written.
    """
    if how not in get_args(Mend):
        raise InputError("how", f"unknown mend {how!r}", "Choose one of these.", ", ".join(get_args(Mend)))
    inspection = inspected if isinstance(inspected, Inspection) else inspect_dataset(inspected, options=options)
    dataset, folder = inspection.dataset, Path(out)
    _check_place(folder, dataset.root)
    wrong = {name for one in inspection.findings if one.kind in _GRIDS for name in one.cases}
    masks: dict[Path, Path] = {}
    refused: list[tuple[str, str]] = []
    cases = []
    for case in (reporter or Silent()).track(dataset.cases, "Mending", len(dataset)):
        mended, failed = _copies(case, folder, dataset.labels, how, options) if case.id in wrong else ({}, [])
        masks |= mended
        refused += failed
        cases.append(_with(case, mended))
    manifest = folder / "manifest.csv"
    write_manifest(manifest, cases)
    return Mended(manifest, masks, tuple(refused))


def _copies(
    case: Case, folder: Path, labels: Labels | None, how: Mend, options: ReadOptions | None
) -> tuple[dict[Path, Path], list[tuple[str, str]]]:
    """The mended masks of a case by their originals, and what is refused."""
    image = read_case_image(case, options)
    mended, refused = {}, []
    for number, path in enumerate(_paths(case), start=1):
        try:
            mask = _mended(path, image, None if case.structures else labels, how, options)
        except MedsegError as error:
            refused.append((case.id, str(error)))
            continue
        if mask is not None:
            mended[path] = folder / "labels" / f"{case.id}{'' if number == 1 else f'_{number}'}.nii.gz"
            write_mask(mended[path], mask)
    return mended, refused


def _check_place(folder: Path, root: Path) -> None:
    inside = root if root.is_dir() else root.parent
    if folder.resolve().is_relative_to(inside.resolve()):
        raise InputError(folder, "lies in the data set", "Name a folder elsewhere: originals stay as they are.")
    if (folder / "manifest.csv").exists():
        raise InputError(folder, "holds a manifest already", "Name another folder, or remove it first.")


def _paths(case: Case) -> list[Path]:
    return list(dict.fromkeys([*case.masks, *(path for masks in case.readers.values() for path in masks)]))


def _mended(
    path: Path, image: Image, labels: Labels | None, how: Mend, options: ReadOptions | None
) -> Segmentation | None:
    """The mask on its image's grid; `None` where it lies there already.

    Raises:
        MedsegError: It cannot be read, or not be mended in this way.
    """
    found = read_label_map(path, labels=labels, options=options)
    relation = grid_relation(found.geometry, image.geometry)
    if relation.kind == "same":
        return None
    if relation.kind not in _MENDS[how]:
        raise InputError(path, f"{how} cannot mend this: {relation.text}", relation.mend)
    if found.mask.ndim > found.geometry.ndim:
        raise InputError(path, "holds labels that overlap, which no file of one label map can", "Mend it by hand.")
    meaning = labels if labels and labels.exclusive else labels_of(found.mask, where=str(path))
    if how == "copy-header":
        return Segmentation(found.mask, image.geometry, meaning, image=image)
    return moved(Segmentation(found.mask, found.geometry, meaning), image)


def _with(case: Case, masks: Mapping[Path, Path]) -> Case:
    """The case with its mended masks in place of the originals."""
    readers = {name: tuple(masks.get(path, path) for path in own) for name, own in case.readers.items()}
    return replace(case, masks=tuple(masks.get(path, path) for path in case.masks), readers=readers)

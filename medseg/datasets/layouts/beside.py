"""Layout "beside": each mask lies in the folder of its images and is called after them, at any depth.

`CT_image.nii.gz` with `CT_mask.nii.gz`; `case07.png` with `case07_mask.png` and `case07_mask_1.png`; as in BraTS,
`BraTS-007-t1n.nii.gz` and `BraTS-007-t2f.nii.gz` with `BraTS-007-seg.nii.gz`, whose images are channels.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from medseg.case import Case
from medseg.datasets.dataset import Dataset, counted
from medseg.datasets.naming import safe_name
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels
from medseg.walking import walked

__all__ = ["is_image_name", "read", "recognises"]

_WORDS = r"(?:masks?|labels?|labelmap|seg|segmentation|truth|gt|roi)"
_MASK = re.compile(
    rf"(?P<base>.*?)(?:^|[ _.-]+)(?:(?:lesion|tumou?r|manual|ground|expert)[ _-]?)?{_WORDS}(?:[ _-]?\d+)?",
    re.IGNORECASE,
)
# Neither a mask that pairs with an image nor an image: "case07_seg_fast", and the pictures that we write beside masks.
_NEITHER = re.compile(rf"(?:.*[ _.-])?{_WORDS}[ _.-].*|preview", re.IGNORECASE)
_PLAIN = re.compile(r"[ _.-]*(?:image|img|scan|orig|volume)?", re.IGNORECASE)
_ENDINGS = frozenset(formats.ENDINGS) - frozenset(formats.HDF5) - frozenset(formats.DICOM_ENDINGS)
_LOOKED_AT = 2000  # files, to recognise the layout


@dataclass(frozen=True)
class _Group:
    """Files of one folder that belong together: masks, and images by what tells them apart."""

    folder: Path
    base: str
    images: dict[str, Path]
    masks: tuple[Path, ...]


def recognises(root: Path) -> bool:
    """Whether masks lie beside images in the folder or below it, as far as its first files tell."""
    return root.is_dir() and any(group.masks and group.images for group in _groups(islice(_files(root), _LOOKED_AT)))


def is_image_name(path: Path) -> bool:
    """Whether a file's name is none of those of masks and of what is drawn of them."""
    return not (_MASK.fullmatch(formats.stem(path)) or _NEITHER.fullmatch(formats.stem(path)))


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases; images called as those of the others, but without a mask, are unlabelled.

    Where files lie in several folders, the first folder in which they part is the patient.

    Raises:
        DatasetError: There is no such pair.
    """
    groups = list(_groups(_files(root)))
    if not any(group.images and group.masks for group in groups):
        raise DatasetError(root, "has no mask beside its image", "Name it after the image: NAME_mask beside NAME.")
    channels, groups, warnings = _same_channels(groups)
    above = Path(os.path.commonpath([group.folder for group in groups]))
    if any(group.folder != above for group in groups):
        warnings += (f"the folders in {above.name}/ name the patients, where no case table does",)
    cases = tuple(_case(root, above, group, channels) for group in groups)
    return Dataset(root, "beside", cases, labels, channels or ("image",), warnings=warnings)


def _files(root: Path) -> Iterator[Path]:
    for folder, names in walked(root):
        paths = [folder / name for name in names if not name.startswith(".")]
        yield from (path for path in paths if formats.ending(path) in _ENDINGS)


def _groups(files: Iterator[Path]) -> Iterator[_Group]:
    """Masks with the images called as they are, folder by folder, and each image left over by itself."""
    for folder, paths in groupby(files, key=lambda path: path.parent):
        masks: dict[str, list[Path]] = {}
        images: dict[str, Path] = {}
        for path in paths:
            stem = formats.stem(path)
            if found := _MASK.fullmatch(stem):
                masks.setdefault(found["base"], []).append(path)
            elif not _NEITHER.fullmatch(stem):
                images[stem] = path
        used: set[Path] = set()
        for base in sorted(masks, key=len, reverse=True):
            own = {rest: path for rest, path in _images_of(base, images).items() if path not in used}
            used.update(own.values())
            yield _Group(folder, base, own, tuple(masks[base]))
        if masks:
            left = {stem: path for stem, path in images.items() if path not in used}
            yield _Group(folder, "", left, ())


def _images_of(base: str, images: dict[str, Path]) -> dict[str, Path]:
    """The image called `base` or "`base`_image"; else all that begin with it, by how they go on."""
    begun = {stem[len(base) :]: path for stem, path in images.items() if stem.startswith(base)}
    plain = [path for rest, path in begun.items() if _PLAIN.fullmatch(rest)]
    if len(plain) == 1:
        return {"": plain[0]}
    return {rest.strip(" _.-"): path for rest, path in begun.items() if not base or rest[:1] in " _.-"}


def _same_channels(groups: list[_Group]) -> tuple[tuple[str, ...], list[_Group], tuple[str, ...]]:
    """The commonest set of channels, and the groups that have it; what has no mask is grouped by it."""
    masked = [group for group in groups if group.masks]
    usual = Counter(tuple(sorted(group.images)) for group in masked if group.images).most_common(1)[0][0]
    fit = [group for group in masked if set(usual) <= set(group.images)]
    odd = [(group.folder / group.base).name for group in masked if group not in fit]
    for group in groups:
        if not group.masks:
            fit += _unlabelled(group, usual)
    wanted = ", ".join(usual).strip() or "image"
    warnings = counted(odd, f"masks have no {wanted} beside them and are left out")
    return (usual if usual != ("",) else ()), fit, warnings


def _unlabelled(left: _Group, channels: tuple[str, ...]) -> Iterator[_Group]:
    """Images without a mask that have the channels of the others."""
    found: dict[str, dict[str, Path]] = {}
    for stem, path in left.images.items():
        if channels == ("",):
            yield _Group(left.folder, stem, {"": path}, ())
        for channel in filter(None, channels):
            if stem.endswith(channel):
                found.setdefault(stem[: -len(channel)].strip(" _.-"), {})[channel] = path
    yield from (_Group(left.folder, base, own, ()) for base, own in found.items() if set(own) == set(channels))


def _case(root: Path, above: Path, group: _Group, channels: tuple[str, ...]) -> Case:
    below, apart = group.folder.relative_to(root).parts, group.folder.relative_to(above).parts
    name = safe_name("_".join((*below, *([group.base] if group.base else []))))
    columns = {"series": group.base} if apart and group.base else {}
    images = tuple(group.images[channel] for channel in channels or ("",))
    return Case(name, apart[0] if apart else "", images, group.masks, columns=columns)

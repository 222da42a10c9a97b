"""Layout "dicom": a tree of DICOM studies; SEG and RTSTRUCT files in it are labels of the series that they name."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.naming import dicom_name, distinct, safe_name
from medseg.errors import DatasetError, MedsegError
from medseg.io import formats
from medseg.labels import IGNORE_INDEX, Labels
from medseg.walking import walked

if TYPE_CHECKING:
    from medseg.io.dicom.structures.sources import StructureSource
    from medseg.io.dicom.tree import DicomTree, Series
    from medseg.io.dicom.volumes import Volume

__all__ = ["read", "recognises"]

_STRUCTURES = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7", b"1.2.840.10008.5.1.4.1.1.481.3")
_LOOKED_INTO = 800  # files in all ...
_IN_A_FOLDER = 20  # ... and so many at either end of each folder
_HEAD = 512  # bytes, within which a file says what it is


@dataclass(frozen=True, eq=False)
class _Found:
    """A volume or radiograph that can be a case."""

    where: Path
    series: "Series"
    volume: "Volume"


def recognises(root: Path) -> bool:
    """Whether a folder holds a SEG or RTSTRUCT, or mostly DICOM, as the first bytes of some files tell."""
    if not root.is_dir():
        return False
    looked_into, dicom = 0, 0
    for path in islice(_sample(root), _LOOKED_INTO):
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD)
        except OSError:
            continue
        looked_into += 1
        if formats.begins_as_dicom(head):
            dicom += 1
            if any(uid in head for uid in _STRUCTURES):
                return True
    return dicom > looked_into / 2


def read(root: Path, labels: Labels | None) -> Dataset:
    """A case for each volume and radiograph; SEG and RTSTRUCT files are masks of the image that they name.

    Structures are called as in the files; without `labels`, each name of the tree is a label. Files of several makers
    that draw the same structures on one image are its readers. `Case.columns` say how each image was acquired.

    Raises:
        DatasetError: There is no DICOM image.
    """
    from medseg.io.dicom.scan import scan_dicom

    tree = scan_dicom(root)
    problems: list[DatasetError] = []
    images = _images(tree, problems)
    sources = _attached(tree, images, problems)
    cases = [_case(root, image, sources.get(image.where, [])) for image in images if image.volume.refusal is None]
    if not cases and not problems:
        raise DatasetError(root, "holds no DICOM image", "Pass the folder that holds the studies.")
    warnings: list[str] = []
    names = sorted({name for attached in sources.values() for one in attached for name in one.names})
    named = labels or _labels(names, warnings)
    cases = [_with_labels(case, named) for case in cases]
    modalities = sorted({image.series.modality for image in images})
    if len(modalities) > 1:
        warnings.append(f"the cases are of several modalities ({', '.join(modalities)})")
    modality = modalities[0] if len(modalities) == 1 else ""
    return Dataset(root, "dicom", tuple(distinct(cases)), named, ("image",), modality, tuple(warnings), tuple(problems))


def _sample(root: Path) -> Iterator[Path]:
    """The first and last files of each folder that may be DICOM: structures mostly stand apart from the slices."""
    for folder, names in walked(root):
        known = [name for name in names if not name.startswith(".")]
        known = [name for name in known if formats.ending(Path(name)) not in _OTHERS]
        for name in dict.fromkeys([*known[-_IN_A_FOLDER:], *known[:_IN_A_FOLDER]]):
            yield folder / name


_OTHERS = frozenset(formats.ENDINGS) - frozenset(formats.DICOM_ENDINGS)


def _images(tree: "DicomTree", problems: list[DatasetError]) -> list[_Found]:
    """All that can be a case, refused ones among them, so that labels drawn on those are not called orphans."""
    problems += [_as_problem(error) for _path, error in tree.problems]
    found = [
        _Found(where, series, volume)
        for series in tree.series
        for where, volume in zip(series.addresses, series.volumes, strict=True)
        if volume.kind != "localizer"
    ]
    problems += [_as_problem(one.volume.refusal) for one in found if one.volume.refusal is not None]
    return found


def _as_problem(error: MedsegError) -> DatasetError:
    return DatasetError(error.where, str(error).removeprefix(f"{error.where}: ").rstrip("."), "")


def _attached(
    tree: "DicomTree", images: list[_Found], problems: list[DatasetError]
) -> dict[Path, list["StructureSource"]]:
    """The structures drawn on each image, by its address."""
    from medseg.io.dicom.structures.objects import kind_of
    from medseg.io.dicom.structures.sources import read_source

    attached: dict[Path, list[StructureSource]] = {}
    for path in (path for series in tree.series for path in series.others):
        with noted(problems):
            if kind_of(path) is None:
                continue
            try:
                source = read_source(path)
            except MedsegError as error:
                raise _as_problem(error) from error
            attached.setdefault(_drawn_on(source, images).where, []).append(source)
    return attached


def _drawn_on(source: "StructureSource", images: list[_Found]) -> _Found:
    """The one image that a file names: by its images, else its series, else alone in its frame of reference."""
    by_instance = [one for one in images if source.instances & _instances(one.volume)]
    by_series = [one for one in images if one.series.uid in source.series]
    frames = [] if source.series or source.instances else source.frames
    by_frame = [one for one in images if one.volume.first.header.get("FrameOfReferenceUID") in frames]
    found = by_instance or by_series or by_frame
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            source.path,
            f"was drawn on one of {len(found)} images and does not say on which "
            f"({', '.join(str(one.where) for one in found[:3])})",
            "Keep the image that it was drawn on, or pair them in a manifest.csv.",
        )
    named = ", ".join(sorted(source.series)[:3]) or "nothing"
    raise DatasetError(
        source.path,
        f"holds structures ({', '.join(source.names[:5])}) of an image that is not here: it names {named}",
        "Add the series that it was drawn on, take it away, or pair it with its image in a manifest.csv.",
    )


def _instances(volume: "Volume") -> set[str]:
    return {str(one.header.get("SOPInstanceUID") or "") for one in volume.slices}


def _case(root: Path, image: _Found, sources: list["StructureSource"]) -> Case:
    from medseg.io.dicom.acquisition import acquisition
    from medseg.io.dicom.headers import guarded, whole_header

    first = image.volume.first
    name = safe_name(dicom_name(image.where, root, image.series.header.get("SeriesNumber")))
    columns = guarded(first.path, lambda: acquisition(whole_header(first)))
    case = Case(name, str(image.series.header.get("PatientID") or ""), (image.where,), columns=columns)
    if not sources:
        return case
    annotated = tuple(dict.fromkeys(name for one in sources for name in one.names))
    readers = _readers(sources)
    masks = () if readers else tuple(one.path for one in sources)
    return replace(case, masks=masks, readers=readers, annotated=annotated)


def _with_labels(case: Case, labels: Labels | None) -> Case:
    """The labels of which a file draws any structure were looked for: hospitals call one thing by many names."""
    if labels is None or case.annotated is None:
        return case
    values = {labels.value_of(name) for name in case.annotated}
    drawn = [label.name for label in labels.labels if values.intersection(label.values)]
    return replace(case, annotated=tuple(dict.fromkeys((*case.annotated, *drawn))))


def _readers(sources: list["StructureSource"]) -> Mapping[str, tuple[Path, ...]]:
    """The files by who made them, where several made the same structures and can be told apart."""
    if len(sources) < 2 or len({frozenset(map(str.casefold, one.names)) for one in sources}) > 1:
        return {}
    for makers in zip(*(one.makers for one in sources), strict=True):
        if all(makers) and len(set(makers)) == len(sources):
            return {maker: (one.path,) for maker, one in zip(makers, sources, strict=True)}
    return {}


def _labels(names: Iterable[str], warnings: list[str]) -> Labels | None:
    known = list(names)
    if len(known) >= IGNORE_INDEX:
        warnings.append(f"the files name {len(known)} structures: say under `labels` which of them you want")
        return None
    return Labels.of_structures(known) if known else None

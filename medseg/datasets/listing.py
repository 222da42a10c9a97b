"""What lies in a file, folder, zip or data set: its images as cases, with what is known of their series."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.layouts import beside
from medseg.datasets.naming import dicom_name, safe_name, without_ending
from medseg.datasets.opening import Layout, known_layouts, open_dataset, recognised
from medseg.datasets.series_facts import SeriesFacts, of_dicom, of_sidecar
from medseg.datasets.series_rules import SeriesRule
from medseg.errors import InputError, MedsegError
from medseg.io import formats
from medseg.io.archive import is_archive, split_member
from medseg.reporting import Reporter
from medseg.walking import walked

__all__ = ["Listed", "images_at"]


@dataclass(frozen=True)
class Listed:
    """An image that was found.

    Args:
        case: It as a case.
        root: The input that holds it, which its name counts from.
        series: What is known of its series, where a rule is to choose among them.
        named: Whether a data set names it.
    """

    case: Case
    root: Path
    series: SeriesFacts | None = None
    named: bool = False


def images_at(
    path: Path,
    root: Path,
    reporter: Reporter,
    rule: SeriesRule | None,
    layouts: Mapping[str, Layout] | None = None,
) -> list[Listed]:
    """The images of a path, sorted by their names; none where it holds none.

    Args:
        path: A file, folder, data set or address.
        root: Where names count from: the path itself, or a folder above it.
        reporter: Told of the progress.
        rule: Where there is one, what it asks of series is looked up.
        layouts: What `known_layouts` gave, for who asks of many paths.

    Raises:
        InputError: It cannot be opened.
        DatasetError: It is a data set that does not hold together.
    """
    outer, inside = address.split(path)
    try:
        if inside:
            return [Listed(_case(path, f"{without_ending(Path(outer.name))}-{inside}"), root)]
        if is_archive(outer) and outer.is_file():
            own = outer.relative_to(root) if root not in (outer, outer.parent) else Path(outer.name)
            found = list(_zipped(outer, root, reporter, rule))
            return found or [Listed(_case(outer, own.with_suffix("").as_posix()), root)]  # reading tells what it holds
        if _named(outer, layouts):
            named = [
                Listed(replace(case, id=safe_name(case.id)), root, named=True) for case in open_dataset(outer).cases
            ]
            rest = _elsewhere(outer, named, root, reporter, rule) if recognised(outer, layouts) == ("beside",) else ()
            return [*named, *rest]
        if outer.is_file():
            if _dicom(outer):
                return list(_dicom_images(outer, root if root != outer else outer.parent, reporter, rule))
            name = outer.relative_to(root) if root != outer else Path(outer.name)
            return [Listed(_case(outer, without_ending(name)), root, of_sidecar(outer) if rule else None)]
        found = [*_files(outer, root, reporter, rule), *_dicom_images(outer, root, reporter, rule)]
        return sorted(found, key=lambda one: one.case.id)
    except OSError as error:
        raise InputError(outer, f"cannot be opened ({error})", "Check its permissions.") from error


def _named(path: Path, layouts: Mapping[str, Layout] | None = None) -> bool:
    """Whether a data set lies here that names its cases; a tree of DICOM is read so that no broken file stops it."""
    return recognised(path, layouts) not in ((), ("dicom",))


def _files(folder: Path, root: Path, reporter: Reporter, rule: SeriesRule | None) -> Iterator[Listed]:
    """A case for each image file that is no DICOM; the cases of each HDF5 file, and of each zip.

    A folder below that cannot be opened is told of where DICOM is looked for.
    """
    layouts = known_layouts()  # which takes milliseconds, of which each file would cost as many
    for inner, files in walked(folder, partial(_refuse_top, folder)):
        for path in (inner / file for file in files):
            below = without_ending(path.relative_to(root))
            if is_archive(path) and not path.name.startswith("."):
                yield from _zipped(path, root, reporter, rule)
            elif _dicom(path) or not (formats.is_readable(path) or _leads_nowhere(path)):
                continue
            elif _named(path, layouts):
                for case in open_dataset(path).cases:
                    yield Listed(replace(case, id=safe_name(f"{below}/{case.id}")), root, named=True)
            else:
                yield Listed(_case(path, below), root, of_sidecar(path) if rule else None)


def _elsewhere(
    folder: Path, named: Iterable[Listed], root: Path, reporter: Reporter, rule: SeriesRule | None
) -> list[Listed]:
    """What a data set of masks beside their images passes over: DICOM, and images in folders without a mask.

    One such pair in a tree of studies makes all of it look like that data set, and must not hide the others.
    """
    homes = {path.parent for one in named for path in (*one.case.images, *one.case.masks)}
    files = (
        one
        for one in _files(folder, root, reporter, rule)
        if (path := address.split(one.case.images[0])[0]).parent not in homes and beside.is_image_name(path)
    )
    return sorted([*files, *_dicom_images(folder, root, reporter, rule)], key=lambda one: one.case.id)


def _zipped(path: Path, root: Path, reporter: Reporter, rule: SeriesRule | None) -> Iterator[Listed]:
    """The images in a zip, of which one alone has the zip's name; a zip that is refused is a case that fails."""
    from medseg.io.dicom.scan import scan_dicom
    from medseg.io.zipped import nifti_in

    name = (path.relative_to(root) if root not in (path, path.parent) else Path(path.name)).with_suffix("")
    try:
        found = [Listed(_case(one, _within(name, one)), root) for one in nifti_in(path)]
        tree = scan_dicom(path, reporter=reporter)
    except MedsegError as error:
        yield Listed(replace(_case(path, name.as_posix()), refusal=error), root)
        return
    for series in tree.series:
        patient = str(series.header.get("PatientID") or "")
        for number, (where, volume) in enumerate(zip(series.addresses, series.volumes, strict=True)):
            if volume.kind == "localizer":
                continue
            told = f"series{series.header.get('SeriesNumber') or series.uid}{f'-{number}' if number else ''}"
            facts = of_dicom(series, volume, rule) if rule else None
            found.append(Listed(_case(where, f"{name}/{told}", patient), root, facts))
    broken = [Listed(_case(where, _within(name, where)), root) for where, _error in tree.problems]
    if len(found) == 1 and not broken:
        yield replace(found[0], case=_renamed(found[0].case, name.as_posix()))
    else:
        yield from (*found, *broken)


def _renamed(case: Case, name: str) -> Case:
    own = safe_name(name)
    return replace(case, id=own, patient=own if case.patient == case.id else case.patient)


def _within(name: Path, where: Path) -> str:
    found = split_member(where)
    return f"{name}/{without_ending(Path(found[1] if found else where.name))}"


def _dicom_images(source: Path, root: Path, reporter: Reporter, rule: SeriesRule | None) -> Iterator[Listed]:
    """A case for each volume and radiograph, and for each broken file, which is a row of its own."""
    from medseg.io.dicom.scan import scan_dicom

    tree = scan_dicom(source, reporter=reporter)
    for series in tree.series:
        patient = str(series.header.get("PatientID") or "")
        for where, volume in zip(series.addresses, series.volumes, strict=True):
            if volume.kind != "localizer" or source.is_file():
                facts = of_dicom(series, volume, rule) if rule else None
                name = dicom_name(where, root, series.header.get("SeriesNumber"))
                yield Listed(_case(where, name, patient), root, facts)
    for path, _error in tree.problems:
        yield Listed(_case(path, without_ending(path.relative_to(root))), root)


def _dicom(path: Path) -> bool:
    known = formats.ending(path)
    return known in formats.DICOM_ENDINGS or known not in formats.ENDINGS


def _case(where: Path, name: str, patient: str = "") -> Case:
    return Case(safe_name(name), patient or safe_name(name), (where,))


def _leads_nowhere(path: Path) -> bool:
    """Whether an image is meant by a link whose file is gone: that is a case, whose reason says so."""
    return path.is_symlink() and not path.name.startswith(".") and not address.exists(path)


def _refuse_top(folder: Path, error: OSError) -> None:
    if Path(error.filename) == folder:
        raise error

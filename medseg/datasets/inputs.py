"""From what a user names (files, folders, studies, data sets) to the cases to segment."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.globs import expanded
from medseg.datasets.listing import Listed, images_at
from medseg.datasets.naming import distinct, safe_name, without_ending
from medseg.datasets.opening import Layout, known_layouts
from medseg.datasets.series_rule_text import parse_series_rule
from medseg.datasets.series_rules import SeriesRule
from medseg.datasets.study_choice import one_of_each_study
from medseg.errors import InputError
from medseg.reporting import Reporter, Silent

__all__ = ["cases_below", "cases_from_inputs"]

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})(?P<ending>\.[^0-9].*)")  # nnU-Net's CASE_CHANNEL.ENDING


def cases_from_inputs(
    inputs: Sequence[str | Path],
    reporter: Reporter | None = None,
    *,
    channels: int = 1,
    series: str | SeriesRule | None = None,
) -> list[Case]:
    """One case for each image that the inputs hold.

    A data set gives its cases. In any other folder, at any depth, each image file is a case, and so is each volume
    and each radiograph of its DICOM series, and of those in a zip; localizers and objects without an image are none.
    What a DICOM scan refuses becomes a case too, so that its reason becomes a row; so does a zip that is refused,
    and one of several inputs that holds nothing.

    Args:
        inputs: Files, folders, zips of a study, data sets, or patterns of them such as `studies/*/CT`.
        reporter: Told of the progress.
        channels: Of an image. Where there are several, files of one folder whose names differ in nnU-Net's number of
            the channel alone, `case_0000.nii.gz` and `case_0001.nii.gz`, are one case, whether all are there or not.
        series: Which series of a study is its case, such as "modality=CT, slices>20, newest"; see
            `medseg.datasets.series_rules`. Series of one StudyInstanceUID are a study, wherever they lie.

    Returns:
        Cases with unique ids, safe as folder names: the path below the input, without ending; with `series` the path
        of the study. The patient is DICOM's PatientID where there is one, else the id.

    Raises:
        InputError: An input does not exist or cannot be opened, a pattern matches nothing, or the only input holds no
            image.
        ConfigError: `series` cannot be understood.
        DatasetError: A data set does not hold together.
    """
    rule = parse_series_rule(series) if isinstance(series, str) else series
    paths = expanded(inputs)
    found: dict[Path, Listed] = {}
    layouts = known_layouts()  # which takes milliseconds, of which each path would cost as many
    for path in paths:
        for one in _listed(path, reporter or Silent(), rule, layouts, alone=len(paths) == 1):
            found.setdefault(one.case.images[0].resolve(), one)
    return distinct(_cases_of(list(found.values()), channels, rule))


def cases_below(
    paths: Iterable[Path], root: Path, reporter: Reporter, *, channels: int = 1, series: SeriesRule | None = None
) -> list[Case]:
    """As `cases_from_inputs`, of a part of a folder: names count from there, there may be none, or some twice.

    Raises:
        InputError: A path cannot be opened.
        DatasetError: A data set does not hold together.
    """
    layouts = known_layouts()
    found = [one for path in paths for one in images_at(path, root, reporter, series, layouts)]
    return _cases_of(found, channels, series)


def _cases_of(found: Sequence[Listed], channels: int, rule: SeriesRule | None) -> list[Case]:
    cases = one_of_each_study(found, rule) if rule else [one.case for one in found]
    return _united(cases, channels) if channels > 1 else cases


def _listed(
    path: Path, reporter: Reporter, rule: SeriesRule | None, layouts: Mapping[str, Layout], *, alone: bool
) -> list[Listed]:
    if not address.exists(path):
        raise InputError(path, "does not exist", "Check the path of the input.")
    found = images_at(path, path, reporter, rule, layouts)
    if found:
        return found
    nothing = InputError(path, "holds no image", "Pass files, folders of files, DICOM studies or a data set.")
    if alone:
        raise nothing
    name = safe_name(without_ending(Path(path.resolve().name)))
    return [Listed(Case(name, name, (path,), refusal=nothing), path)]


def _united(cases: Iterable[Case], channels: int) -> list[Case]:
    """Cases whose files are channels of one image as one, in the order of their numbers, in the place of the first."""
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        file, name = case.images[0], _CHANNEL.fullmatch(case.images[0].name)
        # A higher number is no channel: a year, say.
        channel = name is not None and int(name["channel"]) < channels
        alone = len(case.images) > 1 or case.labelled or not channel or not file.is_file()
        key = (str(file),) if alone or name is None else (str(file.parent), name["case"], name["ending"])
        groups.setdefault(key, []).append(case)
    return [_one(sorted(group, key=lambda case: case.images[0].name)) for group in groups.values()]


def _one(group: Sequence[Case]) -> Case:
    if len(group) == 1:
        return group[0]
    name = group[0].id.rpartition("_")[0]
    return Case(name, name, tuple(case.images[0] for case in group))

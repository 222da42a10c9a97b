"""Layout "bids": the Brain Imaging Data Structure, raw images with the masks in its `derivatives`.

A case is a subject's session (and run). Masks are `_label-NAME_mask` files, one a structure, or a `_dseg` map whose
`_dseg.tsv` names the values. Pipelines that segmented the same are readers.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.datasets.case_table import read_rows
from medseg.datasets.dataset import Dataset
from medseg.datasets.layouts.bids_names import BidsFile, bids_files, image_stem
from medseg.datasets.layouts.mask_names import annotated_where_drawn
from medseg.errors import DatasetError
from medseg.io import formats
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_FACTS = ("Manufacturer", "ManufacturersModelName", "MagneticFieldStrength")
_NO_IMAGES = ("bold", "sbref", "dwi", "epi", "magnitude1", "magnitude2", "phasediff", "fieldmap", "asl", "events")
_Place = tuple[str, ...]


def recognises(root: Path) -> bool:
    """Whether a folder has a `dataset_description.json` beside a folder `sub-*`."""
    try:
        return (root / "dataset_description.json").is_file() and any(path.is_dir() for path in root.glob("sub-*"))
    except OSError:
        return False


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases: of each session the images that all have as channels, those of other suffixes named in a warning.

    `participants.tsv`, `sessions.tsv` and some facts of the sidecar of the first channel are columns.

    Raises:
        DatasetError: There is no image that all sessions have, or a table cannot be read. Two images of one kind in a
            session, and what does not hold together of its masks, are in `problems`.
    """
    problems: list[DatasetError] = []
    images = _images(root, problems)
    counts = Counter(suffix for own in images.values() for suffix in own)
    channels = tuple(sorted(suffix for suffix, count in counts.items() if count == len(images)))
    if not channels:
        found = f"no kind of image is in every session ({dict(counts)})" if images else "holds no image"
        raise DatasetError(root, found, "Take out the sessions that lack it.", "sub-01/anat/sub-01_T1w.nii.gz")
    left = [
        f"{suffix} ({count} of {len(images)})" for suffix, count in sorted(counts.items()) if suffix not in channels
    ]
    warnings = [f"not every session has {', '.join(left)}: left out"] if left else []
    masks, values = _masks(root, warnings, problems)
    people = _rows(root / "participants.tsv", "participant_id", problems)
    cases = []
    for place, own in sorted(images.items()):
        columns = people.get(place[0], {}) | _session(root, place, problems) | _facts(own[channels[0]].path)
        case = Case("_".join(place), place[0], tuple(own[name].path for name in channels), columns=columns)
        cases.append(_with_masks(case, masks.get(place, {}), own, problems))
    every = {name for case in cases for name in case.structures}
    cases = annotated_where_drawn(cases)
    read_by = {name for case in cases for files in case.readers.values() for name in _labels_in(files)}
    if not values and not every and len(read_by) == 1:  # readers of one structure: a voxel is it or not
        values = dict.fromkeys(read_by, 1)
    known = labels or (Labels.from_config(values) if values else None)
    return Dataset(root, "bids", tuple(cases), known, channels, "", tuple(warnings), tuple(problems))


def _images(root: Path, problems: list[DatasetError]) -> dict[_Place, dict[str, BidsFile]]:
    """Images of each session by their suffix."""
    found: dict[_Place, dict[str, BidsFile]] = {}
    for file in bids_files(root):
        if file.suffix in _NO_IMAGES or file.suffix in ("mask", "dseg"):
            continue
        own = found.setdefault(file.place, {})
        if file.suffix in own:
            here = f"is a second {file.suffix} beside {own[file.suffix].path.name}"
            problems.append(DatasetError(file.path, here, "Number them with run-1, run-2, or keep one."))
        else:
            own[file.suffix] = file
    return found


def _masks(
    root: Path, warnings: list[str], problems: list[DatasetError]
) -> tuple[dict[_Place, dict[str, list[BidsFile]]], dict[str, Any]]:
    """Masks of each session by the pipeline (and `desc`) that made them, and what the values of maps mean."""
    found: dict[_Place, dict[str, list[BidsFile]]] = {}
    values: dict[str, Any] = {}
    folders = [path for path in sorted((root / "derivatives").glob("*")) if path.is_dir()]
    for folder in folders:
        for file in bids_files(folder):
            if file.suffix not in ("mask", "dseg") or (file.suffix == "mask" and "label" not in file.entities):
                continue
            described = [file.entities[key] for key in ("desc", "rater") if key in file.entities]
            found.setdefault(file.place, {}).setdefault("-".join([folder.name, *described]), []).append(file)
            if file.suffix == "dseg":
                values |= {name: value for name, value in _values(root, file, problems).items() if name not in values}
    if folders and not found:
        warnings.append("the derivatives hold no _label-NAME_mask and no _dseg: no case has a label")
    return found, values


def _values(root: Path, file: BidsFile, problems: list[DatasetError]) -> dict[str, int]:
    """Names and values of the `_dseg.tsv` beside a map, or of one above it that counts for all."""
    own = file.path.with_name(f"{formats.stem(file.path)}.tsv")
    pipeline = root / "derivatives" / file.path.relative_to(root / "derivatives").parts[0]
    shared = sorted(pipeline.glob("*dseg.tsv"))
    table = own if own.is_file() else next(iter(shared), None)
    if table is None:
        return {}
    rows = read_rows(table, ("index", "name"), problems, delimiter="\t")
    try:
        named = {row["name"]: int(row["index"]) for _, row in rows}
    except ValueError as error:
        raise DatasetError(table, f"has an index that is no number ({error})", "Mend it.") from error
    return {name: value for name, value in named.items() if value != 0}


def _with_masks(
    case: Case, made: Mapping[str, list[BidsFile]], images: Mapping[str, BidsFile], problems: list[DatasetError]
) -> Case:
    """The case with its masks: of one pipeline, of several that each did other structures, or of readers."""
    stems = {image_stem(file) for file in images.values()}
    fitting = {by: [file for file in files if _belongs(file, stems)] for by, files in made.items()}
    fitting = {by: files for by, files in fitting.items() if files}
    if not fitting:
        return case
    maps = {by: [file for file in files if file.suffix == "dseg"] for by, files in fitting.items()}
    shown = {by: sorted(file.entities.get("label", "") for file in files) for by, files in fitting.items()}
    files = [file for own in fitting.values() for file in own]
    if len(fitting) == 1 or len({name for names in shown.values() for name in names}) == sum(map(len, shown.values())):
        if any(maps.values()) and len(files) > 1:
            mend = "Keep the map or the masks of structures."
            problems.append(DatasetError(files[0].path, "is one of several kinds of masks of one image", mend))
            return case
        structures = () if any(maps.values()) else tuple(file.entities["label"] for file in files)
        return replace(case, masks=tuple(file.path for file in files), structures=structures)
    if len({tuple(names) for names in shown.values()}) == 1 and len(files) == len(fitting):
        return replace(case, readers={by: (own[0].path,) for by, own in fitting.items()})
    mend = "Keep one pipeline, or let all have masks of one and the same label."
    problems.append(DatasetError(case.id, f"has masks of {', '.join(fitting)} that show different labels", mend))
    return case


def _belongs(file: BidsFile, stems: set[tuple[tuple[str, str], ...]]) -> bool:
    """Whether a mask is of one of the images; `space-T1w` and the like are of them all."""
    return any(set(image_stem(file)) <= set(stem) for stem in stems)


def _labels_in(files: tuple[Path, ...]) -> list[str]:
    found = [re.search("_label-([a-zA-Z0-9+]+)_", path.name) for path in files]
    return [label[1] for label in found if label]


def _rows(path: Path, key: str, problems: list[DatasetError]) -> dict[str, dict[str, str]]:
    """Rows of a table by one column, without what is not known ("n/a")."""
    if not path.is_file():
        return {}
    rows = [row for _, row in read_rows(path, (key,), problems, delimiter="\t")]
    return {row[key]: {k: v for k, v in row.items() if k != key and v not in ("", "n/a")} for row in rows}


def _session(root: Path, place: _Place, problems: list[DatasetError]) -> dict[str, str]:
    session = next((part for part in place if part.startswith("ses-")), None)
    table = root / place[0] / f"{place[0]}_sessions.tsv"
    return _rows(table, "session_id", problems).get(session, {}) | {"session": session} if session else {}


def _facts(image: Path) -> dict[str, str]:
    """What the sidecar says of the scanner; one that is broken says nothing."""
    try:
        sidecar = json.loads(image.with_name(f"{formats.stem(image)}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: str(sidecar[name]) for name in _FACTS if name in sidecar} if isinstance(sidecar, dict) else {}

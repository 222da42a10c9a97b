"""The data of a run in sentences: cases, patients, parts, labels, images, and a table of what is known of patients."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from medseg.outputs.methods.recorded import Recorded, Row
from medseg.outputs.methods.wording import counted, joined, number, percent, sizes, span

__all__ = [
    "characteristics",
    "data_paragraphs",
    "disjoint_patients",
    "part_counts",
    "part_name",
    "present_in",
    "scanners",
    "split_sentence",
]

_OWN = ("case", "patient", "part", "split")
_CATEGORIES = 8
_NAMES = {
    "train": "training", "validation": "validation", "test": "test",
    "CT": "CT", "MR": "MRI", "PT": "PET", "US": "ultrasound", "MG": "mammography", "CR": "computed radiography",
    "DX": "digital radiography", "XA": "angiography", "NM": "nuclear medicine",
}  # fmt: skip


def data_paragraphs(run: Recorded) -> list[str]:
    """Data set, division, labels and images."""
    cases = sum(len(names) for names in run.parts.values())
    patients = len(set(run.patient_of.values()))
    of = f" of {counted(patients, 'patient')}" if patients else ""
    first = f"The data set held {counted(cases, 'labelled case')}{of}. {split_sentence(run)}"
    return [first, *filter(None, [_left_out(run), _labels(run), _images(run), _scanners(run)])]


def part_counts(run: Recorded) -> dict[str, dict[str, int | None]]:
    """Cases and patients of each part; patients are None where nobody recorded whose the cases are."""
    whose = run.patient_of
    return {
        part: {"cases": len(names), "patients": len({whose[name] for name in names}) if whose else None}
        for part, names in run.parts.items()
    }


def disjoint_patients(run: Recorded) -> bool | None:
    """Whether no patient is in two parts; None where nobody recorded whose the cases are."""
    if not run.cases:
        return None
    parts: dict[str, set[str]] = {}
    for row in run.cases:
        parts.setdefault(row["patient"], set()).add(row["part"])
    return all(len(found) == 1 for found in parts.values())


def split_sentence(run: Recorded) -> str:
    """How the cases were divided, and at what level the parts are apart."""
    said = []
    for part, count in part_counts(run).items():
        patients = "" if count["patients"] is None else f" of {counted(count['patients'], 'patient')}"
        said.append(f"{_NAMES.get(part, part)} ({counted(count['cases'] or 0, 'case')}{patients})")
    apart = {
        True: " No patient was in more than one part.",
        False: " Some patients were in more than one part.",
        None: "",
    }[disjoint_patients(run)]
    by = "by patient " if disjoint_patients(run) else ""
    if run.folds:
        what = f"The cases were divided {by}into {run.folds} folds for cross-validation"
        what += ", and a test part that took part in none" if "test" in run.parts else ""
        inner = (
            " In each fold a further part of the remaining patients"
            f" ({percent(run.settings['validation'])} of them) was kept for choosing the weights."
        )
    else:
        what, inner = f"The cases were divided {by}into {counted(len(run.parts), 'part')}", ""
    return f"{what}: {joined(said)}. {_how_divided(run)}{apart}{inner}"


def _how_divided(run: Recorded) -> str:
    settings = run.asked
    fixed = sum(1 for row in run.cases if row.get("split"))
    if not settings or settings.get("split"):
        return "The division was taken from a file that was made before training." if settings else ""
    if not run.cases:
        return ""  # the data set may have fixed it, and then nothing was drawn
    if fixed == len(run.cases):
        return "The division was that which the data set itself fixes."
    stratify = settings.get("stratify")
    columns = [stratify] if isinstance(stratify, str) else list(stratify or ())
    strata = f", stratified by {joined(columns)}" if columns else ""
    part = f" {counted(fixed, 'case')} stayed in the part that the data set fixes." if fixed else ""
    return f"Patients were assigned at random (seed {settings['seed']}){strata}.{part}"


def _left_out(run: Recorded) -> str:
    found = {name for one in run.trainings for name in one.summary.get("left_out") or ()}
    return f"{counted(len(found), 'case')} could not be read and took no part in training." if found else ""


def _labels(run: Recorded) -> str:
    labels = run.fingerprint.get("labels", {})
    if not labels:
        names = run.plan.label_set.names if run.plan else [one["label"] for one in (run.classical or {})["parts"]]
        return f"The labels were {joined(list(names))}." if len(names) > 1 else f"The label was {names[0]}."
    told = []
    order = run.plan.label_set.names if run.plan else list(labels)
    for name, one in sorted(labels.items(), key=lambda item: order.index(item[0])):
        present = f"in {present_in(one)} of {one['judged_cases']}"
        size = one["median_size"]
        in_unit = {"ml": "ml", "px": "pixels"}[run.fingerprint["size_unit"]]
        told.append(f"{name} ({present}" + (f", median size {number(size)} {in_unit})" if size is not None else ")"))
    whose = "cases of all folds" if run.folds else "training cases"
    return f"The following labels were learnt, with their occurrence in the {whose}: {joined(told)}."


def present_in(label: Mapping[str, float]) -> int:
    """In how many training cases a label of the fingerprint is."""
    return round(label["share_of_cases"] * label["judged_cases"])


def _images(run: Recorded) -> str:
    modality = run.plan.modality if run.plan else run.asked.get("modality", "")
    kind = _NAMES.get(modality, modality)
    channels = run.plan.channels if run.plan else (run.classical or {}).get("channels", ())
    several = f" with {len(channels)} channels ({joined(channels)})" if len(channels) > 1 else ""
    dims = run.plan.dims if run.plan else None
    what = "two-dimensional" if dims == 2 else "volumes"
    first = f"The images were {what}{f' ({kind})' if kind else ''}{several}."
    if dims is None:
        first = f"The modality was {kind}{several}." if kind else ""
    if run.grid is None:
        return first
    grid = run.grid
    axes = ["x", "y", "z"][: len(grid.shape[0])]
    ranges = _along(axes, grid.shape[0], grid.shape[2])
    after = " after the preparation named below" if run.plan is not None and run.plan.preparation else ""
    size = f" In the {counted(grid.cases, 'case')} that the plan was made from{after}, the median matrix was "
    size += f"{sizes(grid.shape[1])} ({ranges}), "
    if grid.spacing_mm is None:
        return f"{first}{size}and the physical spacing was not known for all of them."
    steps = _along(axes, grid.spacing_mm[0], grid.spacing_mm[2])
    return f"{first}{size}and the median spacing {sizes(grid.spacing_mm[1], 'mm')} ({steps})."


def _along(axes: Sequence[str], low: Sequence[float], high: Sequence[float]) -> str:
    if tuple(low) == tuple(high):
        return "the same in all"
    return joined([f"{span(*ends)} along {axis}" for axis, *ends in zip(axes, low, high, strict=True)])


def _scanners(run: Recorded) -> str:
    found, whose = scanners(run)
    if len(found) > _CATEGORIES:
        return f"The images{whose} came from {counted(len(found), 'scanner model')}."
    listed = [f"{name} ({counted(count, 'case')})" for name, count in found.items()]
    return f"The images{whose} came from {joined(listed)}." if found else ""


def scanners(run: Recorded) -> tuple[dict[str, int], str]:
    """Cases of each scanner by the data set's table, else by the headers of the predicted cases, and of which cases."""
    for rows, whose in ((run.cases, ""), (run.predicted, " of the predicted cases")):
        found = Counter(row["scanner"] for row in rows if row.get("scanner"))
        if found:
            return dict(found.most_common()), whose
    return {}, ""


def characteristics(run: Recorded) -> list[list[str]]:
    """A table of what the data set says of its patients, by part: a header and a row a column or category.

    Columns that say the same in all cases of a patient are counted by patient, others by case. Free text and ids,
    columns with many values that are no numbers, are left out.
    """
    parts = list(run.parts)
    columns = [name for name in (run.cases[0] if run.cases else ()) if name not in _OWN]
    rows: list[list[str]] = []
    for column in columns:
        by_part, unit = _units(run.cases, column, parts)
        known = [value for values in by_part.values() for value in values if value]
        numbers = [value for value in map(_numeric, known) if value is not None]
        if not known:
            continue
        if len(numbers) == len(known) and len(set(known)) > 2:
            rows.append([f"{column}, median (range), {unit}", *(_range(by_part[part]) for part in parts)])
        elif 1 <= len(set(known)) <= _CATEGORIES:
            for value in sorted(set(known)):
                counts = [sum(1 for one in by_part[part] if one == value) for part in parts]
                shares = [_share(count, len(by_part[part])) for count, part in zip(counts, parts, strict=True)]
                rows.append([f"{column}: {value}, {unit}", *shares])
    return [["", *(_NAMES.get(part, part) for part in parts)], *rows] if rows else []


def _units(cases: Sequence[Row], column: str, parts: Sequence[str]) -> tuple[dict[str, list[str]], str]:
    """The values of each part, one a patient where all cases of each patient say the same, else one a case."""
    said: dict[tuple[str, str], set[str]] = {}
    for row in cases:
        said.setdefault((row["part"], row["patient"]), set()).add(row[column])
    if all(len(values) == 1 for values in said.values()):
        return {part: [next(iter(v)) for (p, _), v in said.items() if p == part] for part in parts}, "patients"
    return {part: [row[column] for row in cases if row["part"] == part] for part in parts}, "cases"


def _range(values: Sequence[str]) -> str:
    numbers = [value for value in map(_numeric, values) if value is not None]
    if not numbers:
        return "unknown"
    missing = len(values) - len(numbers)
    known = f"{number(statistics.median(numbers))} ({span(min(numbers), max(numbers))})"
    return known + (f", {missing} unknown" if missing else "")


def _share(count: int, of: int) -> str:
    return f"{count} of {of}"


def _numeric(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def part_name(part: str) -> str:
    """A part's name in a sentence."""
    return _NAMES.get(part, part)

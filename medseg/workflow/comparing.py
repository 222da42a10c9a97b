"""Compare a patient, or many, over time: lesions matched, growth, doubling time, RECIST 1.1, pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.atomic import atomic_path, write_csv, write_json
from medseg.datasets.naming import safe_name
from medseg.errors import InputError
from medseg.followup import (
    LESION_COLUMNS,
    RESPONSE_COLUMNS,
    TRACK_COLUMNS,
    Criteria,
    Followed,
    Matching,
    TimePoint,
    follow,
    table_of,
)
from medseg.followup.placing import Placing, placed_on
from medseg.image import Image
from medseg.labels import Labels
from medseg.line.outcomes import reason
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent
from medseg.workflow.patient_folders import open_folder, require_days, studies_by_patient
from medseg.workflow.time_points import Day, Source, is_folder, points_of

__all__ = ["FollowUp", "compare"]

_SHOWN = 3  # patients whose pictures a notebook shows


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What became of the lesions of patients; `medseg.followup.columns` says what the columns mean.

    Args:
        patients: A row a patient: status "done" or "failed", time points, tracks, notes, error.
        lesions: A row a region of every time point.
        tracks: A row a lesion over time and time point.
        responses: A row a patient and time point: RECIST 1.1.
        settings: What was asked for.
        pictures: PNG files by name.
    """

    patients: pd.DataFrame
    lesions: pd.DataFrame
    tracks: pd.DataFrame
    responses: pd.DataFrame
    settings: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def failed(self) -> pd.DataFrame:
        """The patients that could not be compared, with their reasons."""
        return self.patients[self.patients["status"] == "failed"]

    def save(self, folder: str | Path) -> None:
        """Write `patients.csv`, `lesions.csv`, `tracks.csv`, `responses.csv`, `followup.json` and the pictures.

        Raises:
            OutputError: The folder cannot be written.
        """
        folder = Path(folder)
        for name in ("patients", "lesions", "tracks", "responses"):
            write_csv(folder / f"{name}.csv", getattr(self, name))
        write_json(folder / "followup.json", self.content())
        for name, drawn in self.pictures.items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(drawn)

    def content(self) -> dict[str, Any]:
        """All tables as lists of rows, empty cells null, with the settings."""
        tables = {name: getattr(self, name) for name in ("patients", "responses", "tracks", "lesions")}
        return {"settings": self.settings} | {
            name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()
        }

    def _repr_html_(self) -> str:
        from medseg.outputs.followup_sheet import html_picture

        drawn = [html_picture(name, png) for name, png in list(self.pictures.items())[: 2 * _SHOWN]]
        tables = [self.responses, self.tracks.head(20)]
        return "".join([*(table.dropna(axis=1, how="all").to_html(index=False) for table in tables), *drawn])


@dataclass(frozen=True)
class _How:
    """What is the same for all patients."""

    placing: Placing | None
    matching: Matching
    criteria: Criteria
    picture: bool


def compare(
    *sources: Source,
    images: Sequence[str | Path | Image | None] | None = None,
    labels: Labels | None = None,
    register: Placing | None = None,
    dates: Sequence[Day] | None = None,
    nodes: Sequence[str] = (),
    targets: Sequence[tuple[str, int]] = (),
    max_distance_mm: float = 10.0,
    min_overlap: float = 0.1,
    min_new_mm: float = 0.0,
    min_voxels: int = 0,
    options: ReadOptions | None = None,
    picture: bool = True,
    reporter: Reporter | None = None,
) -> FollowUp:
    """Compare two or more time points; loads no torch.

    Args:
        sources: The baseline, then the follow-ups in the order of time. Each is a mask (file or segmentation) or a
            region table (file or frame) of one patient; or each is a folder that `predict` or `measure` wrote, whose
            patients are matched by id. One folder will do where it has several studies a patient, with their dates.
        images: An image for each mask: for registration, pictures, dates and frames of reference.
        labels: What values of masks mean; every value but 0 is a label of its own where left out.
        register: "rigid" or "affine" brings each follow-up's image to the baseline's, and checks what it found; "none"
            takes positions as they are, as is done where left out if the files say that it may.
        dates: Of each time point; as its image or `cases.csv` says where left out.
        nodes: Labels that are lymph nodes, measured by their short axis.
        targets: Target lesions as (label, region number at baseline); as RECIST 1.1 would have them where left out.
        max_distance_mm: How far apart the centroids of two lesions may be that share no voxel.
        min_overlap: The share of the smaller lesion that lies in the other, from which on they belong together.
        min_new_mm: Smaller new lesions do not count as progression.
        min_voxels: Smaller regions are left out.
        options: How to read, where there is a choice.
        picture: Draw the lesions side by side and, of more than two time points, the sum of diameters.
        reporter: Told of the progress.

    Raises:
        MedsegError: A file cannot be read, dates are out of order, positions cannot be compared or the registration
            failed its check. Of folders, a patient of whom that is so is a row of `patients`.
    """
    matching = Matching(max_distance_mm, min_overlap)
    criteria = Criteria(frozenset(nodes), tuple((str(label), int(number)) for label, number in targets), min_new_mm)
    how = _How(register, matching, criteria, picture)
    settings = {
        "register": register, "nodes": sorted(nodes), "targets": [f"{label}:{n}" for label, n in criteria.targets],
        "max_distance_mm": max_distance_mm, "min_overlap": min_overlap, "min_new_mm": min_new_mm,
        "min_voxels": min_voxels, "labels": labels.to_config() if labels else None,
    }  # fmt: skip
    if sources and all(is_folder(source) for source in sources):
        if images or targets:
            found = "given for folders of many patients"
            raise InputError("images" if images else "targets", found, "Name the masks of one patient.")
        found_of = _of_folders(sources, dates, labels, options, min_voxels, how, reporter or Silent())
    else:
        if any(is_folder(source) for source in sources) or len(sources) < 2:
            found = "a folder among files" if len(sources) > 1 else f"{len(sources)} time point(s)"
            raise InputError("compare", found, "Give two masks or region tables or more, or folders alone.")
        points = points_of(sources, images, dates, labels, options, min_voxels)
        found_of = iter([("", len(points), *_followed("", points, how))])
    return _gathered(found_of, settings)


_Outcome = tuple[str, int, Followed | None, dict[str, bytes], str]


def _of_folders(
    sources: Sequence[Source],
    dates: Sequence[Day] | None,
    labels: Labels | None,
    options: ReadOptions | None,
    min_voxels: int,
    how: _How,
    reporter: Reporter,
) -> Iterator[_Outcome]:
    days = None if not dates else [None if day is None else str(day) for day in dates]
    patients = studies_by_patient([open_folder(Path(str(source))) for source in sources], days)
    images = how.picture or how.placing in ("rigid", "affine")
    for patient, studies in reporter.track(patients.items(), "Comparing", len(patients)):
        try:
            require_days(patient, studies)
            points = [one.read(labels, options, min_voxels, images=images) for one in studies]
            yield patient, len(points), *_followed(patient, points, how)
        except Exception as error:  # whatever one patient does, the others are compared
            yield patient, sum(bool(one.case) for one in studies), None, {}, reason(error)


def _followed(patient: str, points: Sequence[TimePoint], how: _How) -> tuple[Followed, dict[str, bytes], str]:
    placed = [points[0], *(placed_on(points[0], later, how.placing) for later in points[1:])]
    found = follow(placed, patient=patient, how=how.matching, criteria=how.criteria)
    return found, _drawn(patient, found) if how.picture else {}, ""


def _drawn(patient: str, found: Followed) -> dict[str, bytes]:
    from medseg.outputs.followup_chart import sum_chart
    from medseg.outputs.followup_sheet import followup_sheet

    start = f"{safe_name(patient)}_" if patient else ""
    sheet = followup_sheet(found)
    drawn = {f"{start}lesions.png": sheet} if sheet else {}
    if len(found.found.points) > 2 and found.responses["sum_mm"].notna().any():
        drawn[f"{start}sum.png"] = sum_chart(found)
    return drawn


def _gathered(outcomes: Iterator[_Outcome], settings: dict[str, Any]) -> FollowUp:
    rows: list[dict[str, Any]] = []
    parts: list[Followed] = []
    pictures: dict[str, bytes] = {}
    for patient, points, found, drawn, error in outcomes:
        row: dict[str, Any] = {"patient": patient, "status": "failed" if error else "done", "time_points": points}
        row |= {"tracks": None if found is None else len(found.found.tracks), "error": error}
        rows.append(row | {"notes": "" if found is None else "; ".join(found.notes)})
        pictures |= drawn
        parts += [found] if found is not None else []
    patients = pd.DataFrame(rows, columns=["patient", "status", "time_points", "tracks", "notes", "error"])
    tables = {
        name: pd.concat([getattr(one, name) for one in parts], ignore_index=True) if parts else table_of([], columns)
        for name, columns in (("lesions", LESION_COLUMNS), ("tracks", TRACK_COLUMNS), ("responses", RESPONSE_COLUMNS))
    }
    return FollowUp(patients.astype({"tracks": "Int64"}), **tables, settings=settings, pictures=pictures)

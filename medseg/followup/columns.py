"""The columns of the three tables of a follow-up: lesions, tracks and responses."""

from medseg.followup.tracks import STATES
from medseg.regions.schema import PLANE, RECIST, WHO, Column

__all__ = ["LESION_COLUMNS", "RESPONSE_COLUMNS", "TRACK_COLUMNS"]

_SCHWARTZ = "Schwartz 1961, doi:10.1002/1097-0142(196111/12)14:6<1272::AID-CNCR2820140618>3.0.CO;2-H"
_WHEN = (
    Column("patient", "", "str", "Id of the patient."),
    Column("time", "", "int64", "Number of the time point, from 0, the baseline."),
    Column("name", "", "str", "What the time point is called: its file, folder or case."),
    Column("date", "", "str", "Date of the study (2020-01-31), empty where it is not known."),
    Column("days", "days", "Int64", "Days since the baseline, empty where a date is not known."),
)
_SIZES = (
    Column("volume_ml", "ml", "float64", "Volume; empty in 2D."),
    Column("area_mm2", "mm²", "float64", "Area; empty in 3D."),
    Column("longest_axial_mm", "mm", "float64", f"Longest diameter {PLANE}.", RECIST),
    Column("perpendicular_mm", "mm", "float64", "Longest chord at right angles to it: the short axis of a node.", WHO),
)


def _changes(against: str, suffix: str) -> tuple[Column, ...]:
    measures = (("volume", "ml"), ("area", "mm2"), ("longest_axial", "mm"), ("perpendicular", "mm"))
    units = {"ml": "ml", "mm2": "mm²", "mm": "mm"}
    return tuple(
        column
        for name, unit in measures
        for column in (
            Column(f"{name}_change_{unit}{suffix}", units[unit], "float64", f"{name}_{unit} less that of {against}."),
            Column(f"{name}_change_percent{suffix}", "%", "float64", f"The same as a percentage of that of {against}."),
        )
    )


_STATES = "; ".join(f"{name}: {meaning}" for name, meaning in STATES.items())

LESION_COLUMNS = (
    *_WHEN,
    Column("label", "", "str", "Name of the label."),
    Column("region", "", "int64", "Number of the region in its region table."),
    Column("track", "", "int64", "Number of the lesion over time; lesions that merge or split have one number."),
    Column("role", "", "str", "target, non-target or normal node at baseline, and what comes of them; else new."),
    *_SIZES,
    Column("touches_border", "", "bool", "Whether it reaches the edge of the image: then its size is a lower bound."),
    *(
        Column(f"centroid_{axis}_mm", "mm", "float64", f"Its centre along {way} (RAS+) in its own study; empty in 2D.")
        for axis, way in (("x", "right"), ("y", "anterior"), ("z", "superior"))
    ),
    Column("match", "", "str", "How it was matched with what was before: overlap or centroid; empty where it was not."),
    Column("overlap", "", "float64", "Share of the smaller of the two that lies in the other, in the same world."),
    Column("distance_mm", "mm", "float64", "Between the centres of the two, in the same world."),
)  # fmt: skip

TRACK_COLUMNS = (
    _WHEN[0],
    Column("track", "", "int64", "Number of the lesion, from 1."),
    Column("label", "", "str", "Name of the label."),
    *_WHEN[1:],
    Column("state", "", "str", f"{_STATES}."),
    Column("role", "", "str", "target, non-target, normal node (a short axis below 10 mm at baseline) or new."),
    Column("members", "", "int64", "How many regions it has at that time."),
    Column("regions", "", "str", "Their numbers in the region table, with + between."),
    *(
        Column(one.name, one.unit, one.dtype, f"{one.meaning} Summed over the members; 0 where it is gone.", one.source)
        for one in _SIZES
    ),
    *_changes("the baseline", ""),
    *_changes("the time point before at which it was judged", "_from_previous"),
    Column(
        "doubling_days", "days", "float64",
        "ln 2 · days / ln(V2 / V1) of the volumes at the time point before at which it was there and at this one; "
        "empty where it did not grow or a date is not known.", _SCHWARTZ,
    ),
    Column("doubling_days_overall", "days", "float64", "The same from where it was seen first.", _SCHWARTZ),
    Column("flags", "", "str", "What a reader should look at, with ; between."),
)  # fmt: skip

RESPONSE_COLUMNS = (
    *_WHEN,
    Column("targets", "", "int64", "Target lesions at baseline: five at most, two an organ (or label).", RECIST),
    Column(
        "sum_mm", "mm", "float64",
        "Sum of the targets' diameters: the longest in a slice, of nodes the short axis; of fragments all, of lesions "
        "that merged one; empty where a target could not be judged.", RECIST,
    ),
    Column("sum_change_mm", "mm", "float64", "sum_mm less that of the baseline."),
    Column("sum_change_percent", "%", "float64", "The same as a percentage of that of the baseline."),
    Column("nadir_mm", "mm", "float64", "The smallest sum before, the baseline's among them.", RECIST),
    Column("nadir_change_mm", "mm", "float64", "sum_mm less the nadir."),
    Column("nadir_change_percent", "%", "float64", "The same as a percentage of the nadir; empty where it is 0."),
    Column(
        "target_response", "", "str",
        "CR: all gone, nodes below 10 mm; PR: 30% less than at baseline; PD: 20% and 5 mm more than the nadir "
        "(those that were judged alone, where not all were), or back after the patient was CR; SD: neither; NE: a "
        "target could not be judged; empty without targets.", RECIST,
    ),
    Column("non_targets", "", "int64", "Non-target lesions at baseline that are still there, nodes from 10 mm on."),
    Column(
        "non_target_response", "", "str",
        "CR: all gone, nodes below 10 mm; non-CR/non-PD: some are there; NE: one could not be judged; empty without. "
        "PD (unequivocal progression) is the reader's to say.", RECIST,
    ),
    Column(
        "new_lesions", "", "int64",
        "Lesions that were not there at baseline; nodes from 10 mm on, which may have been normal ones then.", RECIST,
    ),
    Column(
        "response", "", "str",
        "Of the patient at that time (tables 1 and 2 of RECIST 1.1): CR, PR, SD, PD, NE; without targets "
        "non-CR/non-PD; NED where there never was a lesion. Of this time alone, and not confirmed.", RECIST,
    ),
    Column("to_judge", "", "str", "What is left to the reader, with ; between."),
)  # fmt: skip

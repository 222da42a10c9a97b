"""The columns of the patient table, and the words that it uses for itself."""

from collections.abc import Mapping

from medseg.regions.cases import case_columns
from medseg.regions.schema import RECIST, Column

__all__ = ["ALL_OF_PATIENT", "STUDY_DATE", "patient_columns"]

ALL_OF_PATIENT = "(all labels)"
STUDY_DATE = "study_date"


def patient_columns() -> tuple[Column, ...]:
    """Every column of the patient table of its own, in order; those of the case table follow."""
    own = {column.name: column for column in case_columns()}
    mean = "Where there are several cases, their mean."
    lengths = [
        Column("diameter_sum_mm", "mm", "float64", f"Sum of the longest diameters in a slice of all regions. {mean}"),
        Column("diameter_sum_px", "px", "float64", "As diameter_sum_mm, where the spacing is unknown."),
    ]
    targets = (
        "Sum of the longest diameters in a slice of the five regions with the largest, at most two an organ where "
        f"organs are known, and at most two a label in the row of all labels. {mean}"
    )
    return (
        Column("patient", "", "str", "Id of the patient, as the data set or the header has it."),
        Column(STUDY_DATE, "", "str", "Date of the study, year-month-day; empty where nothing says it."),
        Column("label", "", "str", f"Name of the label; {ALL_OF_PATIENT} for all of them, which exclude one another."),
        Column("cases", "", "int64", "Cases (series, views) that the figures are of."),
        Column("failed_cases", "", "int64", "Cases that could not be measured; where all failed, no figure is given."),
        Column("regions", "", "float64", f"Regions of the label; 0 where there is none. {mean}"),
        *(_of_size(own[f"{kind}_{size}"], mean) for size in _sizes(own) for kind in ("total", "largest")),
        *lengths,
        Column("recist_targets", "", "float64", f"Regions whose diameters are in the next sum. {mean}"),
        Column("recist_sum_mm", "mm", "float64", targets, RECIST),
        Column("recist_sum_px", "px", "float64", "As recist_sum_mm, where the spacing is unknown."),
        Column("case_ids", "", "str", "Ids of the cases, those that failed among them, with semicolons between."),
        Column("note", "", "str", "What a reader of the row has to know; empty where nothing is."),
    )


def _of_size(column: Column, mean: str) -> Column:
    """A column of the case table as it is of a patient."""
    meaning = column.meaning.replace("; empty where they have none", "")
    return Column(column.name, column.unit, column.dtype, f"{meaning} {mean}" if "total" in column.name else meaning)


def _sizes(own: Mapping[str, Column]) -> list[str]:
    return [name.removeprefix("total_") for name in own if name.startswith("total_")]

"""The case table: how many regions of each label a case has, how large they are together, and where they lie."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.regions.schema import RECIST, Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["case_columns", "case_table", "recist_sum"]

_TARGETS, _TARGETS_AN_ORGAN = 5, 2
_SIZES = {
    "volume_ml": ("ml", "volume"),
    "area_mm2": ("mm²", "area (2D)"),
    "area_px": ("px²", "area in pixels (2D of unknown spacing)"),
}
_SIDES = ("left", "right", "both")


def case_columns(organs: Sequence[str] = ()) -> tuple[Column, ...]:
    """Every column of the case table, in order.

    Args:
        organs: Names of the organs in which regions were looked for.
    """
    sizes = [
        column
        for name, (unit, what) in _SIZES.items()
        for column in (
            Column(f"total_{name}", unit, "float64", f"Sum of the regions' {what}; empty where they have none."),
            Column(f"largest_{name}", unit, "float64", f"Largest {what} of a region."),
        )
    ]
    chosen = (
        f"of the {_TARGETS} regions with the largest, at most {_TARGETS_AN_ORGAN} an organ where organs are known; "
        "measurability and lymph nodes are the reader's to judge"
    )
    return (
        Column("case", "", "str", "Id of the case."),
        Column("label", "", "str", "Name of the label."),
        Column("regions", "", "int64", "Regions of the label."),
        *sizes,
        Column("recist_targets", "", "int64", "Regions whose diameters are summed."),
        Column("recist_sum_mm", "mm", "float64", f"Sum of the longest diameters in a slice {chosen}.", RECIST),
        Column("recist_sum_px", "px", "float64", "As recist_sum_mm, where the spacing is unknown."),
        *(Column(f"regions_{side}", "", "Int64", f"Regions whose `side` is {side}.") for side in _SIDES),
        *(Column(f"regions_in_{organ}", "", "Int64", f"Regions whose `organ` is {organ}.") for organ in organs),
    )


def case_table(
    regions: "pd.DataFrame",
    cases: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    organs: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """One row a case and label, from a region table; a label of which a case has no region has a row of zeros.

    Args:
        regions: What `measure_regions` gives, of any number of cases.
        cases: Ids in the order of the rows; those of the region table where left out, which has none of cases without
            a region.
        labels: Names of the labels; those of the region table where left out.
        organs: Names of the organs; those of the region table where left out, without which columns are left out.

    Returns:
        `case_columns` says what the columns mean.
    """
    import pandas as pd

    ids = list(dict.fromkeys(regions["case"] if cases is None else cases))
    names = list(dict.fromkeys(regions["label"] if labels is None else labels))
    if organs is None:
        organs = sorted(set(regions["organ"].dropna()) - {""}) if "organ" in regions else []
    groups: dict[Any, pd.DataFrame] = dict(list(regions.groupby(["case", "label"], sort=False)))
    # Of no region the size is 0 in the measure that the other regions have; where there are none, it is not known.
    nothing = _nothing(regions)
    empty = regions.iloc[:0]
    rows = [
        {"case": case, "label": label} | nothing | _row(groups.get((case, label), empty), organs)
        for case in ids
        for label in names
    ]
    columns = case_columns(organs)
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: column.dtype for column in columns})


def _nothing(regions: "pd.DataFrame") -> dict[str, Any]:
    """The sums of a case without a region."""
    measured = {"total": list(_SIZES), "recist_sum": ["mm", "px"]}
    columns = {"total": "{}", "recist_sum": "longest_axial_{}"}
    return {
        f"{kind}_{name}": 0.0
        for kind, names in measured.items()
        for name in names
        if (column := columns[kind].format(name)) in regions and regions[column].notna().any()
    }


def _row(group: "pd.DataFrame", organs: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"regions": len(group)}
    for name in _SIZES:
        if name in group and len(group):
            row |= {f"total_{name}": group[name].sum(min_count=1), f"largest_{name}": group[name].max()}
    row |= recist_sum(group)
    if "side" in group:
        row |= {f"regions_{side}": int((group["side"] == side).sum()) for side in _SIDES}
    return row | {f"regions_in_{organ}": int((group["organ"] == organ).sum()) for organ in organs}


def recist_sum(group: "pd.DataFrame", at_most_two: Sequence[str] = ("organ",)) -> dict[str, Any]:
    """How many diameters are summed, and their sum in the unit that they have.

    Args:
        group: Rows of a region table.
        at_most_two: Columns of each of whose values no more than two regions are taken; a row without a value, or a
            table without the column, is not held to it.
    """
    units = [unit for unit in ("mm", "px") if f"longest_axial_{unit}" in group]
    unit = next((unit for unit in units if group[f"longest_axial_{unit}"].notna().any()), None)
    if unit is None:
        return {"recist_targets": 0}
    other = {f"recist_sum_{one}": None for one in units if one != unit}
    targets: list[float] = []
    taken: Counter[tuple[str, Any]] = Counter()
    columns = [name for name in at_most_two if name in group]
    column, words = group[f"longest_axial_{unit}"], {name: group[name].tolist() for name in columns}
    lengths, measured = column.tolist(), np.flatnonzero(column.notna())
    for place in sorted(measured, key=lambda place: -lengths[place]):
        named = [(name, word) for name in columns if isinstance(word := words[name][place], str) and word]
        if len(targets) < _TARGETS and all(taken[one] < _TARGETS_AN_ORGAN for one in named):
            targets.append(lengths[place])
            taken.update(named)
    return other | {"recist_targets": len(targets), f"recist_sum_{unit}": float(sum(targets))}

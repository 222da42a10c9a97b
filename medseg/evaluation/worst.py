"""Which cases were segmented worst, and what is wrong with each in a few words."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WORST_COLUMNS", "worst_cases", "worst_table"]

WORST_COLUMNS = (
    "label", "rank", "case", "patient", "dice", "hd95_mm", "hd95_px", "predicted_voxels", "reference_voxels", "reason",
)  # fmt: skip
_MUCH = 0.25  # of the reference's size; a prediction that differs by more is said to be larger or smaller
_LITTLE = 0.5  # Dice


def worst_table(scores: "pd.DataFrame", facts: "pd.DataFrame") -> "pd.DataFrame":
    """Scored cases, the worst first: label by label, by Dice, of equal Dice by HD95, then in their own order.

    A case in which neither mask has the label, or in which nobody looked for it, has no Dice and no row.

    Args:
        scores: As `Evaluation.cases`.
        facts: As `Evaluation.facts`, which knows the patients.

    Returns:
        Columns as `WORST_COLUMNS`; `rank` counts from 1 within the label. `reason` is what can be read from the
        figures: "label missed", "label where there is none", "no overlap", a size that is off by more than a quarter,
        lesions missed or made up, or a Dice below 0.5 that none of it explains; empty where nothing stands out.
    """
    shown = scores[scores["dice"].notna()]
    whose = dict(zip(facts["case"], facts["patient"], strict=True))
    order = {label: place for place, label in enumerate(dict.fromkeys(scores["label"]))}
    shown = shown.assign(
        patient=[whose.get(case, case) for case in shown["case"]],
        reason=[_reason(row) for row in shown.to_dict("records")],
        place=shown["label"].map(order),
        distance=shown["hd95_mm"].fillna(shown["hd95_px"]).fillna(math.inf),
    )
    shown = shown.sort_values(["place", "dice", "distance"], ascending=[True, True, False], kind="stable")
    shown = shown.assign(rank=shown.groupby("label", sort=False).cumcount() + 1)
    return shown[list(WORST_COLUMNS)].reset_index(drop=True)


def worst_cases(worst: "pd.DataFrame", most: int) -> "pd.DataFrame":
    """The rows of so many different cases, each with the label of its lowest Dice, the worst first.

    Args:
        worst: As `worst_table` gives.
        most: How many.
    """
    distance = worst["hd95_mm"].fillna(worst["hd95_px"]).fillna(math.inf)
    ordered = worst.assign(distance=distance).sort_values(["dice", "distance"], ascending=[True, False], kind="stable")
    return ordered.drop_duplicates("case")[list(WORST_COLUMNS)].head(most).reset_index(drop=True)


def _reason(row: Mapping[Any, Any]) -> str:
    predicted, reference = row["predicted_voxels"], row["reference_voxels"]
    if not predicted:
        return "label missed"
    if not reference:
        return "label where there is none"
    parts = ["no overlap"] if row["dice"] == 0 else []
    change = predicted / reference - 1
    if abs(change) > _MUCH:
        parts.append(f"{abs(change):.0%} {'larger' if change > 0 else 'smaller'}")
    missed, wrong = row["reference_lesions"] - row["found_lesions"], row["false_lesions"]
    if missed and row["reference_lesions"] > 1:
        parts.append(f"{missed} of {row['reference_lesions']} lesions missed")
    if wrong and wrong == wrong:
        parts.append(f"{wrong:.0f} false lesion{'s' * (wrong != 1)}")
    if not parts and row["dice"] < _LITTLE:
        parts.append("little overlap of masks of like size")
    return "; ".join(parts)

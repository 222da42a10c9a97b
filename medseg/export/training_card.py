"""What a finished training says of its model, in the few values that the model's card keeps."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg.case import Case

__all__ = ["data_summary", "label_scores"]


def data_summary(fingerprint: Path, cases: Sequence[Case]) -> dict[str, Any]:
    """What a model has learnt from.

    Args:
        fingerprint: The folder in which a run keeps what its training images are like; one that started from another
            model took its plan and has none.
        cases: The cases that taught it.

    Returns:
        How many patients there are, the median grid of the images, and for each label in how many cases it was and how
        large it was there; only what is known.
    """
    told: dict[str, Any] = {"patients": len({case.patient for case in cases})}
    path = fingerprint / "summary.json"
    if not path.exists():
        return told
    found = json.loads(path.read_text(encoding="utf-8"))
    told["images"] = _grid(found)
    told["labels in training"] = {name: _label(one, found["size_unit"]) for name, one in found["labels"].items()}
    return told


def label_scores(history: Sequence[Mapping[str, Any]], best: float) -> dict[str, float]:
    """Dice of each label at the validation whose weights were kept, by the label's name.

    Args:
        history: A row an epoch, with val_dice and val_dice_LABEL where it had a validation.
        best: The highest val_dice.
    """
    kept = next((row for row in history if row.get("val_dice") == best), {})
    begin = "val_dice_"
    scores = {key.removeprefix(begin): value for key, value in kept.items() if key.startswith(begin)}
    return {name: round(value, 4) for name, value in scores.items() if value == value}  # NaN: in no validation case


def _grid(found: Mapping[str, Any]) -> str:
    shape = "×".join(f"{n:g}" for n in found["median_shape"])
    spacing = found["median_spacing_mm"]
    step = "spacing unknown" if spacing is None else "×".join(f"{n:.3g}" for n in spacing) + " mm"
    return f"median {shape}, {step}"


def _label(one: Mapping[str, Any], unit: str) -> str:
    cases = round(one["share_of_cases"] * one["judged_cases"])
    size = "" if one["median_size"] is None else f", median {one['median_size']:.3g} {unit}"
    return f"in {cases} of {one['judged_cases']} cases{size}"

"""A fitted classical method in sentences: what it does, its parameters, and how they were found."""

import re
from collections.abc import Mapping
from typing import Any

from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import Citations
from medseg.outputs.methods.wording import counted, joined, number

__all__ = ["classical_paragraphs", "classical_sentence", "fitting_paragraph", "tried_settings"]


def classical_paragraphs(run: Recorded, cite: Citations) -> list[str]:
    """The method of each label, and the search for its parameters."""
    parts = (run.classical or {})["parts"]
    told = [classical_sentence(part, cite) for part in parts]
    if len(parts) > 1:
        told.append("A voxel found for two labels was given to the label with the higher training Dice coefficient.")
    return [" ".join(told), fitting_paragraph(run)]


def classical_sentence(part: Mapping[str, Any], cite: Citations) -> str:
    """What finds one label."""
    from medseg.classical.methods import METHODS

    method = METHODS.get(part["method"])
    title = f", which finds {method.title}" if method else ""
    source = method.source if method and re.search(r"doi:|\d{4}", method.source) else ""
    mark = f" {cite.literally(source)}" if source else ""
    options = [
        f"{key.replace('_', ' ')} {_value(value)}" for key, value in part["options"].items() if value is not None
    ]
    given = ", ".join(options)
    return f"The label {part['label']} was segmented by the classical method {part['method']}{title}{mark} ({given})."


def tried_settings(run: Recorded) -> dict[str, int]:
    """How many settings of each method the search tried, over all labels; empty of a network."""
    found: dict[str, int] = {}
    for row in run.tried:
        if row["stage"] != "all":  # the last word on what was found already
            found[row["method"]] = found.get(row["method"], 0) + 1
    return found


def fitting_paragraph(run: Recorded) -> str:
    """How many settings were tried on what, and how good the kept ones were."""
    tried, parts = tried_settings(run), (run.classical or {})["parts"]
    several = f" of {counted(len(tried), 'method')} ({joined(list(tried))})" if len(tried) > 1 else ""
    labels = " over all labels" if len(parts) > 1 else ""
    best = "the method and the settings" if len(tried) > 1 else "the settings"
    dice = joined([f"{part['dice']:.3f} for {part['label']}" for part in parts if part.get("dice") is not None])
    cases = min(run.settings["fit_cases"], len(run.parts["train"]))
    told = [
        f"In the training part {counted(sum(tried.values()), 'setting')}{several} were tried{labels}, each on up to "
        f"{counted(cases, 'case')}, and {best} with the highest mean Dice coefficient kept.",
        f"On all training cases it was {dice}." if dice else "",
        _validated(run.trainings[0].summary),
    ]
    return " ".join(filter(None, told))


def _validated(summary: Mapping[str, Any]) -> str:
    found = summary.get("dice", {}).get("validation", {}).get("mean")
    return (
        "" if found is None else f"The validation part chose nothing; the mean Dice coefficient there was {found:.3f}."
    )


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " to ".join(map(_value, value)) if len(value) == 2 else joined([_value(one) for one in value])
    if isinstance(value, bool):
        return "on" if value else "off"
    return number(value, 6) if isinstance(value, (int, float)) else str(value)

"""A fitted classical method in sentences: what it does, its parameters, and how they were found."""

import re
from collections.abc import Mapping
from typing import Any

from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import Citations
from medseg.outputs.methods.wording import counted, joined, number

__all__ = ["classical_paragraphs", "classical_sentence"]


def classical_paragraphs(run: Recorded, cite: Citations) -> list[str]:
    """The method of each label, and the search for its parameters."""
    parts = (run.classical or {})["parts"]
    told = [classical_sentence(part, cite) for part in parts]
    if len(parts) > 1:
        told.append("A voxel found for two labels was given to the label with the higher training Dice coefficient.")
    return [" ".join(told), _fitting(run)]


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
    given = f" with {joined(options)}" if options else " with its default parameters"
    return f"{part['label']} was segmented by the classical method {part['method']}{title}{mark},{given}."


def _fitting(run: Recorded) -> str:
    parts = (run.classical or {})["parts"]
    tried = f" among {counted(run.candidates, 'candidate')}" if run.candidates else ""
    dice = joined([f"{part['dice']:.3f} for {part['label']}" for part in parts if part.get("dice") is not None])
    reached = f" It was {dice}." if dice else ""
    return (
        f"Its parameters were those with the highest mean Dice coefficient{tried} on the cases that it was fitted on."
        f"{reached} Cases of the test part took no part in the search."
    )


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " to ".join(map(_value, value)) if len(value) == 2 else joined([_value(one) for one in value])
    if isinstance(value, bool):
        return "on" if value else "off"
    return number(value, 6) if isinstance(value, (int, float)) else str(value)

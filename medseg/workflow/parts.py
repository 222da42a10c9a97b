"""The cases of one part of the split that a model was trained with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.datasets import Split, require_no_leak
from medseg.errors import ConfigError
from medseg.outputs.learnt_record import with_learnt_patients

__all__ = ["cases_of_part"]


def cases_of_part(cases: Sequence[Case], part: str, model: Any) -> list[Case]:
    """The cases of one part of the split that lies beside the model folder.

    Args:
        cases: All of them.
        part: train, validation or test.
        model: The folder; what is open has no split.

    Raises:
        ConfigError: There is no split, or no such part.
        DatasetError: The split does not fit, or a patient is in two parts.
    """
    run = Path(model) if isinstance(model, (str, Path)) else Path()
    path = next((p for p in (run / "split.json", run.parent / "split.json") if p.exists()), None)
    parts = ("train", "validation", "test")
    if path is None or part not in parts:
        found = f"no split.json beside {run}" if path is None else "is not a part of a split"
        raise ConfigError(f"part {part}", found, "Pass the run's folder, and one of train, validation, test.")
    split = Split.load(path)
    cases = with_learnt_patients(cases, path.with_name("cases.csv"))
    require_no_leak(split, cases, path)
    return split.part(part, cases)

"""The methods section and the checklist of a paper, from the records of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.atomic import json_text, write_text
from medseg.outputs.methods.checklist import checklist_text, open_items
from medseg.outputs.methods.document import facts_of_run, methods_text
from medseg.outputs.methods.recorded import read_recorded

__all__ = ["Paper", "write_methods"]


@dataclass(frozen=True, eq=False)
class Paper:
    """What `write_methods` gives.

    Args:
        methods: The methods section, Markdown.
        checklist: The checklist, Markdown.
        facts: What both were written from.
        open_items: Numbers of the checklist's items that the authors have to answer, wholly or in part.
    """

    methods: str
    checklist: str
    facts: dict[str, Any]
    open_items: tuple[int, ...]

    def save(self, folder: str | Path) -> None:
        """Write `methods.md` and `checklist.md`.

        Raises:
            OutputError: The folder cannot be written.
        """
        write_text(Path(folder) / "methods.md", self.methods)
        write_text(Path(folder) / "checklist.md", self.checklist)

    def to_json(self) -> str:
        """The facts and the open items as JSON text."""
        return json_text(self.facts | {"open_items": self.open_items})

    def _repr_markdown_(self) -> str:
        return self.methods


def write_methods(
    run: str | Path,
    predictions: str | Path | None = None,
    evaluation: str | Path | None = None,
    leaderboard: str | Path | None = None,
) -> Paper:
    """Write the methods section of a paper from what a run recorded, and from nothing else; loads no torch.

    Args:
        run: The folder of a finished training, cross-validation or fit of a classical method.
        predictions: A folder of `predict`, for how the model was run.
        evaluation: A folder of `evaluate`; where left out, `evaluation` in that of the predictions, or the
            cross-validation's own.
        leaderboard: A folder of `leaderboard`, for tests between models.

    Raises:
        ConfigError: A folder is not what it should be, or the run is not finished.
    """
    others = (None if path is None else Path(path) for path in (predictions, evaluation, leaderboard))
    recorded = read_recorded(Path(run), *others)
    return Paper(methods_text(recorded), checklist_text(recorded), facts_of_run(recorded), tuple(open_items(recorded)))

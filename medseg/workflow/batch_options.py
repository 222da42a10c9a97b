"""How a batch is to be run, as the user said it."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.errors import ConfigError
from medseg.line.limits import Limits, seconds_of
from medseg.line.network import Facts
from medseg.outputs.dicom.writing import Writing
from medseg.training.memory import bytes_of

__all__ = ["BatchOptions"]


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is to be run: the arguments of `medseg.predict`, which says what they mean, under their names.

    Args:
        writing: DICOM objects that are written of each case.
        settings: How the model is to run, as in `medseg.load_model`.
    """

    part: str | None = None
    min_voxels: int = 0
    reading: Mapping[str, Any] | None = None
    probabilities: bool = False
    masks_only: bool = False
    jobs: int | None = None
    workers: int | None = None
    redo: bool | Sequence[str] = False
    retry_failed: bool = False
    attempts: int = 2
    timeout: str | float | None = None
    memory_limit: str | int | None = None
    command: str = ""
    cluster: str | Path | None = None
    pseudonyms: str | Path | None = None
    parquet: bool = False
    writing: Writing | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """What a case may take.

        Raises:
            ConfigError: No attempt is left, or a time or size cannot be understood.
        """
        if self.attempts < 1:
            raise ConfigError("attempts", f"{self.attempts}", "Give every case a chance.", "1 or more")
        return Limits(
            self.attempts,
            None if self.timeout is None else seconds_of(self.timeout),
            None if self.memory_limit is None else bytes_of(str(self.memory_limit)),
        )

    def redone(self, cases: Sequence[Case]) -> bool | frozenset[str]:
        """Which of the cases are to be done again: all, or those whose ids were given, or patterns of ids.

        Raises:
            ConfigError: There is no such case.
        """
        if isinstance(self.redo, bool):
            return self.redo
        ids = [case.id for case in cases]
        found = {word: fnmatch.filter(ids, word) for word in self.redo}
        absent = [word for word, those in found.items() if not those]
        if absent:
            raise ConfigError("redo", f"{', '.join(absent)} is no case of this run", "Name cases as cases.csv does.")
        return frozenset(case for those in found.values() for case in those)

    def require_fit(self, facts: Facts) -> None:
        """Refuse what a model cannot do.

        Raises:
            ConfigError: It cannot be held to a memory, or has no probabilities.
        """
        if self.settings.get("max_memory") and "max_memory" not in facts.settings:
            raise ConfigError("max_memory", "this kind of model cannot be held to a limit", "Leave it out.")
        if self.probabilities and not facts.gives_probabilities:
            told = f"{facts.settings.get('method', 'this model')} has none"
            raise ConfigError("probabilities", told, "Leave them away, or use random_walker or gmm.")
        if self.writing is not None:
            self.writing.coded(facts.labels)
            if self.masks_only and "sr" in self.writing.objects:
                raise ConfigError("write", "an SR of what is not measured", "Leave away --masks-only, or sr.")
            if self.writing.kind == "FRACTIONAL" and not self.probabilities:
                mend = "Add --probabilities, or write it BINARY."
                raise ConfigError("seg", "a FRACTIONAL SEG is written of probabilities, and none are kept", mend)

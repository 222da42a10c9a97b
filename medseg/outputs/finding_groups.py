"""Findings of one kind together, as the terminal and the page show them."""

from collections.abc import Iterable
from dataclasses import dataclass

from medseg.datasets.inspection import KINDS, Finding

__all__ = ["FindingGroup", "grouped", "listed"]

# Kinds whose names say too little by themselves.
_TITLES = {
    "crash": "Failed to read",
    "grid_header": "Mask with another header",
    "grid_resample": "Mask on another grid",
    "grid_size": "Mask of another size",
    "leak": "Patient in several parts",
    "not_empty": "Labelled where nothing should be",
    "nonfinite": "NaN or infinite values",
    "channels_differ": "Other channels",
    "modality_differs": "Other modality",
    "unlabelled": "Without a label",
}


@dataclass(frozen=True)
class FindingGroup:
    """All findings of one kind and severity.

    Args:
        kind: A key of `KINDS`.
        severity: "problem" or "note".
        findings: At least one.
    """

    kind: str
    severity: str
    findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """The kind in words."""
        return _TITLES.get(self.kind, self.kind.replace("_", " ").capitalize())

    @property
    def meaning(self) -> str:
        """What the kind is about, in one sentence."""
        return KINDS.get(self.kind, "")

    @property
    def cases(self) -> tuple[str, ...]:
        """Each case concerned, once."""
        return tuple(dict.fromkeys(case for one in self.findings for case in one.cases))

    @property
    def mends(self) -> tuple[str, ...]:
        """What to do, each once."""
        return tuple(dict.fromkeys(one.mend for one in self.findings if one.mend))

    @property
    def extent(self) -> str:
        """How many findings and cases."""
        found, cases = len(self.findings), len(self.cases)
        concerned = f"{cases} case{'s' * (cases != 1)}" if cases else ""
        if concerned and found in (1, cases):
            return concerned
        findings = f"{found} finding{'s' * (found != 1)}"
        return f"{findings}, {concerned}" if concerned else findings


def grouped(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Groups of findings by kind: problems first, then in the order of `KINDS`."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.severity, one.kind), []).append(one)
    keys = sorted(groups, key=lambda key: (key[0] != "problem", order.get(key[1], len(order))))
    return [FindingGroup(kind, severity, tuple(groups[severity, kind])) for severity, kind in keys]


def listed(names: Iterable[str], shown: int) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    more = f" … and {len(every) - shown} more" if len(every) > shown else ""
    return ", ".join(every[:shown]) + more

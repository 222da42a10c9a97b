"""What only shows beside the other cases: what most of them are, and which are not."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from medseg.datasets.dataset import Dataset
from medseg.datasets.inspection.duplicates import duplicates
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding, Severity
from medseg.datasets.inspection.outliers import BY_INTENT, outliers

__all__ = ["compared"]


def compared(dataset: Dataset, facts: Sequence[CaseFacts]) -> list[Finding]:
    """Findings about cases beside one another."""
    read = [one for one in facts if one.geometry is not None]
    return [
        *_unusual(read, "dimension", lambda one: f"{one.geometry.ndim}D" if one.geometry else "", "the image is"),
        *_unusual(read, "channels_differ", lambda one: f"{one.channels}", "number of channels:"),
        *_unusual(read, "modality_differs", lambda one: one.modality, "the modality is", _severity_of_rare),
        *_unusual(read, "orientation", _orientation, "axes are stored", lambda _share: "note"),
        *outliers(read),
        *duplicates(read),
        *_patients(dataset),
        *_unlabelled(dataset),
    ]


def _orientation(one: CaseFacts) -> str:
    return one.geometry.orientation if one.geometry else ""


def _severity_of_rare(share: float) -> Severity:
    """What many cases have is by intent; a stray one is not."""
    return "problem" if share <= BY_INTENT else "note"


def _unusual(
    facts: Sequence[CaseFacts],
    kind: str,
    seen: Callable[[CaseFacts], str],
    words: str,
    severity: Callable[[float], Severity] = lambda _share: "problem",
) -> Iterator[Finding]:
    """One finding for all cases of each value that is not the most common one; its share says how grave it is."""
    values = {one.case.id: seen(one) for one in facts}
    counts = Counter(value for value in values.values() if value)
    for value, n in counts.most_common()[1:]:
        cases = tuple(name for name, own in values.items() if own == value)
        yield Finding(
            kind, f"{words} {value} where most are {counts.most_common(1)[0][0]}", cases, severity(n / counts.total())
        )


def _patients(dataset: Dataset) -> Iterator[Finding]:
    """Patients in more than one part of the fixed split."""
    for patient in dataset.patients:
        own = [case for case in dataset.cases if case.patient == patient and case.split]
        parts = sorted({case.split for case in own})
        if len(parts) > 1:
            text = f"the patient {patient!r} is in {' and in '.join(parts)}"
            yield Finding("leak", text, tuple(case.id for case in own), mend="Keep each patient in one part.")


def _unlabelled(dataset: Dataset) -> Iterator[Finding]:
    cases = tuple(case.id for case in dataset.cases if not case.labelled)
    if cases and dataset.labelled:
        yield Finding("unlabelled", f"{len(cases)} of {len(dataset)} cases have no label", cases, "note")

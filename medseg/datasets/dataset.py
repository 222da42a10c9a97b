"""A data set: its cases, and what all of them share."""

import html
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medseg.case import Case
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["Dataset", "counted", "noted"]

_SHOWN = 10
_NAMED = 5


@dataclass(frozen=True)
class Dataset:
    """Cases that were found by one layout.

    Args:
        root: The folder (of a manifest, that in which it lies), or an HDF5 file.
        layout: Name of the layout that read it, of those in `LAYOUTS`.
        cases: All cases, sorted by id.
        labels: What the masks can contain, where it is known.
        channels: Names of the image channels; every case has as many images.
        modality: DICOM's word for the first channel, where the data set says it.
        warnings: What was odd but could be read.
        problems: What does not hold together, each with its file or line; the cases concerned are left out.
    """

    root: Path
    layout: str
    cases: tuple[Case, ...]
    labels: Labels | None
    channels: tuple[str, ...]
    modality: str = ""
    warnings: tuple[str, ...] = ()
    problems: tuple[DatasetError, ...] = ()

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def labelled(self) -> tuple[Case, ...]:
        """The cases that have a label."""
        return tuple(case for case in self.cases if case.labelled)

    @property
    def patients(self) -> tuple[str, ...]:
        """Every patient once, sorted."""
        return tuple(sorted({case.patient for case in self.cases}))

    def __repr__(self) -> str:
        return f"Dataset({self.root}, {self.layout}: {len(self.cases)} cases, {len(self.labelled)} labelled)"

    def _repr_html_(self) -> str:
        names = ", ".join(self.labels.names) if self.labels else "labels not declared"
        title = (
            f"{self.root.name}: {len(self)} cases ({len(self.labelled)} labelled) of {len(self.patients)} patients, "
            f"layout {self.layout}, {', '.join(self.channels)}; {names}"
        )
        rows = "".join(
            f"<tr><td>{html.escape(case.id)}</td><td>{html.escape(case.patient)}</td>"
            f"<td>{html.escape(', '.join(path.name for path in case.images))}</td>"
            f"<td>{html.escape(', '.join(path.name for path in case.masks))}</td></tr>"
            for case in self.cases[:_SHOWN]
        )
        more = f"<p>… and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        head = "<tr><th>case</th><th>patient</th><th>images</th><th>label</th></tr>"
        return f"<p>{html.escape(title)}</p><table>{head}{rows}</table>{more}"


@contextmanager
def noted(problems: list[DatasetError]) -> Iterator[None]:
    """What is wrong with one line or case is written down, and reading goes on with the next."""
    try:
        yield
    except DatasetError as error:
        problems.append(error)


def counted(names: Collection[str], what: str) -> tuple[str, ...]:
    """A warning that says how many of something there are, and the names of the first; none where there are none."""
    first = ", ".join(sorted(names)[:_NAMED])
    return (f"{len(names)} {what} ({first}{' …' if len(names) > _NAMED else ''})",) if names else ()

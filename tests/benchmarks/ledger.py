"""What was read of a folder, how far it agrees with its truths, what was refused and what was noted."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from truths import Truth, on_grid

from medseg import Geometry, Image, MedsegError, Segmentation, address
from medseg.io import LabelMap

__all__ = ["Comparison", "Ledger", "show"]

_REMARKS = """
Differences of 1.2e-07 of the value are one unit in the last place of float32. Corners differ
from those of programs that take direction cosines as written: medseg, as SimpleITK, makes unit vectors of them."""
Found = Image | LabelMap | Segmentation
S = TypeVar("S")
F = TypeVar("F", Image, LabelMap, Segmentation)


@dataclass
class Comparison:
    """What was read in one way and compared with one truth; a row of the table."""

    what: str
    truth: str
    files: int = 0
    items: int = 0
    voxels: int = 0
    differing: int = 0
    largest: float = 0.0
    relative: float = 0.0
    moved_mm: float | None = None

    def reads(self) -> str:
        """What was read, in words; without a number of files where those are in another row."""
        things = f"{self.items} {self.what if self.items > 1 else self.what.removesuffix('s')}"
        if not self.files:
            return f"of the same: {things}"
        return things if self.files == self.items else f"{_files_in_words(self.files)} → {things}"

    def agreement(self) -> str:
        """How far values and grids agree, in words."""
        away = f"≤ {self.largest:.2g} ({self.relative:.2g} of the value) in {self.differing} of {self.voxels}"
        moved = (
            ""
            if self.moved_mm is None
            else f"; corners ≤ {self.moved_mm:.1g} mm"
            if self.moved_mm
            else "; corners equal"
        )
        return ("equal" if not self.differing else away) + moved


@dataclass
class Ledger:
    """The accounts of one folder: every file is read, refused, text, or left over."""

    root: Path
    name: str
    comparisons: dict[tuple[str, str], Comparison] = field(default_factory=dict)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    read: set[Path] = field(default_factory=set)
    refused: set[Path] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.root / self.name

    def files(self, pattern: str) -> list[Path]:
        """Its files of a pattern, sorted."""
        return sorted(path for path in self.folder.glob(pattern) if path.is_file())

    def check(
        self,
        what: str,
        source: S,
        read: Callable[[S], F],
        truth: Callable[[], Truth] | None = None,
        by: str = "",
        files: Iterable[Path] = (),
    ) -> F | None:
        """Read something and compare it with its truth; a refusal is written down, and nothing is returned.

        Args:
            what: In the plural, what it is.
            source: What `read` is called with: a file, files, a folder, or an address.
            read: A public function of medseg.
            truth: Reads the same with another program.
            by: That program's name.
            files: Those that were read, where they are not what `source` names.
        """
        used = set(files) or _files(source)
        try:
            found = read(source)
        except MedsegError as error:
            self.refused |= used
            self.refusals.append((len(used), str(error).replace(f"{self.root}/", "")))
            return None
        self.notes.update(re.sub(r"\d+(\.\d+)?(e-?\d+)?", "#", note) for note in found.notes)
        if truth is not None:
            self.compare(what, found, truth(), by, used)
        return found

    def compare(self, what: str, found: Found, truth: Truth, by: str, files: Iterable[Path] = ()) -> None:
        """Compare what was read already from these files with a truth."""
        _compare(self._row(what, by, files), found, truth)

    def figures(
        self, what: str, by: str, ours: Sequence[float], truth: Sequence[float], files: Iterable[Path] = ()
    ) -> None:
        """Compare numbers that were taken from what was read with stated ones."""
        _add(self._row(what, by, files), np.asarray(ours, float), np.asarray(truth, float))

    def accounts(self) -> dict[str, Any]:
        """Everything in plain types; `left_over` must be empty."""
        files = {path for path in self.folder.rglob("*") if path.is_file()}
        text = {path for path in files - self.read - self.refused if _is_text(path)}
        refused = self.refused - self.read
        return {
            "folder": self.name,
            "files": len(files),
            "read": len(self.read),
            "refused": len(refused),
            "text": len(text),
            "left_over": sorted(str(path.relative_to(self.root)) for path in files - self.read - refused - text),
            "comparisons": [
                asdict(row) | {"reads": row.reads(), "agreement": row.agreement()} for row in self.comparisons.values()
            ],
            "refusals": [{"files": count, "message": message} for count, message in self.refusals],
            "notes": dict(self.notes.most_common()),
        }

    def _row(self, what: str, by: str, files: Iterable[Path]) -> Comparison:
        row = self.comparisons.setdefault((what, by), Comparison(what, by))
        row.files += len(set(files) - self.read)
        row.items += 1
        self.read |= set(files)
        return row


def _files_in_words(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _files(source: Any) -> set[Path]:
    if not isinstance(source, (str, Path)):
        return set(source)
    path = address.split(source)[0]
    return {path} if path.is_file() else {file for file in path.rglob("*") if file.is_file()}


def _is_text(path: Path) -> bool:
    return path.suffix in (".md", ".txt", ".csv", ".json") or path.name.startswith("LICENSE")


def _compare(row: Comparison, found: Found, truth: Truth) -> None:
    grid: Geometry = found.geometry
    values = found.voxels[0] if isinstance(found, Image) else found.mask
    if truth.affine is not None and grid.ndim == 3:
        truth = on_grid(truth, grid.affine)
        moved = grid.displacement_mm(Geometry(truth.values.shape, truth.affine))
        row.moved_mm = max(row.moved_mm or 0.0, moved)
    elif truth.affine is not None and grid.spacing_known:
        spacing = np.linalg.norm(truth.affine[:3, :2], axis=0)
        moved = float(np.linalg.norm((spacing - grid.spacing_mm) * (np.array(grid.shape) - 1)))
        row.moved_mm = max(row.moved_mm or 0.0, moved)
    expected = truth.values.reshape(values.shape) if truth.values.size == values.size else truth.values
    _add(row, values, expected.astype(np.float32) if values.dtype == np.float32 else expected)


def _add(row: Comparison, values: np.ndarray, expected: np.ndarray) -> None:
    if values.shape != expected.shape:
        raise ValueError(f"{row.what}: {values.shape} against {expected.shape} by {row.truth}")
    differs = (values != expected) & ~((values != values) & (expected != expected))
    row.voxels += values.size
    row.differing += int(differs.sum())
    away = np.abs(values[differs].astype(float) - expected[differs].astype(float))
    row.largest = max(row.largest, float(away.max(initial=0)))
    with np.errstate(divide="ignore"):
        row.relative = max(row.relative, float((away / np.abs(expected[differs].astype(float))).max(initial=0)))


def show(found: Sequence[dict[str, Any]], console: Console) -> None:
    """One table, then the refusals and the notes of each folder; in Markdown, for a closing note."""
    table = Table("folder", "files", "read as", "compared with", "agreement", "files refused", box=box.MARKDOWN)
    for one in found:
        text = (
            [{"reads": f"{_files_in_words(one['text'])} of text", "truth": "", "agreement": ""}] if one["text"] else []
        )
        rows = [*one["comparisons"], *text]
        for row in rows:
            first = row is rows[0]
            table.add_row(
                one["folder"] if first else "",
                str(one["files"]) if first else "",
                row["reads"],
                row["truth"],
                row["agreement"],
                (str(one["refused"] or "–")) if first else "",
            )
    console.print(table)
    total = {key: sum(one[key] for one in found) for key in ("files", "read", "refused", "text")}
    console.print("{files} files: {read} read, {refused} refused, {text} of text".format(**total))
    console.print(_REMARKS, markup=False)
    for one in found:
        listed = [f"{one['folder']}: nobody read {path}" for path in one["left_over"]]
        listed += [
            f"refused ({_files_in_words(refusal['files'])}): {refusal['message']}" for refusal in one["refusals"]
        ]
        listed += [f"noted {count} ×: {note}" for note, count in one["notes"].items()]
        if listed:
            console.print(f"\n{one['folder']}")
        for line in listed:
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)

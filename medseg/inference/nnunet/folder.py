"""What a path means: a trainer folder of nnU-Net v2, a fold or checkpoint of one, or a folder that holds just one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import ModelFolderError

__all__ = ["CHECKPOINTS", "Results", "find_results", "recognises"]

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")  # the first is what nnUNetv2_predict takes
_DEEP = ("*", "*/*")  # below nnUNet_results, or below the folder of a data set


@dataclass(frozen=True)
class Results:
    """A trainer folder and the checkpoints of the folds to be used, in the order of the folds."""

    folder: Path
    checkpoints: tuple[Path, ...]

    @property
    def folds(self) -> tuple[str, ...]:
        """Such as "0", "1" or "all"."""
        return tuple(path.parent.name.removeprefix("fold_") for path in self.checkpoints)


def recognises(path: Path) -> bool:
    """Whether this is nnU-Net's: a trainer folder, a fold or checkpoint in one, or a folder with one of them."""
    return bool(_own_trainer(path) or (path.is_dir() and _trainers_below(path)))


def find_results(path: Path, checkpoint: str = "") -> Results:
    """The trainer folder that a path means, and its checkpoints.

    All numbered folds are used, or `fold_all` where there is no other; a fold's folder or a checkpoint's file means
    that alone. `checkpoint_final.pth` is taken, as `nnUNetv2_predict` does, and where no fold has it the best.

    Args:
        path: A trainer folder, a fold's folder, a checkpoint, or a folder that holds exactly one trainer folder.
        checkpoint: Name of the checkpoints, where another.

    Raises:
        ModelFolderError: There is no trainer folder or no checkpoint, or there are several trainer folders.
    """
    if trainer := _own_trainer(path):
        if path.is_file():
            return Results(trainer, (path,))
        folds = [path] if path != trainer else _folds(trainer)
        return Results(trainer, _checkpoints(trainer, folds, checkpoint))
    below = _trainers_below(path) if path.is_dir() else []
    if len(below) != 1:
        found = f"holds {len(below)} trainings ({', '.join(str(t.relative_to(path)) for t in below)})"
        mend = "Pass one of them: the folder with dataset.json, plans.json and fold_*."
        raise ModelFolderError(path, found if below else "holds no results of nnU-Net v2", mend)
    return Results(below[0], _checkpoints(below[0], _folds(below[0]), checkpoint))


def _own_trainer(path: Path) -> Path | None:
    """The trainer folder that a path is or is part of."""
    folder = path
    if path.is_dir() and path.name.startswith("fold_"):
        folder = path.parent
    elif path.suffix == ".pth" and path.is_file() and path.parent.name.startswith("fold_"):
        folder = path.parent.parent
    return folder if _is_trainer(folder) else None


def _is_trainer(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("dataset.json", "plans.json")) and bool(_folds(folder))


def _trainers_below(path: Path) -> list[Path]:
    plans = (file for pattern in _DEEP for file in path.glob(f"{pattern}/plans.json"))
    return sorted(file.parent for file in plans if _is_trainer(file.parent))


def _folds(trainer: Path) -> list[Path]:
    """Numbered folds in their order; else the one trained on all cases."""
    folders = [path for path in trainer.glob("fold_*") if path.is_dir()]
    numbered = [path for path in folders if path.name.removeprefix("fold_").isdigit()]
    return sorted(numbered, key=lambda path: int(path.name.removeprefix("fold_"))) or sorted(folders)


def _checkpoints(trainer: Path, folds: Sequence[Path], wanted: str) -> tuple[Path, ...]:
    """One checkpoint a fold, all of one name; folds that were not trained to their end are left out."""
    names = (wanted,) if wanted else CHECKPOINTS
    for name in names:
        if found := tuple(fold / name for fold in folds if (fold / name).is_file()):
            return found
    others = sorted({path.name for fold in folds for path in fold.glob("*.pth")})
    there = f"only {', '.join(others)}" if others else "no checkpoint"
    mend = "Wait for the end of the training, or pass a checkpoint's file."
    raise ModelFolderError(trainer, f"has {there} in {len(folds)} fold(s)", mend, " or ".join(names))

"""The model that is open for a batch, kept for the next round of it where that would open the same in the same way."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from medseg.ledger.fingerprints import Listing, Signs
from medseg.line.limits import Limits
from medseg.line.network import Facts, Opening, opened, pinned
from medseg.line.remote import Remote
from medseg.plan import model_root

if TYPE_CHECKING:
    from medseg.segmenter import Segmenter

__all__ = ["Openings"]

_Files = tuple[Path, tuple[Signs, ...]]


@dataclass(frozen=True, eq=False)
class _Open:
    """A model that is open.

    Args:
        model: In this process, or in processes of its own.
        facts: What it is.
        opening: How it was opened.
        limits: That its processes are kept to; None in this one.
        files: The model's, as they were before it was opened.
    """

    model: "Segmenter | Remote"
    facts: Facts
    opening: Opening
    limits: Limits | None
    files: _Files

    def would_be(self, opening: Opening, limits: Limits | None) -> bool:
        """Whether opening like that would give just this, which is still there; what "auto" chose may be said."""
        chosen = pinned(self.opening.settings, self.facts.settings)
        threads = self.facts.threads or self.opening.threads
        same = opening in (self.opening, replace(self.opening, settings=chosen, threads=threads))
        if not same or limits != self.limits or self.files != _files_of(opening.path):
            return False
        return not isinstance(self.model, Remote) or self.model.waits()


class Openings:
    """One open model at a time, closed at the end of the block, or when another is opened.

    Where it is lasting, a batch finds the model that the one before has left: with the same settings, limits, threads
    and workers, as long as names, sizes and times of its files are the same. All its processes stay, those of
    `--workers`, too, with the memory that the model takes; one that died meanwhile is replaced.

    Args:
        lasting: Else its processes end with the cases of a batch.
    """

    def __init__(self, *, lasting: bool = False) -> None:
        self._lasting = lasting
        self._now: _Open | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def in_process(self) -> bool:
        """Whether a model is open in a process of its own."""
        return self._now is not None and isinstance(self._now.model, Remote)

    def here(self, opening: Opening) -> "tuple[Segmenter | Remote, Facts]":
        """The model in this process.

        Raises:
            MedsegError: It cannot be opened.
        """
        return self._opened(opening, None, _local)

    def apart(self, opening: Opening, limits: Limits) -> "tuple[Segmenter | Remote, Facts]":
        """The model in a process of its own; raises as `here`."""

        def start(opening: Opening) -> tuple[Remote, Facts]:
            with ExitStack() as stack:
                remote = Remote(opening, limits, lasting=self._lasting)
                stack.callback(remote.close)
                facts = remote.facts
                stack.pop_all()
            return remote, facts

        return self._opened(opening, limits, start)

    def close(self) -> None:
        """Close what is open."""
        now, self._now = self._now, None
        if now is not None and isinstance(now.model, Remote):
            now.model.close()

    def _opened(
        self,
        opening: Opening,
        limits: Limits | None,
        start: "Callable[[Opening], tuple[Segmenter | Remote, Facts]]",
    ) -> "tuple[Segmenter | Remote, Facts]":
        if self._now is None or not self._now.would_be(opening, limits):
            self.close()
            files = _files_of(opening.path)
            self._now = _Open(*start(opening), opening, limits, files)
        return self._now.model, self._now.facts


def _local(opening: Opening) -> "tuple[Segmenter, Facts]":
    local, facts = opened(opening)
    return local.model, facts


def _files_of(path: Path) -> _Files:
    """Where a model lies, links followed, and names, sizes and times of its files, and of plans beside and above."""
    root = model_root(path).resolve()
    plans = [plan for folder in root.parents[:2] for plan in folder.glob("*.json")]
    beside = root.parent.glob(f"{root.name}?*") if root.is_file() else ()
    return root, tuple(map(Listing(), sorted({root, *plans, *beside})))

"""What becomes of the cases of a run, entered in its ledger and shown; a full disk is waited for."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from medseg.batch.veil import Veil
from medseg.case import Case
from medseg.errors import LeftOutError, OutputError
from medseg.ledger import Entry, Ledger, Planned
from medseg.ledger.entries import DONE, FAILED, SKIPPED
from medseg.line.files import discard
from medseg.line.outcomes import Outcome, advice, reason
from medseg.line.place import Place, is_pause
from medseg.reporting import Reporter

__all__ = ["LedgerBook", "Progress"]

_TEXT = "Predicting"


class Progress:
    """How many cases are done, and how many a second.

    Args:
        reporter: Shows it.
        total: Cases to do.
    """

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter, self._total, self._done = reporter, total, 0
        self._began = time.perf_counter()
        reporter.advance(_TEXT, 0, total)

    def advance(self) -> None:
        """Another one is done."""
        self._done += 1
        rate = self._done / max(time.perf_counter() - self._began, 1e-9)
        note = f"{rate:.3g} cases/s" if rate >= 1 else f"{1 / rate:.3g} s a case"
        self._reporter.advance(_TEXT, self._done, self._total, note)


class LedgerBook:
    """The `Book` of the line that a run has.

    Args:
        ledger: Where it is entered.
        plans: The cases by their ids.
        place: The folder.
        progress: Shown.
        veil: What stands for cases under pseudonyms.
    """

    def __init__(
        self,
        ledger: Ledger,
        plans: Mapping[str, Planned],
        place: Place,
        progress: Progress,
        veil: Veil | None = None,
    ) -> None:
        self._ledger, self._plans, self._place, self._progress = ledger, plans, place, progress
        self._veil = veil

    def began(self, cases: Sequence[Case]) -> None:
        """They are being worked at; what an earlier run left of them goes, so that no old mask stands for them."""
        if not cases:
            return
        self._patiently(lambda: self._ledger.begin([case.id for case in cases]))
        for case in cases:
            folder = self._ledger.path.parent / case.id
            self._patiently(partial(discard, folder))

    def lost(self, case: Case) -> None:
        """It took its process down with it, and will be tried again."""
        self._patiently(lambda: self._ledger.lose([case.id]))

    def given_back(self, cases: Sequence[Case]) -> None:
        """They were left, through no fault of theirs."""
        if cases:
            self._patiently(lambda: self._ledger.give_back([case.id for case in cases]))

    def dropped(self, cases: Sequence[Case]) -> None:
        """They are left as all of it ends.

        Raises:
            OutputError: That cannot be entered; they are lost with the run.
        """
        if cases:
            self._ledger.give_back([case.id for case in cases])

    def ended(self, outcome: Outcome) -> None:
        """It is finished, or has failed."""
        entry = _entry(self._plans[outcome.case.id], outcome)
        if self._veil is not None:
            entry = self._veil.entry(entry)
        self._patiently(lambda: self._ledger.end(entry))
        self._progress.advance()

    def there(self) -> bool:
        """Whether the folder is still the one that the batch began with."""
        return self._place.there()

    def wait(self, error: Exception) -> None:
        """Return when the folder can be written again."""
        self._place.wait(error)

    def _patiently(self, enter: Callable[[], None]) -> None:
        while True:
            try:
                enter()
                return
            except OutputError as error:
                if not is_pause(error):
                    raise
                self._place.wait(error)


def _entry(plan: Planned, outcome: Outcome) -> Entry:
    common: dict[str, Any] = {"seconds": outcome.seconds, "peak_mib": outcome.peak_mib, "facts": dict(outcome.facts)}
    if outcome.error is not None:
        state = SKIPPED if isinstance(outcome.error, LeftOutError) else FAILED
        told: dict[str, Any] = {"state": state, "error": reason(outcome.error), "advice": advice(outcome.error)}
        return Entry(**vars(plan), **common, **told)
    left: dict[str, Any] = {"count": outcome.count, "regions": outcome.regions, "outputs": outcome.outputs}
    return Entry(**vars(plan), **common, state=DONE, warnings=tuple(outcome.notes), **left)

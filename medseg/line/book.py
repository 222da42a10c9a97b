"""Who is told what becomes of the cases of a batch."""

from collections.abc import Sequence
from typing import Protocol

from medseg.case import Case
from medseg.line.outcomes import Outcome

__all__ = ["Book"]


class Book(Protocol):
    """Who is told what becomes of the cases, and knows whether they can be written."""

    def began(self, cases: Sequence[Case]) -> None:
        """They are being worked at."""

    def lost(self, case: Case) -> None:
        """It took its process down with it, and will be tried again."""

    def given_back(self, cases: Sequence[Case]) -> None:
        """They were left, through no fault of theirs."""

    def dropped(self, cases: Sequence[Case]) -> None:
        """They are left as all of it ends, which waits for no disk: what cannot be entered is lost with the run."""

    def ended(self, outcome: Outcome) -> None:
        """It is finished, or has failed."""

    def there(self) -> bool:
        """Whether the folder is still the one that the batch began with."""

    def wait(self, error: Exception) -> None:
        """Return when the folder, of which `error` told, can be written again."""

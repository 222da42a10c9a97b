"""Why a file was not de-identified, in words that name neither file nor patient."""

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """A file that is not written.

    Args:
        reason: A clause without any value of the file, as the report carries it.
        outcome: "failed", "skipped" (nothing was to be done) or "withheld".
    """

    def __init__(self, reason: str, outcome: str = "failed") -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome = outcome

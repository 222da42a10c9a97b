"""A reporter that remembers what it was told."""

from medseg.reporting import Silent

__all__ = ["Listener"]


class Listener(Silent):
    """Silent, but keeps every line."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Remember a line."""
        self.said.append(text)

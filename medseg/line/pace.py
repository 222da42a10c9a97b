"""How much of a batch is under way at once, which bounds its memory."""

import math
from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True)
class Pace:
    """How much is under way at once.

    Args:
        group: Images that go into the network together.
        ahead: Groups that may be read, or wait to be written, beside the one in the network; with 0 a group is read
            when nothing is left of the one before.
    """

    group: int = 1
    ahead: int = 2

    def groups_read(self, readers: int, networks: int) -> int:
        """How many groups may be read, or wait for one of so many networks; not asked where nothing is ahead."""
        return max(self.ahead * networks, math.ceil((readers + 1) / self.group))

    def cases_behind(self, networks: int, writers: int) -> int:
        """With how many cases in the networks and with the writers one group more may go into a network."""
        if not self.ahead:
            return 0
        each = max(self.group * (self.ahead - 1), writers // networks)
        return (each + self.group) * networks - self.group

"""Studies that are pushed to us are segmented when they are complete, and their results sent on."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.errors import ConfigError
from medseg.pacs.archive import Archive
from medseg.pacs.receiving import Door, Receiver
from medseg.reporting import Reporter, Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.listening_aftermath import Aftermath
from medseg.workflow.listening_rounds import Rounds
from medseg.workflow.openings import Openings
from medseg.workflow.pacs_book import FOLDER, open_book
from medseg.workflow.pacs_work import purpose_of
from medseg.workflow.watching import watch

__all__ = ["Keeping", "listen"]


@dataclass(frozen=True)
class Keeping:
    """When a study counts as complete, and how long it stays.

    Args:
        quiet: Seconds for which nothing of it came.
        keep: Seconds for which it stays after it is done and its results are sent: what comes late still joins it.
        least_free: Bytes that must stay free on the disk.
    """

    quiet: float = 60.0
    keep: float = 3600.0
    least_free: int = 2 << 30


def listen(
    model: str | Path,
    out: str | Path,
    door: Door,
    options: BatchOptions | None = None,
    *,
    send: Archive | None = None,
    keeping: Keeping | None = None,
    series: str | None = None,
    once: bool = False,
    reporter: Reporter | None = None,
    listening: Callable[[int], object] = lambda port: None,
) -> int:
    """Receive, segment and send on, until Ctrl-C; started again it goes on where it was, however it ended.

    The folder `out/archive/received` is the queue: an instance is acknowledged when it lies there, and stays until its
    study is done and sent.

    Args:
        model: As in `medseg.predict`.
        out: As there.
        door: Who may send, and where.
        options: As there; without `part`, `redo`, `cluster` and `pseudonyms`.
        send: Where DICOM results go.
        keeping: When a study is complete, and how long it stays.
        series: As in `medseg.predict`.
        once: End when what lay there at the start, and has stopped growing, is done.
        reporter: Told of what comes.
        listening: Called with the port when it is open.

    Returns:
        How many cases have failed, of all in the tables.

    Raises:
        ArchiveError: The port cannot be had.
        ConfigError: An option has no meaning here.
        OutputError: `out` cannot be written.
    """
    out, options = Path(out), options or BatchOptions()
    keeping, reporter = keeping or Keeping(), reporter or Silent()
    for name in ("part", "redo", "cluster", "pseudonyms"):
        if getattr(options, name):
            raise ConfigError(f"--{name}", "has no meaning for a listener", "Leave it out.")
    folder = out / FOLDER
    inbox = folder / "received"
    with ExitStack() as stack:
        book = stack.enter_context(open_book(out))
        purpose = purpose_of(Path(model), options, {"series": series})
        tidy = threading.Lock()  # of the names in the inbox, which only we change
        openings = stack.enter_context(Openings(lasting=True))
        rounds = Rounds(Path(model), out, options, reporter, book, purpose, tidy, openings=openings)
        receiver = Receiver(door, inbox, folder / "quarantine", keeping.least_free, reporter.say)
        stack.enter_context(receiver)
        stack.enter_context(Aftermath(out, book, purpose, send, keeping.keep, reporter, tidy))
        reporter.say(f"Listening as {door.ae} at {door.host}:{receiver.port}; results in {out}")
        listening(receiver.port)
        told: dict[str, Any] = {"series": series, "reporter": reporter, "settled": rounds.settle}
        return watch(inbox, out, rounds.run, quiet=keeping.quiet, once=once, **told)

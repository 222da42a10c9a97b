"""Follow an inbox: what has stopped growing is predicted, round after round, each a run that resumes the last."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medseg import address
from medseg.case import Case
from medseg.datasets import cases_below, parse_series_rule
from medseg.datasets.inbox import Inbox, Look, Unit
from medseg.datasets.naming import distinct, safe_name
from medseg.datasets.series_rules import SeriesRule
from medseg.errors import ConfigError, InputError, MedsegError
from medseg.io import formats
from medseg.ledger import read_ledger
from medseg.ledger.entries import ENDED, FAILED
from medseg.reporting import Reporter, Silent

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["Listing", "watch"]

Listing = Callable[[int], Sequence[Case]]  # the cases for a model of so many channels
_LONGEST_PAUSE = 5.0  # seconds between two looks
_SHARE = 9  # times as long as a look lasted is the pause after it, so that a large inbox costs a tenth of a core
_SLACK = 0.1  # seconds, so that what was seen by the first look has been quiet by the last


def watch(
    inbox: Path,
    out: Path,
    run: Callable[[Listing], "Predictions"],
    *,
    quiet: float = 30.0,
    once: bool = False,
    series: str | None = None,
    reporter: Reporter | None = None,
    named: bool = True,
    settled: Callable[[Sequence[Unit]], object] = lambda units: None,
) -> int:
    """Predict what comes into a folder, until Ctrl-C.

    Each round lists all that was taken so far, so that the tables of `out` hold all of it; what is done is not done
    again. What was taken out of the inbox after it was done keeps its rows.

    Args:
        inbox: The folder: each folder in it is a study (or several), each file an image or a zip.
        out: Where `run` writes to.
        run: Predicts the cases of a listing.
        quiet: Seconds for which a study must have stayed as it is.
        once: End after what lay there at the start, and has stopped growing, is done.
        series: As in `medseg.predict`.
        reporter: Told of what comes, and of what is left.
        named: Whether studies are named in what is told; else counted.
        settled: Called with the studies that are taken, before they are listed.

    Returns:
        How many cases have failed, of all in the tables.

    Raises:
        ConfigError: `out` lies in the inbox, or `series` cannot be understood.
        InputError: With `once`, the inbox is not there.
        OutputError: `out` cannot be written.
    """
    if out.resolve().is_relative_to(inbox.resolve()):
        raise ConfigError("--out", f"{out} lies in the inbox, which would take its masks", "Choose another folder.")
    taken = _Taken(inbox, out, parse_series_rule(series) if series else None, reporter or Silent(), named=named)
    try:
        _follow(Inbox(inbox, quiet), taken, run, settled, quiet, once)
    except KeyboardInterrupt:
        taken.reporter.say("Ended; the same command goes on")
    return _failed(out)


def _follow(
    box: Inbox,
    taken: "_Taken",
    run: Callable[[Listing], "Predictions"],
    settled: Callable[[Sequence[Unit]], object],
    quiet: float,
    once: bool,
) -> None:
    pause = max(min(_LONGEST_PAUSE, quiet / 3), 0.2)
    there, ends = True, time.monotonic() + quiet + _SLACK
    taken.reporter.say(f"Watching {box.root}: a study is taken when it was quiet for {quiet:g} s; Ctrl-C ends")
    while True:
        began = time.monotonic()
        look = box.look(began)
        lasted = time.monotonic() - began
        if once and not look.there:
            raise InputError(box.root, "is not there", "Mount it, or leave --once out to wait for it.")
        if look.there != there:
            text = f"Going on: {box.root} is there again" if look.there else f"Waiting: {box.root} is not there"
            taken.reporter.say(text)
            there = look.there
        if look.settled:
            settled(look.settled)
            taken.take(look)
            run(taken.listing)
        if once and time.monotonic() >= ends:
            if look.growing:
                taken.reporter.say(f"Left, since they were still growing: {taken.told(look.growing)}")
            return
        wait = max(pause, _SHARE * lasted)
        time.sleep(min(wait, max(0.0, ends - time.monotonic()) + 0.01) if once else wait)


class _Taken:
    """The units that have been taken, and the cases in them."""

    def __init__(self, inbox: Path, out: Path, rule: SeriesRule | None, reporter: Reporter, *, named: bool) -> None:
        self._inbox, self._rule, self.reporter, self._named = inbox, rule, reporter, named
        self._units: dict[str, Unit] = {}
        self._cases: dict[str, list[Case]] = {}
        self._before = _taken_away(out)

    def take(self, look: Look) -> None:
        """Units that have settled, some perhaps once more."""
        for unit in look.settled:
            self._units[unit.name] = unit
            self._cases.pop(unit.name, None)
        self.reporter.say(f"Taken: {self.told([unit.name for unit in look.settled])}")

    def told(self, names: Sequence[str]) -> str:
        """The first of some studies, and how many there are."""
        first = ", ".join(names[:5]) + " ..." * (len(names) > 5)
        return f"{first} ({len(names)})" if self._named else str(len(names))

    def listing(self, channels: int) -> list[Case]:
        """All cases, those of earlier runs that are gone from the inbox before the others."""
        loose = 0
        for name, unit in self._units.items():
            if name not in self._cases:
                found = [] if _is_loose_slice(unit) else self._listed(unit, channels)
                loose += _is_loose_slice(unit)
                self._cases[name] = found
        if loose:
            told = f"{loose} DICOM slices lie loose in {self._inbox}, and are left"
            self.reporter.say(f"{told}: put each study into a folder of its own, or a zip")
        found = distinct(case for cases in self._cases.values() for case in cases)
        known = {case.id for case in found}
        return [*(case for case in self._before if case.id not in known), *found]

    def _listed(self, unit: Unit, channels: int) -> list[Case]:
        try:
            return cases_below(unit.paths, self._inbox, self.reporter, channels=channels, series=self._rule)
        except MedsegError as error:  # one study's, which must not end the watch
            name = safe_name(unit.name)
            return [Case(name, name, unit.paths, refusal=error)]


def _is_loose_slice(unit: Unit) -> bool:
    """Whether a unit is one slice of a series, which alone is no study."""
    from medseg.io.dicom.headers import RADIOGRAPHS, read_header

    path = unit.paths[0]
    if path.is_dir() or not formats.may_be_dicom(path):
        return False
    try:
        one = read_header(path)
    except MedsegError:
        return False  # a case that says what is wrong with it
    return one is None or (one.modality not in RADIOGRAPHS and one.frames == 1 and "ImagePositionPatient" in one.header)


def _taken_away(out: Path) -> list[Case]:
    """What is in the tables of an earlier run and was taken out of the inbox since."""
    with suppress(InputError), read_ledger(out) as ledger:
        return [
            Case(entry.case, entry.patient, tuple(map(Path, entry.images)), columns=entry.columns)
            for entry in ledger.entries()
            if entry.state in ENDED and not any(address.exists(path) for path in entry.images)
        ]
    return []


def _failed(out: Path) -> int:
    with suppress(InputError), read_ledger(out) as ledger:
        return ledger.counts().get(FAILED, 0)
    return 0

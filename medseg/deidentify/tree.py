"""A whole tree of files, de-identified into a folder: one by one or several at once, resumed where it stopped."""

import json
import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from medseg.atomic import flush_folder
from medseg.deidentify.one_file import Outcome, deidentify_file
from medseg.deidentify.profile import Profile
from medseg.errors import ConfigError, InputError, OutputError
from medseg.pseudonyms import Pseudonyms
from medseg.reporting import Reporter
from medseg.walking import walked

__all__ = ["LEDGER", "Found", "Tree"]

LEDGER: Final = "deidentified.jsonl"
_PARTIAL: Final = ".partial"
_AHEAD = 8  # files given to each process before the first is done


@dataclass(frozen=True)
class Found:
    """A file to be de-identified, under the pseudonyms of its path, of its folder, and of its size and time."""

    path: Path
    source: str
    folder: str
    state: str


@dataclass
class Tree:
    """The work on one tree.

    Args:
        root: The file or folder to be de-identified.
        out: Where the results go.
        profile: What is wanted.
        pseudonyms: What takes the place of names.
        workers: How many processes work at once.
    """

    root: Path
    out: Path
    profile: Profile
    pseudonyms: Pseudonyms
    workers: int = 1
    rows: list[Outcome] = field(default_factory=list)
    failures: list[tuple[Path, Outcome]] = field(default_factory=list)

    def run(self, reporter: Reporter) -> None:
        """Do what is not done yet; `rows` then has all files of the tree, by patient.

        Raises:
            InputError: There is nothing to be done, or the results would lie inside the tree.
            ConfigError: The results are of another profile or key.
            OutputError: A file cannot be written.
        """
        if self.out.resolve().is_relative_to(self.root.resolve()) or self.root.resolve().is_relative_to(
            self.out.resolve()
        ):
            raise InputError(self.out, "lies inside the tree, or the tree in it", "Choose a folder beside it.")
        files = list(self._files())
        if not files:
            raise InputError(self.root, "holds no files", "Check the path.")
        earlier = self._opened()
        waiting = [one for one in files if one.source not in earlier or earlier[one.source][0] != one.state]
        old = {one.source: earlier.pop(one.source)[1] for one in waiting if one.source in earlier}
        taken = {row.file for _, row in earlier.values() if row.file}
        fresh = self._fresh(waiting, taken, reporter)
        for row in old.values():  # of originals that have changed since
            if row.file and row.file not in taken:
                (self.out / row.file).unlink(missing_ok=True)
        rows = {source: row for source, (_, row) in earlier.items()} | fresh
        self.rows = sorted(rows.values(), key=lambda row: (row.patient, row.study, row.series, row.file, row.source))
        self.failures = [
            (one.path, rows[one.source]) for one in files if rows[one.source].outcome in ("failed", "withheld")
        ]

    def _fresh(self, waiting: list[Found], taken: set[str], reporter: Reporter) -> dict[str, Outcome]:
        """Do what waits, and write each outcome down when its file has its place."""
        fresh: dict[str, Outcome] = {}
        try:
            with (self.out / LEDGER).open("a", encoding="utf-8") as ledger:
                for one, row in reporter.track(self._done(waiting), "de-identified", total=len(waiting)):
                    fresh[one.source] = self._settled(one, row, taken)
                    line = {"state": one.state, **fresh[one.source].to_json()}
                    ledger.write(json.dumps(line, sort_keys=True) + "\n")
                    ledger.flush()
        except OSError as error:
            raise OutputError(self.out, f"cannot be written ({error})", "Is there room left?", error=error) from error
        finally:
            shutil.rmtree(self.out / _PARTIAL, ignore_errors=True)
        flush_folder(self.out)
        return fresh

    def _files(self) -> Iterator[Found]:
        if not self.root.exists():
            raise InputError(self.root, "does not exist", "Check the path.")
        if self.root.is_file():
            yield self._found(self.root, self.root.name)
            return
        for folder, names in walked(self.root):
            for name in names:
                if not name.startswith(".") and (folder / name).is_file():
                    yield self._found(folder / name, (folder / name).relative_to(self.root).as_posix())

    def _found(self, path: Path, name: str) -> Found:
        seen = path.stat()
        state = self.pseudonyms.of("state", f"{seen.st_size} {seen.st_mtime_ns}")
        folder = self.pseudonyms.of("folder", name.rpartition("/")[0] or ".")
        return Found(path, self.pseudonyms.of("file", name), folder, state)

    def _opened(self) -> dict[str, tuple[str, Outcome]]:
        """What an earlier run did, by source; the ledger is begun where there is none."""
        path = self.out / LEDGER
        mark = {"profile": self.profile.digest(), "key": self.pseudonyms.of("key", "medseg")}
        try:
            shutil.rmtree(self.out / _PARTIAL, ignore_errors=True)
            (self.out / _PARTIAL).mkdir(parents=True)
            if not path.exists():
                if any(entry.name != _PARTIAL for entry in self.out.iterdir()):
                    raise InputError(self.out, "holds files of something else", "Choose a new or an empty folder.")
                path.write_text(json.dumps(mark) + "\n", encoding="utf-8")
            text = path.read_text(encoding="utf-8")
            if not text.endswith("\n"):  # what a kill left of the last line is done again
                text = text[: text.rfind("\n") + 1]
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                self.out, f"cannot be written ({error.strerror})", "Choose another folder.", error=error
            ) from error
        lines = text.splitlines()
        if not lines or json.loads(lines[0]) != mark:
            mend = "Choose another folder, or the options and the key of the earlier run."
            raise ConfigError(self.out, "was de-identified with other options or another key", mend)
        return dict(self._earlier(lines[1:]))

    def _earlier(self, lines: list[str]) -> Iterator[tuple[str, tuple[str, Outcome]]]:
        for line in lines:
            values: dict[str, Any] = json.loads(line)
            state = values.pop("state")
            row = Outcome(**values)
            if (row.outcome == "done" and (self.out / row.file).is_file()) or row.outcome in ("skipped", "withheld"):
                yield row.source, (state, row)

    def _settled(self, one: Found, row: Outcome, taken: set[str]) -> Outcome:
        """Move a finished file to its place, unless another object of the same UID is there."""
        partial = self._partial(one)
        if row.outcome != "done":
            partial.unlink(missing_ok=True)
            return row
        if row.file in taken:
            partial.unlink()
            return Outcome(
                row.source, "skipped", "is one of several files of the same SOP instance UID", patient=row.patient
            )
        taken.add(row.file)
        place = self.out / row.file
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(place)
        return row

    def _partial(self, one: Found) -> Path:
        return self.out / _PARTIAL / f"{one.source}.dcm"

    def _done(self, files: list[Found]) -> Iterator[tuple[Found, Outcome]]:
        """Files and their outcomes, in order."""
        if self.workers == 1:
            for one in files:
                yield one, _work(one, self._partial(one), self.profile, self.pseudonyms)
            return
        waiting = deque(files)
        while waiting:
            try:
                yield from self._pooled(waiting)
            except BrokenProcessPool:
                yield waiting[0], self._alone(waiting[0])
                waiting.popleft()

    def _pooled(self, waiting: deque[Found]) -> Iterator[tuple[Found, Outcome]]:
        """The same by several processes; what is done is taken from those that wait."""
        under_way: deque[Future[Outcome]] = deque()
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            try:
                while waiting:
                    for one in islice(waiting, len(under_way), self.workers * _AHEAD):
                        under_way.append(pool.submit(_work, one, self._partial(one), self.profile, self.pseudonyms))
                    row = under_way.popleft().result()
                    yield waiting[0], row
                    waiting.popleft()
            finally:
                for future in under_way:
                    future.cancel()

    def _alone(self, one: Found) -> Outcome:
        """A file in a process of its own, after some process died: if this dies too, the file is why."""
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                return pool.submit(_work, one, self._partial(one), self.profile, self.pseudonyms).result()
            except BrokenProcessPool:
                self._partial(one).unlink(missing_ok=True)
                return Outcome(
                    one.source, "failed", "its process died: too large for the memory, or its pixels are broken"
                )


def _work(one: Found, partial: Path, profile: Profile, pseudonyms: Pseudonyms) -> Outcome:
    row = deidentify_file(one.path, (one.source, one.folder), partial, profile, pseudonyms)
    if row.outcome == "done":
        fd = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    else:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return row

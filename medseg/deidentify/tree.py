"""A whole tree of files, de-identified into a folder: one by one or several at once, resumed where it stopped."""

import filecmp
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from medseg.atomic import flush_folder, write_text
from medseg.deidentify.one_file import OneFile, Outcome
from medseg.deidentify.originals import Originals
from medseg.deidentify.processes import Found, outcomes
from medseg.deidentify.profile import Profile
from medseg.errors import ConfigError, InputError, OutputError, UnreadableFileError
from medseg.ledger import Lock
from medseg.pseudonyms import Pseudonyms
from medseg.reporting import Reporter
from medseg.walking import walked

__all__ = ["LEDGER", "Tree"]

LEDGER: Final = "deidentified.jsonl"
_PARTIAL: Final = ".partial"
_LOCK: Final = ".lock"


@dataclass
class Tree:
    """The work on one tree.

    Args:
        root: The file or folder to be de-identified.
        out: Where the results go.
        profile: What is wanted.
        pseudonyms: What takes the place of names.
        originals: The folder beside whose key the table of originals is kept.
        workers: How many processes work at once.
    """

    root: Path
    out: Path
    profile: Profile
    pseudonyms: Pseudonyms
    originals: Path
    workers: int = 1
    rows: list[Outcome] = field(default_factory=list)
    failures: list[tuple[Path, Outcome]] = field(default_factory=list)
    _alike: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict, repr=False)

    def run(self, reporter: Reporter) -> None:
        """Do what is not done yet; `rows` then has all files of the tree, by patient.

        Raises:
            InputError: There is nothing to be done, or the results would lie inside the tree.
            ConfigError: The results are of another profile or key.
            OutputError: A file cannot be written, or another process writes to the folder.
            UnreadableFileError: What an earlier run left is damaged.
        """
        if self.out.resolve().is_relative_to(self.root.resolve()) or self.root.resolve().is_relative_to(
            self.out.resolve()
        ):
            raise InputError(self.out, "lies inside the tree, or the tree in it", "Choose a folder beside it.")
        files = list(self._files())
        if not files:
            raise InputError(self.root, "holds no files", "Check the path.")
        self._make_folder()
        with Lock(self.out / _LOCK, self.out):
            self._run(files, reporter)

    def _run(self, files: list[Found], reporter: Reporter) -> None:
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
            with (self.out / LEDGER).open("a", encoding="utf-8") as ledger, Originals(self.originals) as originals:
                for one, (found, was) in reporter.track(
                    outcomes(waiting, self._partial, OneFile(self.profile, self.pseudonyms), self.workers),
                    "de-identified",
                    total=len(waiting),
                ):
                    row = fresh[one.source] = self._lean(self._settled(one, found, taken))
                    originals.add(one.path, (row.source, row.outcome, row.file, row.patient), was)
                    line = {"state": one.state, **row.to_json()}
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

    def _make_folder(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            others = [entry.name for entry in self.out.iterdir() if entry.name not in (_PARTIAL, _LOCK)]
        except OSError as error:
            mend = "Choose a folder that you may write to."
            raise OutputError(self.out, f"cannot be written ({error.strerror})", mend, error=error) from error
        if others and LEDGER not in others:
            raise InputError(self.out, "holds files of something else", "Choose a new or an empty folder.")

    def _opened(self) -> dict[str, tuple[str, Outcome]]:
        """What an earlier run did, by source; the ledger is begun where there is none."""
        path = self.out / LEDGER
        mark = {
            "profile": self.pseudonyms.of("profile", self.profile.digest()),
            "key": self.pseudonyms.of("key", "medseg"),
        }
        shutil.rmtree(self.out / _PARTIAL, ignore_errors=True)
        if not path.exists():
            write_text(path, json.dumps(mark) + "\n")
        try:
            (self.out / _PARTIAL).mkdir()
            text = path.read_text(encoding="utf-8")
            first, *lines = text[: text.rfind("\n")].split("\n")
            same = json.loads(first) == mark
            earlier = dict(self._earlier(lines)) if same else {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError(path, f"is damaged ({error})", "Choose another folder.") from error
        if not same:
            mend = "Choose another folder, or the options and the key of the earlier run."
            raise ConfigError(self.out, "was de-identified with other options or another key", mend)
        if not text.endswith("\n"):  # what a kill left of the last line is done again
            write_text(path, text[: text.rfind("\n") + 1])
        return earlier

    def _earlier(self, lines: list[str]) -> Iterator[tuple[str, tuple[str, Outcome]]]:
        for line in lines:
            values: dict[str, Any] = json.loads(line)
            state = values.pop("state")
            row = self._lean(Outcome(**values))
            if (row.outcome == "done" and (self.out / row.file).is_file()) or row.outcome in ("skipped", "withheld"):
                yield row.source, (state, row)

    def _lean(self, row: Outcome) -> Outcome:
        """The same row; what was done is alike in all files of a series, and kept once."""
        return replace(row, done=self._alike.setdefault(json.dumps(row.done, sort_keys=True), row.done))

    def _settled(self, one: Found, row: Outcome, taken: set[str]) -> Outcome:
        """Move a finished file to its place, unless another object of the same UID is there."""
        partial = self._partial(one)
        if row.outcome != "done":
            partial.unlink(missing_ok=True)
            return row
        if row.file in taken:
            copied = filecmp.cmp(partial, self.out / row.file, shallow=False)
            partial.unlink()
            if copied:
                return Outcome(row.source, "skipped", "is a copy of another file", patient=row.patient)
            return Outcome(
                row.source, "failed", "has the SOP instance UID of another file that differs", patient=row.patient
            )
        taken.add(row.file)
        place = self.out / row.file
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(place)
        return row

    def _partial(self, one: Found) -> Path:
        return self.out / _PARTIAL / f"{one.source}.dcm"

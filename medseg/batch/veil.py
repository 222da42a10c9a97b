"""Cases under pseudonyms: of what is known of them, that which may stand in OUT."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Self

from medseg.batch import key_table
from medseg.batch.telling_words import telling_words
from medseg.case import Case
from medseg.errors import ConfigError, InputError
from medseg.ledger import Entry, read_ledger
from medseg.outputs.report.names import SAFE_COLUMNS, without_identity
from medseg.pseudonyms import MARK, Pseudonyms

__all__ = ["Veil", "require_same_names"]

_UID = re.compile(r"\b[0-2](?:\.\d+){4,}\b")
_DATE = "study_date"
_UIDS = ("series", "frame_of_reference")


class Veil:
    """What stands for cases in OUT: their pseudonyms, and texts in which nothing tells whose they are.

    Args:
        pseudonyms: Of the key.
        folder: Where the key lies, and the table of whose they are.
    """

    def __init__(self, pseudonyms: Pseudonyms, folder: Path) -> None:
        self._pseudonyms, self._folder = pseudonyms, folder
        self._own: dict[str, Case] = {}
        self._words: tuple[str, frozenset[str]] = ("", frozenset())  # of the last case that was asked for

    @classmethod
    def of_key(cls, key: str | Path, out: Path) -> Self:
        """By the key of a file, which is made where there is none.

        Raises:
            MedsegError: The file lies in OUT, is no key, can be read by others, or cannot be made.
        """
        return cls(Pseudonyms.from_file(key, apart_from=[out]), Path(key).absolute().parent)

    @classmethod
    def foreseen(cls, key: str | Path, out: Path) -> Self:
        """As `of_key`, but nothing is made: where there is no key yet, one that nobody keeps."""
        if Path(key).exists():
            return cls.of_key(key, out)
        return cls(Pseudonyms(secrets.token_bytes(32)), Path(key).absolute().parent)

    @property
    def mark(self) -> str:
        """By which a ledger knows the key, without telling it."""
        return self._pseudonyms.of("ledger", "key")

    def cases(self, cases: Iterable[Case]) -> list[Case]:
        """The cases under their pseudonyms, with what else may be told of them; what is under one already stays.

        Their images and refusals are as they were, for reading.
        """
        before, ours = {}, {}
        for case in cases:
            if _is_veiled(case):
                before[case.id] = case
            else:
                one = self._veiled(case)
                self._own[one.id] = case
                ours[one.id] = one
        return list((before | ours).values())

    def keep(self) -> None:
        """Write whose the pseudonyms are into the table beside the key, and what of the cases was left out.

        Raises:
            MedsegError: The table cannot be read or written.
        """
        key_table.keep(self._folder, (self._row(name, case) for name, case in self._own.items()))

    def images(self, case: Case) -> tuple[str, ...]:
        """What stands for the files of a case."""
        if _is_veiled(case):
            return tuple(map(str, case.images))
        return tuple(MARK + self._pseudonyms.of("image", str(image)) for image in case.images)

    def sign(self, fingerprint: str) -> str:
        """What stands for a fingerprint: who guesses a file's name must not see that it is right."""
        return self._pseudonyms.of("fingerprint", fingerprint)

    def text(self, text: str, case: str) -> str:
        """A warning or the reason of a failure, without anything that tells whose the case is.

        Args:
            text: As it was.
            case: The pseudonym.
        """
        own = self._own.get(case)
        if not text or own is None:
            return text
        if self._words[0] != case:
            self._words = case, telling_words(own)
        return _UID.sub("[UID]", without_identity(text, case, case, self._words[1], own.images))

    def entry(self, entry: Entry) -> Entry:
        """What came of a case, as it may stand in the ledger."""
        return replace(
            entry,
            warnings=tuple(self.text(one, entry.case) for one in entry.warnings),
            error=self.text(entry.error, entry.case),
            advice=self.text(entry.advice, entry.case),
            facts=self._told(entry.facts, entry.case),
        )

    def _veiled(self, case: Case) -> Case:
        name, patient = self._pseudonyms.of("case", case.id), self._pseudonyms.of("patient", case.patient)
        self._own[name] = case
        return replace(case, id=name, patient=patient, columns=self._told(case.columns, name))

    def _told(self, said: Mapping[str, str], case: str) -> dict[str, str]:
        """What is said of a case without saying whose it is: dates moved, UIDs replaced, texts of users left out."""
        known = {name: self.text(str(said[name]), case) for name in said if name in SAFE_COLUMNS}
        known |= {name: self._pseudonyms.uid(str(said[name])) for name in said if name in _UIDS}
        with suppress(KeyError, ValueError, OverflowError):
            moved = date.fromisoformat(str(said[_DATE])) + timedelta(self._days(case))
            known[_DATE] = moved.isoformat()
        return {name: known[name] for name in said if name in known}

    def _days(self, case: str) -> int:
        return self._pseudonyms.days(self._own[case].patient)

    def _row(self, name: str, case: Case) -> dict[str, str]:
        images = json.dumps([str(image.absolute()) for image in case.images], ensure_ascii=False)
        patient, days = self._pseudonyms.of("patient", case.patient), str(self._days(name))
        values = (name, patient, case.id, case.patient, days, images)
        return {**case.columns, **dict(zip(key_table.FIRST, values, strict=True))}


def require_same_names(out: Path, veil: Veil | None) -> None:
    """Refuse to put cases under pseudonyms, or of another key, beside others.

    Raises:
        ConfigError: OUT has cases of the other kind.
    """
    last = None
    with suppress(InputError), read_ledger(out) as ledger:
        last = ledger.last_run()
    had = ""
    if last is not None and last.tables.get("pseudonyms", "") != ("" if veil is None else veil.mark):
        had = "pseudonyms of another key" if last.tables.get("pseudonyms") else "their own names"
        had = "pseudonyms, and no key was given" if veil is None else had
    elif last is None and veil is not None and (out / "cases.csv").exists():
        had = "names that no ledger tells of"
    if not had:
        return
    raise ConfigError(out, f"holds cases under {had}", "Give the same --pseudonyms again, or another folder.")


def _is_veiled(case: Case) -> bool:
    return any(str(image).startswith(MARK) for image in case.images)

"""An archive by DIMSE: C-ECHO, C-FIND, C-GET or C-MOVE, and C-STORE (PS3.4, annexes A, B and C)."""

import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE

from medseg.errors import ArchiveError, MedsegError
from medseg.pacs.archive import Place, Stored, Wait, checked_uid, patiently
from medseg.pacs.arrivals import Arrivals
from medseg.pacs.association import SYNTAXES, NothingAgreedError, associated, require_success
from medseg.pacs.instances import look_at
from medseg.pacs.nodes import Node
from medseg.pacs.query import Found, Query

__all__ = ["DimseArchive"]

_VERIFICATION = "1.2.840.10008.1.1"  # SOP classes of PS3.6, table A-1
_FIND, _MOVE, _GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))  # of the study root
_PLAIN = SYNTAXES[:2]
# CT, enhanced CT, MR, enhanced MR, PET, CR, DX, MG and secondary capture: where an archive does not tell what an object
# is, which PS3.4 leaves to it. With all transfer syntaxes they are as many contexts as an association can have.
_USUAL = tuple(
    f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2", "2.1", "4", "4.1", "128", "1", "1.1", "1.2", "7")
)
_MANY = 50  # instances that are asked for by one request
_ASKED = {
    "STUDY": (
        *("PatientID", "PatientName", "StudyDate", "StudyTime", "StudyInstanceUID", "StudyDescription"),
        *("AccessionNumber", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"),
    ),
    "SERIES": (
        *("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined"),
        *("NumberOfSeriesRelatedInstances",),
    ),
    "IMAGE": ("SOPInstanceUID", "SOPClassUID"),
}
_UID = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class DimseArchive:
    """See `medseg.pacs.archive.Archive`.

    Args:
        node: Has `dimse`.
        wait: Waits between attempts.
    """

    def __init__(self, node: Node, wait: Wait = time.sleep) -> None:
        assert node.dimse is not None
        self.name, self._dimse, self._wait = node.name, node.dimse, wait

    def echo(self) -> str:
        """C-ECHO."""

        def once() -> str:
            with associated(self.name, self._dimse, [(_VERIFICATION, _PLAIN)]) as open_one:
                require_success(self.name, open_one.send_c_echo(), "an echo")
            return f"{self._dimse.ae} at {self._dimse.host}:{self._dimse.port} answers"

        return self._patiently(once)

    def studies(self, query: Query) -> list[Found]:
        """C-FIND; what the archive ignored of the question is applied here."""
        found = [one for one in self._find("STUDY", query.sent_of_study, query.study) if query.has_study(one.values)]
        return found[: query.limit]

    def series(self, study: str, query: Query | None = None) -> list[Found]:
        """C-FIND."""
        asked = query or Query()
        return self._find("SERIES", {**asked.sent_of_series, "StudyInstanceUID": study}, asked.series)

    def instances(self, study: str, series: str) -> list[str]:
        """C-FIND."""
        return list(self._kinds(study, series))

    def fetch(self, study: str, series: str, wanted: Sequence[str], place: Place) -> Mapping[str, MedsegError]:
        """C-GET on one association, or C-MOVE to ourselves; what is there stays when the archive goes."""
        arrivals = Arrivals(place)
        kinds = self._kinds(study, series) if wanted else {}

        def once() -> None:
            missing = [uid for uid in wanted if not arrivals.has(uid)]
            if missing:
                take = self._get if self._dimse.get else self._move
                known = {kinds.get(uid, "") for uid in missing}
                take(study, series, missing, sorted(_USUAL if "" in known else known), arrivals)

        self._patiently(once)
        if arrivals.unwritable is not None:
            raise arrivals.unwritable
        return {uid: error for uid, error in arrivals.broken.items() if uid in set(wanted)}

    def holds(self, study: str, series: str, uids: Sequence[str]) -> set[str]:
        """C-FIND; of an archive that cannot be asked nothing: it knows itself what it gets once more."""
        try:
            return set(self.instances(study, series)) & set(uids)
        except NothingAgreedError:
            return set()

    def store(self, study: str, files: Sequence[Path]) -> Stored:
        """C-STORE, in the transfer syntax of each file."""
        told = Stored()
        found = {path: look_at(path) for path in files}

        def once() -> None:
            left = {path: one for path, one in found.items() if one.uid not in told.taken | told.refused.keys()}
            contexts = sorted({(one.kind, one.syntax) for one in left.values()})
            with associated(self.name, self._dimse, [(kind, [syntax]) for kind, syntax in contexts]) as open_one:
                agreed = {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in open_one.accepted_contexts}
                for path, one in left.items():
                    if (one.kind, one.syntax) not in agreed:
                        told.refused[one.uid] = f"it does not take transfer syntax {_name(one.syntax)}"
                        continue
                    self._stored(open_one, path, one.uid, told)

        try:
            if found:
                self._patiently(once)
        except NothingAgreedError as error:
            told.refused |= {one.uid: f"{error} Transfer syntax: {_name(one.syntax)}" for one in found.values()}
        return told

    def _stored(self, open_one: Any, path: Path, uid: str, told: Stored) -> None:
        try:
            require_success(self.name, open_one.send_c_store(path), f"to store {uid}")
        except ArchiveError as error:
            if error.passing:
                raise
            told.refused[uid] = str(error)
        except RuntimeError:  # pynetdicom: the association is not open any more
            found, mend = f"broke off before {uid} was stored", "The same command goes on."
            raise ArchiveError(self.name, found, mend, passing=True) from None
        else:
            told.taken.add(uid)

    def _patiently(self, action: Any) -> Any:
        return patiently(action, self._dimse.attempts, self._wait)

    def _kinds(self, study: str, series: str) -> dict[str, str]:
        """SOP class of each instance; "" where the archive does not tell."""
        found = self._find("IMAGE", {"StudyInstanceUID": study, "SeriesInstanceUID": series})
        return {one.uid: one.values.get("SOPClassUID", "") for one in found}

    def _find(self, level: str, asked: Mapping[str, str], told: Collection[str] = ()) -> list[Found]:
        question = Dataset()
        question.QueryRetrieveLevel = level
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of wildcards, which are no values
            for key in (*_ASKED[level], *told, *asked):
                setattr(question, key, asked.get(key, ""))

        def once() -> list[Found]:
            found: dict[str, Found] = {}
            with associated(self.name, self._dimse, [(_FIND, _PLAIN)]) as open_one:
                for answer, one in open_one.send_c_find(question, _FIND):
                    if getattr(answer, "Status", None) not in (0xFF00, 0xFF01):
                        require_success(self.name, answer, "a query")
                    elif one is not None:
                        values = _values(one)
                        uid = checked_uid(values.get(_UID[level], ""), self.name)
                        found[uid] = Found(uid, values)
            return list(found.values())

        result: list[Found] = self._patiently(once)
        return result

    def _get(self, study: str, series: str, uids: list[str], kinds: list[str], arrivals: "Arrivals") -> None:
        storage = [(kind, [syntax]) for kind in kinds for syntax in SYNTAXES]
        with associated(
            self.name,
            self._dimse,
            [(_GET, _PLAIN), *storage],
            roles=kinds,
            handlers=arrivals.handlers,
        ) as open_one:
            for question in _batches(study, series, uids):
                self._follow(open_one.send_c_get(question, _GET), "a C-GET")

    def _move(self, study: str, series: str, uids: list[str], kinds: list[str], arrivals: "Arrivals") -> None:
        with (
            self._receiving(kinds, arrivals),
            associated(self.name, self._dimse, [(_MOVE, _PLAIN)]) as open_one,
        ):
            for question in _batches(study, series, uids):
                self._follow(open_one.send_c_move(question, self._dimse.our_ae, _MOVE), "a C-MOVE")

    def _follow(self, answers: Iterator[tuple[Any, Any]], doing: str) -> None:
        for answer, _ in answers:
            if getattr(answer, "Status", None) not in (0xFF00, 0xFF01):
                require_success(self.name, answer, doing)

    @contextmanager
    def _receiving(self, kinds: Sequence[str], arrivals: "Arrivals") -> Iterator[None]:
        """Listen for what the archive sends to our AE title, and to nobody else."""
        entity = AE(self._dimse.our_ae)
        entity.require_called_aet = True
        entity.require_calling_aet = [self._dimse.ae]
        for kind in kinds:
            entity.add_supported_context(kind, list(SYNTAXES))
        where = (self._dimse.listen_host, self._dimse.listen)
        try:
            server = entity.start_server(where, block=False, evt_handlers=list(arrivals.handlers))
        except OSError as error:
            found = f"cannot be listened at ({error.strerror})"
            raise ArchiveError(f"{where[0]}:{where[1]}", found, "Give another `listen` of the node.") from error
        assert server is not None
        try:
            yield
        finally:
            server.shutdown()


def _batches(study: str, series: str, uids: Sequence[str]) -> Iterator[Dataset]:
    for at in range(0, len(uids), _MANY):
        question = Dataset()
        question.QueryRetrieveLevel = "IMAGE"
        question.StudyInstanceUID, question.SeriesInstanceUID = study, series
        question.SOPInstanceUID = list(uids[at : at + _MANY])
        yield question


def _values(found: Dataset) -> dict[str, str]:
    """Attributes by keyword, as text; of several values joined by a backslash."""
    told = {}
    for element in found:
        if element.keyword and element.VR != "SQ" and element.value not in (None, ""):
            value = element.value
            several = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
            told[element.keyword] = "\\".join(map(str, value)) if several else str(value)
    return told


def _name(syntax: str) -> str:
    from pydicom.uid import UID

    return UID(syntax).name

"""An archive by DICOMweb (PS3.18): QIDO-RS finds, WADO-RS fetches, STOW-RS stores."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from medseg.errors import ArchiveError, MedsegError, UnreadableFileError
from medseg.pacs.archive import Place, Stored, Wait, checked_uid, patiently
from medseg.pacs.arriving import arrive, put_aside, unfinished_name
from medseg.pacs.http import Http
from medseg.pacs.multipart import Related, TruncatedError, first_part
from medseg.pacs.nodes import Node
from medseg.pacs.query import Found, Query

__all__ = ["WebArchive"]

_JSON = {"Accept": "application/dicom+json"}
# Any transfer syntax: as it is stored, since what the server made of it would be another file.
_AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*', "Accept-Encoding": "identity"}
_PAGE = 500
_FEW = 4  # instances that are asked for by themselves
_CHUNK = 1 << 18
_BROKEN_TWICE = 2  # times that an instance may come broken while the connection is sound
_ONE_BODY = 64 << 20  # bytes that are stored by one request, more only in one file
_MORE = {
    "studies": ("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"),
    "series": ("SeriesDescription", "BodyPartExamined", "NumberOfSeriesRelatedInstances"),
    "instances": (),
}


class WebArchive:
    """See `medseg.pacs.archive.Archive`.

    Args:
        node: Has `web`.
        wait: Waits between attempts.
    """

    def __init__(self, node: Node, wait: Wait = time.sleep) -> None:
        assert node.web is not None
        self.name, self._web, self._wait = node.name, node.web, wait
        self._http = Http(node.name, node.web)

    def echo(self) -> str:
        """Ask for one study."""
        self._page("/studies", {"limit": "1"})
        return f"{self._web.url} answers"

    def studies(self, query: Query) -> list[Found]:
        """QIDO-RS; what the server ignored of the question is applied here."""
        found = []
        for one in self._found("/studies", query.sent_of_study, "StudyInstanceUID", query.study):
            if query.has_study(one.values):
                found.append(one)
                if query.limit and len(found) == query.limit:
                    break
        return found

    def series(self, study: str, query: Query | None = None) -> list[Found]:
        """QIDO-RS."""
        asked = query or Query()
        return list(self._found(f"/studies/{study}/series", asked.sent_of_series, "SeriesInstanceUID", asked.series))

    def instances(self, study: str, series: str) -> list[str]:
        """QIDO-RS."""
        path = f"/studies/{study}/series/{series}/instances"
        return [one.uid for one in self._found(path, {}, "SOPInstanceUID")]

    def fetch(self, study: str, series: str, wanted: Sequence[str], place: Place) -> Mapping[str, MedsegError]:
        """WADO-RS, an instance a request, several at a time: what is there stays when the server goes."""
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(len(wanted), self._web.connections), "fetching") as threads:
            path = f"/studies/{study}/series/{series}/instances"
            coming = [threads.submit(self._fetched, f"{path}/{uid}", uid, place) for uid in wanted]
            try:
                errors = [one.result() for one in coming]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return {uid: error for uid, error in zip(wanted, errors, strict=True) if error is not None}

    def holds(self, study: str, series: str, uids: Sequence[str]) -> set[str]:
        """QIDO-RS; a few are asked for one by one, since a series may be long."""
        if len(uids) <= _FEW:
            path = f"/studies/{study}/series/{series}/instances"
            return {uid for uid in uids if self._page(path, {"SOPInstanceUID": uid, "limit": "1"})}
        return set(self.instances(study, series)) & set(uids)

    def store(self, study: str, files: Sequence[Path]) -> Stored:
        """STOW-RS, some files a request."""
        told = Stored()
        for batch in _batches(files):
            answer = patiently(lambda batch=batch: self._stored(study, batch), self._web.attempts, self._wait)  # type: ignore[misc]
            told.taken |= answer.taken
            told.refused |= answer.refused
        return told

    def _found(self, path: str, params: Mapping[str, str], key: str, told: Collection[str] = ()) -> Iterator[Found]:
        """All pages of an answer; a server may give fewer than were asked for, or everything at once."""
        seen: set[str] = set()
        more = {"includefield": ",".join(dict.fromkeys((*_MORE[path.rpartition("/")[2]], *told)))}
        asked = {**params, **{key: value for key, value in more.items() if value}}
        while True:
            page = self._page(path, {**asked, "limit": str(_PAGE), "offset": str(len(seen))})
            fresh = [one for one in (_values(item) for item in page) if one.get(key) not in seen]
            for values in fresh:
                uid = checked_uid(values.get(key, ""), self.name)
                seen.add(uid)
                yield Found(uid, values)
            if not fresh:
                return

    def _page(self, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        # RFC 3986 lets wildcards stand as they are, and some servers do not know them otherwise.
        asked = urlencode(params, safe="*?", quote_via=quote)

        def once() -> list[dict[str, Any]]:
            with self._http.ask("GET", path, params=asked, headers=_JSON) as answer:
                if answer.status_code == 204 or not (text := answer.content):
                    return []
                try:
                    found = answer.json()
                except ValueError:
                    raise self._not_json(path, text) from None
                if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                    raise self._not_json(path, text)
                return found

        return patiently(once, self._web.attempts, self._wait)

    def _not_json(self, path: str, text: bytes) -> ArchiveError:
        found = f"answers {text[:40]!r}"
        return ArchiveError(f"{self._web.url}{path}", found, "Is it a DICOMweb service?", "DICOM JSON")

    def _fetched(self, path: str, uid: str, place: Place) -> MedsegError | None:
        """What is wrong with an instance; None where it is there."""
        for attempt in range(_BROKEN_TWICE):
            if self._wait(0):
                raise ArchiveError(self.name, "is not asked for more", "The same command goes on.", passing=True)
            try:
                patiently(lambda: self._fetch(path, uid, place.folder), self._web.attempts, self._wait)
                return None
            except UnreadableFileError as error:
                if attempt + 1 == _BROKEN_TWICE:
                    put_aside(unfinished_name(place.folder, uid), place.quarantine, uid, error)
                    return error
        raise AssertionError("unreachable")

    def _fetch(self, path: str, uid: str, folder: Path) -> None:
        with self._http.ask("GET", path, headers=_AS_STORED) as answer:
            chunks = answer.iter_content(_CHUNK)
            try:
                arrive(first_part(chunks, answer.headers.get("Content-Type", "")), folder / f"{uid}.dcm", uid)
            except TruncatedError as error:
                found, mend = f"broke off ({error})", "The same command goes on."
                raise ArchiveError(f"{self._web.url}{path}", found, mend, passing=True) from None

    def _stored(self, study: str, files: Sequence[Path]) -> Stored:
        body = Related(files)
        headers = {**_JSON, "Content-Type": body.content_type}
        with self._http.ask("POST", f"/studies/{study}", headers=headers, body=body) as answer:
            try:
                return _store_answer(answer.json())
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._not_json(f"/studies/{study}", answer.content) from None


def _store_answer(found: Mapping[str, Any]) -> Stored:
    """What PS3.18 10.5.3 says of each instance; a sequence that is there and empty says nothing."""
    taken = {_text(one["00081155"]) for one in _items(found, "00081199")}
    refused = {
        _text(one.get("00081155", {})): f"failure reason {int(_text(one.get('00081197', {})) or 0):#06x}"
        for key in ("00081198", "0008119A")
        for one in _items(found, key)
    }
    return Stored(taken, refused)


def _items(found: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    return [one for one in found.get(key, {}).get("Value", ()) if one]


def _values(item: Mapping[str, Any]) -> dict[str, str]:
    """Attributes of the DICOM JSON model (PS3.18 annex F) by keyword, as text."""
    from pydicom.datadict import keyword_for_tag

    found = {}
    for tag, element in item.items():
        keyword = keyword_for_tag(int(tag, 16)) if len(tag) == 8 else ""
        if keyword and isinstance(element, Mapping) and element.get("Value"):
            found[keyword] = _text(element)
    return found


def _text(element: Mapping[str, Any]) -> str:
    """The values of an element; of a name the one in Latin letters, of what is no value (items) nothing."""
    values = element.get("Value", ())
    plain = [value.get("Alphabetic", "") if isinstance(value, Mapping) else value for value in values]
    return "\\".join("" if value is None else str(value) for value in plain)


def _batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in files:
        more = path.stat().st_size
        if batch and size + more > _ONE_BODY:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += more
    if batch:
        yield batch

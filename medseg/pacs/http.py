"""Requests to DICOMweb services: with a node's secrets, over checked TLS, and every failure as an error of ours."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from requests.auth import AuthBase

from medseg.errors import ArchiveError
from medseg.pacs.credentials import authorization
from medseg.pacs.nodes import Web

__all__ = ["Http"]

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_OPENSSL = re.compile(r"\[(?:SSL|X509)[^\]]*\]\s*([^()]+)")
_ERRNO = re.compile(r"\[Errno -?\d+\]\s*([^'\")]+)")
_FIND_OUT = "Look whether it runs and can be reached from here; the same command goes on."


class _Authorization(AuthBase):
    """The header with the secret, made for each request and never kept."""

    def __init__(self, make: Callable[[], str | None]) -> None:
        self._make = make

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        header = self._make()
        if header:
            request.headers["Authorization"] = header
        return request


class Http:
    """Makes requests from any number of threads; environment and .netrc are not looked at, redirections not followed.

    Args:
        name: Of the node.
        web: How it is reached.
    """

    def __init__(self, name: str, web: Web) -> None:
        self._name, self._web = name, web
        self._own = threading.local()

    @contextmanager
    def ask(
        self, method: str, path: str, *, params: Any = None, headers: Mapping[str, str], body: Any = None
    ) -> Iterator[requests.Response]:
        """One request; its answer, whose body is still to be read within the block.

        Raises:
            ArchiveError: The server cannot be reached, breaks off, or refuses; also while the body is read.
        """
        url = self._web.url.rstrip("/") + path
        try:
            with self._session.request(
                method,
                url,
                params=params,
                headers=dict(headers),
                data=body,
                stream=True,
                timeout=self._web.timeout,
                allow_redirects=False,
            ) as answer:
                self._require_good(url, answer)
                yield answer
        except requests.exceptions.SSLError as error:
            raise self._untrusted(url, error) from None
        except (requests.RequestException, OSError) as error:
            raise self._unreachable(url, error) from None

    @property
    def _session(self) -> requests.Session:
        """One for each thread, which keeps its connections."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.trust_env = False
            session.auth = _Authorization(lambda: authorization(self._name, self._web))
            session.verify = str(self._web.ca) if self._web.ca else True
            if self._web.certificate:
                own = str(self._web.certificate)
                session.cert = (own, str(self._web.key)) if self._web.key else own
        return session

    def _require_good(self, url: str, answer: requests.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300 or status == 409:  # 409: a store of which all failed, which its body explains
            return
        found, mend = f"answers HTTP {status} {answer.reason or ''}".rstrip(), "Look at its log."
        if status in (401, 403):
            who = f"user {self._web.user!r}" if self._web.user else "the token" if self._web.has_secret else "nobody"
            found = f"does not let {who} in (HTTP {status})"
            mend = f"Check user and secret of the node {self._name}."
        elif 300 <= status < 400:
            found, mend = f"is elsewhere (HTTP {status})", "Give its new address as url of the node."
        elif status == 404:
            mend = "Check the url of the node; or it is not there any more."
        raise ArchiveError(url, found, mend, passing=status in _PASSING)

    def _untrusted(self, url: str, error: Exception) -> ArchiveError:
        text = str(error)
        told = found[1].strip() if (found := _OPENSSL.search(text)) else "TLS failed"
        passing = "certificate" not in text.lower() and "version" not in text.lower()
        mend = f"Have it renewed, or give the file that it comes from as ca of the node {self._name}."
        return ArchiveError(url, f"TLS is refused ({told})", _FIND_OUT if passing else mend, passing=passing)

    def _unreachable(self, url: str, error: Exception) -> ArchiveError:
        text = str(error)
        if isinstance(error, requests.exceptions.ChunkedEncodingError) or "IncompleteRead" in text:
            told = "broke off in the middle of its answer"
        elif isinstance(error, requests.exceptions.Timeout):
            told = f"was silent for {self._web.timeout:g} s"
        else:
            reason = found[1].strip() if (found := _ERRNO.search(text)) else type(error).__name__
            told = f"cannot be reached ({reason})"
        return ArchiveError(url, told, _FIND_OUT, passing=True)

"""A storage service (C-STORE and C-ECHO provider): what is pushed to it lies on the disk before it is acknowledged."""

import hashlib
import secrets
import shutil
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydicom.uid import UID
from pynetdicom import AE, AllStoragePresentationContexts, evt

from medseg.atomic import flush_folder
from medseg.errors import ArchiveError, ConfigError, MedsegError, OutputError, UnreadableFileError
from medseg.pacs.archive import checked_uid
from medseg.pacs.arriving import arrive_at, put_aside
from medseg.pacs.association import SYNTAXES, at_once
from medseg.pacs.instances import Instance

__all__ = ["Door", "Receiver"]

_VERIFICATION = "1.2.840.10008.1.1"
_SUCCESS, _DUPLICATE, _NO_ROOM, _NOT_UNDERSTOOD, _FAILED = 0x0000, 0x0111, 0xA700, 0xC000, 0x0110  # PS3.4 annex B
_NO_SYNTAX = 0x04  # of a context that was rejected (PS3.8, table 9-18): the kind of object is one that we take
_ASSOCIATIONS = 32
_SILENT = 60.0  # seconds after which a sender that says nothing is left


@dataclass(frozen=True)
class Door:
    """Who may come in, and where.

    Args:
        ae: Our AE title; who calls another one is rejected.
        port: Where to listen; 0 for any.
        allowed: AE titles that may call; empty for all.
        host: The address at which to listen.
        certificate: For TLS, PEM; without it nothing is encrypted.
        key: Its private key, PEM.
        ca: Where callers must have certificates, those that they must come from.
    """

    ae: str
    port: int
    allowed: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """TLS as a server; None where it is not wanted.

        Raises:
            ConfigError: Callers' certificates are asked for without one of our own.
            UnreadableFileError: A file cannot be read.
        """
        if self.certificate is None:
            if self.ca is not None:
                raise ConfigError("--tls-ca", "given without --tls-certificate", "Give both.")
            return None
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate, self.key)
            if self.ca is not None:
                context.load_verify_locations(self.ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            found = f"cannot be used ({getattr(error, 'strerror', None) or error})"
            raise UnreadableFileError(self.certificate, found, "Give PEM files that fit one another.") from None
        return context


class Receiver:
    """Listens while it is entered. Files come to `<inbox>/<study>/<series>/<instance>.dcm`.

    Args:
        door: Who may come in.
        inbox: Folder; hidden names in it are on their way.
        quarantine: Gets what comes broken, or with a UID that stands for another content.
        least_free: Bytes that must stay free on the disk; below, senders are told to come again.
        tell: Told, in a line, of what is not accepted.
    """

    def __init__(
        self, door: Door, inbox: Path, quarantine: Path, least_free: int, tell: Callable[[str], object]
    ) -> None:
        self._door, self._inbox, self._quarantine = door, inbox, quarantine
        self._least_free, self._tell, self._tls = least_free, tell, door.tls()
        self._staging = inbox / ".coming"
        self._turns = [threading.Lock() for _ in range(_ASSOCIATIONS)]
        self._server: Any = None

    def __enter__(self) -> Self:
        """Begin to listen.

        Raises:
            ArchiveError: The port cannot be had.
            OutputError: The inbox cannot be made.
        """
        shutil.rmtree(self._staging, ignore_errors=True)  # of a process that was killed: never acknowledged
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(self._inbox, f"cannot be written ({error.strerror})", "Choose another.") from error
        where = (self._door.host, self._door.port)
        try:
            self._server = self._entity().start_server(
                where, block=False, ssl_context=self._tls, evt_handlers=self._handlers()
            )
        except OSError as error:
            found, mend = f"cannot be listened at ({error.strerror})", "Is another program there? Give another --port."
            raise ArchiveError(f"{where[0]}:{where[1]}", found, mend) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def _entity(self) -> AE:
        entity = AE(self._door.ae)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self._door.allowed)
        entity.maximum_associations = _ASSOCIATIONS
        entity.network_timeout = entity.dimse_timeout = _SILENT
        entity.add_supported_context(_VERIFICATION)
        for context in AllStoragePresentationContexts:
            kind = UID(str(context.abstract_syntax))
            if "Image Storage" in kind.name:  # what holds no image would be taken, and nothing done with it
                entity.add_supported_context(kind, list(SYNTAXES))
        return entity

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_C_STORE, self._take),
            (evt.EVT_C_ECHO, lambda event: _SUCCESS),
            (evt.EVT_CONN_OPEN, at_once),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_ACCEPTED, self._accepted),
        ]

    def _take(self, event: Any) -> int:
        """One instance; what is returned is what the sender is told."""
        uid = str(event.request.AffectedSOPInstanceUID)
        unfinished = self._staging / f"{secrets.token_hex(8)}.part"
        try:
            if shutil.disk_usage(self._inbox).free < self._least_free:
                self._tell("No room: senders are told to come again")
                return _NO_ROOM
            checked_uid(uid, "the sender")
            with self._turns[hash(uid) % len(self._turns)]:  # two that bring one UID see what the other has brought
                found = arrive_at(
                    [event.encoded_dataset()], unfinished, lambda found: self._place(found, unfinished), uid
                )
            self._flush(self._path(found))
        except _SameError:
            unfinished.unlink(missing_ok=True)
        except OutputError as error:
            self._tell(f"Not accepted: {error}")
            return _NO_ROOM
        except MedsegError as error:
            return self._aside(event, unfinished, uid, error)
        except Exception as error:  # whatever one object does to pydicom, the next one is received
            self._tell(f"Not accepted: unexpected {type(error).__name__} at an instance")
            unfinished.unlink(missing_ok=True)
            return _FAILED
        return _SUCCESS

    def _place(self, found: Instance, unfinished: Path) -> Path:
        """Where an instance goes.

        Raises:
            _SameError: It is there already.
            _OtherContentError: Another content is there under its UID.
        """
        path = self._path(found)
        if path.is_file():
            if path.read_bytes() == unfinished.read_bytes():
                self._flush(path)
                raise _SameError
            raise _OtherContentError(path, "came once more with another content", "Give it a UID of its own.")
        return path

    def _path(self, found: Instance) -> Path:
        study, series, uid = (checked_uid(one, "the sender") for one in (found.study, found.series, found.uid))
        return self._inbox / study / series / f"{uid}.dcm"

    def _flush(self, path: Path) -> None:
        """Have a new name on the disk with those of its folders, which another sender may have made this moment."""
        for folder in (path.parent, path.parent.parent, self._inbox):
            flush_folder(folder)

    def _aside(self, event: Any, unfinished: Path, uid: str, error: MedsegError) -> int:
        caller = str(event.assoc.requestor.ae_title).strip()
        if unfinished.is_file():  # by its content: what is sent again and again is kept once
            with unfinished.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            put_aside(unfinished, self._quarantine, f"{uid}-{content}", error)
        self._tell(f"Into quarantine, from {caller}: {error}")
        return _DUPLICATE if isinstance(error, _OtherContentError) else _NOT_UNDERSTOOD

    def _rejected(self, event: Any) -> None:
        asked = event.assoc.requestor.primitive
        caller, called = (str(getattr(asked, f"{who}_ae_title", "")).strip() for who in ("calling", "called"))
        self._tell(f"Rejected: {caller!r} at {event.assoc.requestor.address} calling {called!r}")

    def _accepted(self, event: Any) -> None:
        refused = [context for context in event.assoc.rejected_contexts if context.result == _NO_SYNTAX]
        if refused:
            names = sorted({syntax.name for context in refused for syntax in context.transfer_syntax})
            caller = str(event.assoc.requestor.ae_title).strip()
            self._tell(f"Not accepted of {caller}: transfer syntax {', '.join(names)}")


class _SameError(Exception):
    """An instance that is there already, byte for byte."""


class _OtherContentError(UnreadableFileError):
    """A UID that already stands for another content."""

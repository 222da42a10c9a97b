"""DIMSE associations (PS3.7, PS3.8): opened with what they are for, and every refusal in words."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from medseg.errors import ArchiveError, UnreadableFileError
from medseg.pacs.nodes import Dimse

__all__ = ["SYNTAXES", "Handlers", "NothingAgreedError", "associated", "at_once", "client_tls", "require_success"]

# Those in which we can read pixels; the plain ones first, as an acceptor takes the first that it likes.
SYNTAXES = (
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian),
    *(JPEGLosslessSV1, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, RLELossless),
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000),
)
Handlers = Sequence[tuple[evt.EventType, Callable[..., Any]]]
_OPENSSL = re.compile(r"\[(?:SSL|X509)[^\]]*\]\s*([^()]+)")
_MOST_CONTEXTS = 128  # PS3.8: their ids are odd and below 256
_FIND_OUT = "Look whether it runs and can be reached from here."
_TITLES = "Give the AE titles by which both know each other, and have ours allowed there."


class NothingAgreedError(ArchiveError):
    """The other side takes none of the kinds of objects, or none of their transfer syntaxes."""


@contextmanager
def associated(
    name: str,
    dimse: Dimse,
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    roles: Sequence[str] = (),
    handlers: Handlers = (),
) -> Iterator[Association]:
    """An association with a node, released at the end.

    Args:
        name: Of the node.
        dimse: How it is reached.
        contexts: SOP classes, each with transfer syntaxes of which one is agreed upon.
        roles: SOP classes that the other side sends us, as with C-GET.
        handlers: Of what it sends.

    Raises:
        ArchiveError: It cannot be reached, refuses, or agrees upon nothing.
    """
    entity = AE(dimse.our_ae)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = dimse.timeout
    entity.connection_timeout = min(dimse.timeout, 15.0)
    for kind, syntaxes in contexts[:_MOST_CONTEXTS]:
        entity.add_requested_context(kind, list(syntaxes))
    tls = client_tls(dimse) if dimse.tls else None
    found = entity.associate(
        dimse.host,
        dimse.port,
        ae_title=dimse.ae,
        ext_neg=[build_role(kind, scp_role=True) for kind in roles],
        evt_handlers=[*handlers, (evt.EVT_CONN_OPEN, at_once)],
        tls_args=None if tls is None else (tls, dimse.host),
    )
    if not found.is_established:
        raise _refusal(name, dimse, found, tls)
    try:
        yield found
    finally:
        if found.is_established:
            found.release()


def at_once(event: Any) -> None:
    """Send small messages at once: else each waits for the other side's delayed acknowledgement, 40 ms on Linux."""
    own = event.assoc.dul.socket.socket
    if own is not None:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def client_tls(dimse: Dimse) -> ssl.SSLContext:
    """TLS as a client: the server's certificate is checked.

    Raises:
        UnreadableFileError: A file of certificates cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=dimse.ca)
        if dimse.certificate is not None:
            context.load_cert_chain(dimse.certificate, dimse.key)
    except (OSError, ssl.SSLError) as error:
        where = f"{dimse.ca or ''} {dimse.certificate or ''}".strip()
        found = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UnreadableFileError(where, found, "Give PEM files.") from None
    return context


def require_success(where: str, answer: Mapping[str, Any] | Any, doing: str) -> None:
    """Refuse an answer that is no success or warning.

    Raises:
        ArchiveError: It is none; passing where the connection was lost, or the other side is out of resources.
    """
    status = getattr(answer, "Status", None)
    if status is None:
        raise ArchiveError(where, f"broke off while {doing}", "The same command goes on.", passing=True)
    if status == 0 or status >> 12 == 0xB:
        return
    told = str(getattr(answer, "ErrorComment", "") or "no reason given")
    busy = status >> 8 == 0xA7
    raise ArchiveError(where, f"refuses {doing} (status {status:#06x}, {told})", "Look at its log.", passing=busy)


def _refusal(name: str, dimse: Dimse, found: Association, tls: ssl.SSLContext | None) -> ArchiveError:
    where = f"{name} ({dimse.ae} at {dimse.host}:{dimse.port})"
    if found.is_rejected:
        answer = found.acceptor.primitive
        reason = getattr(answer, "reason_str", "no reason given").rstrip(".")
        passing = getattr(answer, "result", 1) == 2
        return ArchiveError(where, f"rejects us as {dimse.our_ae} ({reason})", _TITLES, passing=passing)
    if found.rejected_contexts:
        return NothingAgreedError(where, "takes no such kind of object, or transfer syntax", "Look at its log.")
    if (told := _unreachable(dimse, tls)) is not None:
        return ArchiveError(where, told[0], told[1], passing=told[2])
    return ArchiveError(where, "broke off", "Look at its log.", passing=True)


def _unreachable(dimse: Dimse, tls: ssl.SSLContext | None) -> tuple[str, str, bool] | None:
    """Why there is no connection, which pynetdicom does not tell: it is tried once more."""
    try:
        with socket.create_connection((dimse.host, dimse.port), min(dimse.timeout, 5.0)) as plain:
            if tls is not None:
                with tls.wrap_socket(plain, server_hostname=dimse.host) as safe:
                    safe.settimeout(0.5)
    except ssl.SSLError as error:
        told = match[1].strip() if (match := _OPENSSL.search(str(error))) else "it does not speak it"
        return f"TLS is refused ({told})", "Have its certificate renewed, or give `ca` of the node.", False
    except OSError as error:
        return f"cannot be reached ({error.strerror or error})", _FIND_OUT, True
    return None

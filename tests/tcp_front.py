"""Stands before a server: speaks TLS for it (Debian's Orthanc 1.10.1 crashes when it does), and may break off."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 14


@dataclass
class Front:
    """Passes bytes on.

    Args:
        port: Of the server behind it.
        certificate: With its key, PEM; None for plain connections.
        ca: Clients must have a certificate that comes from there.
        breaks: Answers that break off, each after so many bytes; the first of it is the next answer's.
    """

    port: int
    certificate: Path | None = None
    ca: Path | None = None
    breaks: list[int] = field(default_factory=list)
    own_port: int = 0


@contextmanager
def standing_before(port: int, certificate: Path | None = None, ca: Path | None = None) -> Iterator[Front]:
    """A front of a server at a loopback port, while the block lasts."""
    front = Front(port, certificate, ca)
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        if ca is not None:
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:
        front.own_port = server.getsockname()[1]
        threading.Thread(target=_accept, args=(server, front, context), daemon=True).start()
        yield front


def _accept(server: socket.socket, front: Front, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):  # the server socket is closed
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(client, front, context), daemon=True).start()


def _serve(plain: socket.socket, front: Front, context: ssl.SSLContext | None) -> None:
    """One connection, both ways in one thread: a TLS connection must not be read and written at once."""
    with plain, suppress(OSError):
        client = plain if context is None else context.wrap_socket(plain, server_side=True)
        with client, socket.create_connection(("127.0.0.1", front.port)) as behind:
            while True:
                waiting = isinstance(client, ssl.SSLSocket) and client.pending()
                ready = [client] if waiting else select.select([client, behind], [], [])[0]
                for one in ready:
                    chunk = one.recv(_CHUNK)
                    if not chunk or not _pass_on(chunk, one is behind, behind, client, front):
                        return


def _pass_on(chunk: bytes, answer: bool, behind: socket.socket, client: socket.socket, front: Front) -> bool:
    """Whether it goes on."""
    if not answer:
        behind.sendall(chunk)
    elif front.breaks:
        client.sendall(chunk[: front.breaks.pop(0)])
        return False
    else:
        client.sendall(chunk)
    return True

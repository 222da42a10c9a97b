"""Orthanc for the tests: the real server, in a network namespace of the thread's own, in which nobody else is."""

import ctypes
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_PLUGINS = [path for path in (Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),) if path.exists()]
_SECONDS = 30.0
USER, PASSWORD = "medseg", "a-secret-of-the-tests"


@contextmanager
def own_network() -> Iterator[None]:
    """A network that holds this thread, what it starts, and a loopback; what listens is reached by nobody else.

    The test is skipped where the system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        if not shutil.which("ip") or libc.unshare(_NEW_NETWORK):
            pytest.skip("no network namespace of its own can be had here (needs Linux, root and iproute2)")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert not libc.setns(before.fileno(), _NEW_NETWORK), os.strerror(ctypes.get_errno())


@dataclass
class Orthanc:
    """A server that can be stopped and started again on the same database.

    Args:
        folder: Of database and configuration.
        changes: To the configuration.
    """

    folder: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    http: int = 8042
    dicom: int = 4242
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its DICOMweb."""
        return f"http{'s' if self.changes.get('SslEnabled') else ''}://127.0.0.1:{self.http}/dicom-web"

    def start(self) -> None:
        """Return when it answers."""
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps({**self._config(), **self.changes}))
        with (self.folder / "orthanc.log").open("ab") as log:
            self.process = subprocess.Popen(["Orthanc", str(config)], stdout=log, stderr=log)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.folder / "orthanc.log").read_text()
            with suppress(requests.ConnectionError):
                self.ask("system")
                return
            time.sleep(0.05)
        raise AssertionError(f"Orthanc does not answer: {(self.folder / 'orthanc.log').read_text()}")

    def stop(self, *, kill: bool = False) -> None:
        """End it; the database is free afterwards."""
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(_SECONDS)
            self.process = None

    def ask(self, path: str, **data: Any) -> Any:
        """Its own REST interface, which no code of ours uses: what it says is what is there."""
        root = self.url.removesuffix("/dicom-web")
        kind = {"json": data} if data else {}
        verify = self.changes.get("TestAuthority", True)
        answer = requests.request(
            "POST" if data else "GET", f"{root}/{path}", auth=(USER, PASSWORD), timeout=30, verify=verify, **kind
        )
        answer.raise_for_status()
        return answer.json()

    def put(self, content: bytes) -> None:
        """Store an instance."""
        root = self.url.removesuffix("/dicom-web")
        requests.post(f"{root}/instances", data=content, auth=(USER, PASSWORD), timeout=30).raise_for_status()

    def file(self, own: str) -> bytes:
        """An instance by the server's own id."""
        root = self.url.removesuffix("/dicom-web")
        answer = requests.get(f"{root}/instances/{own}/file", auth=(USER, PASSWORD), timeout=30)
        answer.raise_for_status()
        return answer.content

    def remove(self, uid: str) -> None:
        """Forget an instance."""
        root = self.url.removesuffix("/dicom-web")
        (own,) = self.ask("tools/find", Level="Instance", Query={"SOPInstanceUID": uid})
        requests.delete(f"{root}/instances/{own}", auth=(USER, PASSWORD), timeout=30).raise_for_status()

    def found(self, **tags: str) -> list[dict[str, str]]:
        """The main tags of its instances that match."""
        return [one["MainDicomTags"] for one in self.ask("tools/find", Level="Instance", Query=tags, Expand=True)]

    def _config(self) -> dict[str, Any]:
        return {
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "index"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomAlwaysAllowFind": False,
            "DicomAlwaysAllowGet": False,
            "UnknownSopClassAccepted": True,
            "SynchronousCMove": True,
            "DicomModalities": {"medseg": {"AET": "MEDSEG", "Host": "127.0.0.1", "Port": 11112}},
            "Plugins": [str(_PLUGINS[0])],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "KeepAlive": True,
            "TcpNoDelay": True,
        }


def require_orthanc() -> None:
    """Skip the test where there is no server."""
    if not shutil.which("Orthanc") or not _PLUGINS:
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")


@contextmanager
def running_orthanc(folder: Path, **changes: Any) -> Iterator[Orthanc]:
    """A server, in a network of its own with the thread that asks for it."""
    require_orthanc()
    with own_network():
        server = Orthanc(folder, changes)
        try:
            server.start()
            yield server
        finally:
            server.stop(kill=True)  # its database goes, too

"""Orthanc with small generated studies, for the tests of archives."""

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from orthanc_server import PASSWORD, USER, Orthanc, running_orthanc
from small_studies import write_studies

from medseg.pacs.nodes import Dimse, Node, Web


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """What pynetdicom leaves to the garbage collector is collected where a test has said that it knows.

    Its log keeps errors, and with them sockets, where pytest keeps records.
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    yield
    gc.collect()


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An empty server; the test's thread is in its network."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with running_orthanc(folder) as server:
        yield server


@pytest.fixture
def node(orthanc: Orthanc, tmp_path: Path) -> Node:
    """It as a node."""
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD + "\n")
    web = Web(url=orthanc.url, user=USER, password_file=secret, attempts=2, timeout=10)
    return Node(name="orthanc", web=web, dimse=Dimse(host="127.0.0.1", port=orthanc.dicom, ae="ORTHANC", attempts=2))


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four CT studies of four slices each, `<patient>/*.dcm`, read-only."""
    return write_studies(tmp_path_factory.mktemp("studies"), 4)

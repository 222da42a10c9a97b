"""Odd paths and addresses are refused as files are: by a `MedsegError` that names them, and at once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from seeds import seeds
from targets import TARGETS

from medseg.errors import MedsegError
from medseg.io import read_geometry, read_image, read_mask, read_segmentation
from medseg.io.dicom.scan import scan_dicom

READINGS: tuple[Callable[[Path], object], ...] = (read_geometry, read_image, read_mask, read_segmentation)
INSIDE = (
    "0",
    "1",
    "-1",
    "7",
    "²",
    "٣",
    "9" * 20,
    "9" * 5000,
    "image",
    "a/b/c",
    "..",
    "../x",
    "0/0",
    "1.2/0",
    "nan",
    " ",
    "\0",
    "%d",
)


@pytest.mark.parametrize("kind", TARGETS)
def test_odd_addresses_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    content = next(iter(seeds(kind).values()))
    source = TARGETS[kind].place(tmp_path, content)
    for inside in INSIDE:
        for read in READINGS:
            try:
                read(Path(f"{source}:/{inside}"))
            except MedsegError as error:
                assert source.name in str(error)  # noqa: PT017  (what is read need not raise)


@pytest.mark.parametrize("path", ["", "nothing", "a" * 5000, "a\0b", "x" * 300 + ".nii.gz", ":/", "a:/b:/c", "~", "/"])
def test_paths_that_lead_nowhere_are_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for read in (*READINGS, scan_dicom):
        if read is scan_dicom and path in ("", "/"):
            continue  # a folder, and that of all files
        if path == "/":
            continue
        with pytest.raises(MedsegError):
            read(Path(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
@pytest.mark.parametrize(
    "name", ["pipe", "pipe.dcm", "pipe.nii.gz", "pipe.png", "pipe.h5", "pipe.nrrd", "pipe.npy", "pipe.npz"]
)
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for read in (*READINGS, scan_dicom):
        with pytest.raises(MedsegError, match=name):
            read(tmp_path / name)
    assert not scan_dicom(tmp_path).volumes


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").symlink_to(tmp_path / "b.dcm")
    (tmp_path / "b.dcm").symlink_to(tmp_path / "a.dcm")
    for read in READINGS:
        with pytest.raises(MedsegError, match=r"a\.dcm"):
            read(tmp_path / "a.dcm")
    assert not scan_dicom(tmp_path).volumes


def test_a_file_that_a_directory_lists_and_that_is_missing_is_told(tmp_path: Path) -> None:
    path = TARGETS["dicomdir"].place(tmp_path, seeds("dicomdir")["tree"])
    (path.parent / "PT000000" / "ST000000" / "SE000000" / "IM000001").unlink()
    assert [str(error) for _path, error in scan_dicom(path).problems]
    for inside in ("", ":/1.2.3"):
        with pytest.raises(MedsegError, match="disc"):
            read_image(f"{path}{inside}")

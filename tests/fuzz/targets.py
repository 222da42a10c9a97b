"""For each format: bytes are put on a disk in memory, read in every public way, and held to the contract."""

import atexit
import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from contract import Outcome, ViolationError, kept
from dicom_seeds import GRID, ct_slice

from medseg.errors import MedsegError
from medseg.io import read_geometry, read_image, read_mask, read_segmentation
from medseg.io.dicom.scan import scan_dicom
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["TARGETS", "run"]

Readings = list[Callable[[], object]]
_OTHER = ReadOptions(untilt=True, window=True, pet="stored", nearest_label=True, frame=0, across_frames=True)
_LABELS = Labels.from_config({"low": 1, "high": 255})


@dataclass(frozen=True)
class Target:
    """How one format is read.

    Args:
        name: Of the file.
        readings: The ways of reading what `place` returned.
        place: Writes the bytes into a folder and returns what to read.
        chatty: A library in C that cannot be silenced prints what it finds wrong.
    """

    name: str
    readings: Callable[[Path], Readings]
    place: Callable[[Path, bytes], Path]
    chatty: bool = False


def run(kind: str, content: bytes) -> Outcome:
    """Read one input of one kind in every way.

    Raises:
        ViolationError: The contract is broken.
    """
    target = TARGETS[kind]
    source = target.place(_folder(kind), content)
    names = (source.name, str(_folder(kind))) if kind in ("dicom_folder", "dicomdir", "pair") else (source.name,)
    return kept(target.readings(source), names, len(content), target.chatty)


@cache
def _folder(kind: str) -> Path:
    """One folder for the life of the process, in memory where there is such a disk and `run.py` names no other."""
    memory = Path("/dev/shm")
    made = tempfile.mkdtemp(dir=memory if memory.is_dir() and "TMPDIR" not in os.environ else None, prefix="fuzz_")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _file(name: str) -> Callable[[Path, bytes], Path]:
    def place(folder: Path, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return place


def _packed(name: str) -> Callable[[Path, bytes], Path]:
    """What is no gzip is packed, so that damage reaches what lies inside."""

    def place(folder: Path, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content if content[:2] == b"\x1f\x8b" else gzip.compress(content, 1))
        return path

    return place


def _pair(folder: Path, content: bytes) -> Path:
    (folder / "case.img").write_bytes(content[348:])
    path = folder / "case.hdr"
    path.write_bytes(content[:348])
    return path


def _series(folder: Path, content: bytes) -> Path:
    """A damaged slice between sound ones."""
    for number in (0, 2):
        if not (path := folder / f"sound{number}.dcm").exists():
            path.write_bytes(ct_slice(number))
    (folder / "case.dcm").write_bytes(content)
    return folder


def _directory(folder: Path, content: bytes) -> Path:
    """A DICOMDIR beside its files, and a file outside its folder that it must not reach."""
    series = folder / "disc" / "PT000000" / "ST000000" / "SE000000"
    if not series.exists():
        series.mkdir(parents=True)
        for number in range(2):
            (series / f"IM00000{number}").write_bytes(ct_slice(number))
        (folder / "OUT").write_bytes(ct_slice(9))
        shutil.copytree(folder / "disc" / "PT000000", folder / "ELSE")
    path = folder / "disc" / "DICOMDIR"
    path.write_bytes(content)
    return path


def _image(path: Path) -> Readings:
    return [
        partial(read_geometry, path),
        partial(read_image, path),
        partial(read_image, path, options=_OTHER),
        partial(read_mask, path),
        partial(read_mask, path, labels=_LABELS, options=_OTHER),
        partial(read_segmentation, path),
    ]


def _dicom(path: Path) -> Readings:
    return [*_image(path), partial(_scan, path), partial(read_segmentation, path, on=GRID)]


def _structures(path: Path) -> Readings:
    return [
        partial(read_segmentation, path),
        partial(read_segmentation, path, on=GRID),
        partial(read_mask, path, on=GRID, options=_OTHER),
        partial(_scan, path),
    ]


def _of_folder(path: Path) -> Readings:
    return [partial(read_image, path), partial(read_geometry, path), partial(_scan, path)]


def _scan(path: Path) -> None:
    """A scan, its table, and every volume that it found."""
    tree = scan_dicom(path, jobs=1)
    root = (path if path.is_dir() else path.parent).resolve()
    files = [file for series in tree.series for volume in series.volumes for file in volume.files]
    files += [file for series in tree.series for file in series.others] + [file for file, _error in tree.problems]
    outside = [file for file in files if not file.resolve().is_relative_to(root)]
    if outside:
        raise ViolationError("escaped", "scan_dicom", str(outside))
    assert tree.table.shape[1]
    assert tree._repr_html_()
    for series in tree.series:
        for number in range(len(series.volumes)):
            try:
                series.read(number, options=_OTHER)
            except MedsegError as error:
                if str(root) not in str(error):
                    raise ViolationError("unnamed", "Series.read", str(error)) from error


def _one(name: str, readings: Callable[[Path], Readings] = _image) -> Target:
    return Target(name, readings, _file(name))


TARGETS: dict[str, Target] = {
    "nifti": _one("case.nii"),
    "nifti_gz": Target("case.nii.gz", _image, _packed("case.nii.gz")),
    "pair": Target("case.hdr", _image, _pair),
    "mgh": _one("case.mgh"),
    "mgz": Target("case.mgz", _image, _packed("case.mgz")),
    "npy": _one("case.npy"),
    "npz": _one("case.npz"),
    "hdf5": _one("case.h5"),
    "nrrd": _one("case.nrrd"),
    "metaimage": _one("case.mha"),
    "png": _one("case.png"),
    "jpeg": _one("case.jpg"),
    "tiff": Target("case.tif", _image, _file("case.tif"), chatty=True),  # libtiff
    "bmp": _one("case.bmp"),
    "pnm": _one("case.pnm"),
    "dicom": Target("case.dcm", _dicom, _file("case.dcm"), chatty=True),  # GDCM's libjpeg
    "dicom_gz": Target("case.dcm.gz", _dicom, _packed("case.dcm.gz"), chatty=True),
    "dicom_folder": Target("case.dcm", _of_folder, _series, chatty=True),
    "dicomdir": Target("DICOMDIR", _of_folder, _directory),
    "structures": Target("case.dcm", _structures, _file("case.dcm"), chatty=True),
}

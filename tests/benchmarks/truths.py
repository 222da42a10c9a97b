"""What other programs make of the same files: values in the order (x, y[, z]) and their affine to RAS+ mm."""

import contextlib
import gzip
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import highdicom
import nibabel
import numpy as np
import pydicom
import scipy.ndimage
import SimpleITK
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform
from pydicom.fileset import FileSet
from pydicom.pixels import apply_modality_lut

from medseg import Geometry

__all__ = [
    "Truth", "binary", "circles", "contour_volumes_mm3", "files_of_dicomdir", "frames_in", "of_h5", "of_highdicom",
    "of_itk", "of_itk_series", "of_nibabel", "of_pgm", "of_pydicom", "of_siemens_mosaic", "of_tilted", "on_grid",
    "quiet", "union", "volumes_in", "whole",
]  # fmt: skip

_LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


@dataclass(frozen=True, eq=False)
class Truth:
    """What another program read.

    Args:
        values: Shape (x, y[, z]).
        affine: Voxel index to mm, shape (4, 4), RAS+; `None` where it knows of no grid.
    """

    values: np.ndarray
    affine: np.ndarray | None = None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the other programs warn of, be it past Python and straight to standard error (GDCM)."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def of_nibabel(path: Path, volume: int | None = None) -> Truth:
    """NIfTI or MGH, scaled as its header says and not cast; colours become luminance."""
    image: Any = nibabel.load(path)
    values = np.asanyarray(image.dataobj)
    values = values if volume is None else values[..., volume]
    if values.dtype.names:
        values = _luminance(np.stack([values[name] for name in values.dtype.names], axis=-1))
    return Truth(values.reshape((*values.shape, 1)[:3]), image.affine)


def of_itk(path: Path, frame: int | None = None) -> Truth:
    """A picture, a volume, or one frame of it; colours become luminance."""
    with _unpacked(path) as plain:
        found = _of_itk(SimpleITK.ReadImage(str(plain)))
    return found if frame is None else Truth(found.values[..., frame], found.affine)


def of_itk_series(files: Sequence[Path]) -> Truth:
    """The slices of one DICOM volume, in order along their normal by pydicom's headers."""
    if len(files) == 1:
        return of_itk(files[0])
    headers = {file: pydicom.dcmread(file, stop_before_pixels=True) for file in files}
    row, column = np.reshape(next(iter(headers.values())).ImageOrientationPatient, (2, 3)).astype(float)
    ordered = sorted(files, key=lambda file: float(np.cross(row, column) @ headers[file].ImagePositionPatient))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in ordered])
    return _of_itk(reader.Execute())


def of_pydicom(path: Path) -> Truth:
    """Pixels with their modality lookup table or rescaling; colours become luminance, frames lie along z."""
    dataset = pydicom.dcmread(path)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    return Truth(_luminance(values).T if dataset.get("SamplesPerPixel", 1) > 1 else values.T)


def of_siemens_mosaic(path: Path) -> Truth:
    """nibabel's reading of Siemens' private header, which it calls experimental when it is imported."""
    from nibabel.nicom.dicomwrappers import wrapper_from_data

    with gzip.open(path) as file:
        wrapper = wrapper_from_data(pydicom.dcmread(file))
    return Truth(wrapper.get_data(), _LPS_TO_RAS @ wrapper.affine)


def of_tilted(files: Sequence[Path], grid: Geometry) -> Truth:
    """Slices sideways of one another, on a grid of their planes: linear within each, outside their lowest value."""
    slices = sorted(map(pydicom.dcmread, files), key=lambda one: float(one.ImagePositionPatient[2]))
    pictures = [one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in slices]
    values = np.empty(grid.shape)
    for k, (one, picture) in enumerate(zip(slices, pictures, strict=True)):
        index = np.stack([*np.mgrid[: grid.shape[0], : grid.shape[1]], np.full(grid.shape[:2], k)], axis=-1)
        lps = grid.to_world(index) * (-1, -1, 1) - np.array(one.ImagePositionPatient, float)
        across, down = np.reshape(one.ImageOrientationPatient, (2, 3)).astype(float)
        at = np.stack([lps @ down / float(one.PixelSpacing[0]), lps @ across / float(one.PixelSpacing[1])])
        shape = np.reshape(picture.shape, (2, 1, 1))
        outside = ((at < -0.5) | (at > shape - 0.5)).any(axis=0)
        inside = scipy.ndimage.map_coordinates(picture, at, order=1, mode="nearest")
        values[..., k] = np.where(outside, min(map(np.min, pictures)), inside)
    return Truth(values)


def of_highdicom(path: Path, segment: int) -> Truth:
    """One segment of a SEG, where highdicom puts it."""
    seg = highdicom.seg.segread(path)
    volume = seg.get_volume(segment_numbers=[segment], combine_segments=False)
    return Truth(volume.array[..., 0] >= 0.5, _LPS_TO_RAS @ volume.affine)


def of_h5(where: Path) -> Truth:
    """A dataset of an HDF5 file with its affine, or one picture of a stack, whose rows come first."""
    path, name = str(where).split(":/")
    with h5py.File(path) as file:
        stack, _, index = name.rpartition("/")
        if index.isdigit():
            return Truth(file[stack][int(index)].T)
        return Truth(file[name][()], file[name].attrs.get("affine"))


def of_pgm(path: Path) -> Truth:
    """A binary PGM of one byte a pixel without comments."""
    content = path.read_bytes()
    _magic, columns, rows, _largest = content.split(maxsplit=4)[:4]
    return Truth(np.frombuffer(content[-int(columns) * int(rows) :], np.uint8).reshape(int(rows), int(columns)).T)


def volumes_in(path: Path) -> int:
    """Length of a fourth axis by nibabel; 0 where there is none."""
    shape = nibabel.load(path).shape
    return shape[3] if len(shape) > 3 and shape[3] > 1 else 0


def frames_in(path: Path) -> int:
    """NumberOfFrames, 0 where there is none."""
    return int(pydicom.dcmread(path, force=True, stop_before_pixels=True).get("NumberOfFrames") or 0)


def files_of_dicomdir(path: Path) -> int:
    """How many files a DICOMDIR names."""
    return len(FileSet(path))


def whole(read: Callable[[Path], Truth], path: Path) -> Truth:
    """What a program reads, in whole numbers: 0.9999 is 1."""
    truth = read(path)
    return Truth(np.rint(truth.values), truth.affine)


def union(paths: Iterable[Path]) -> Truth:
    """All masks of a picture in one, by ITK."""
    return Truth(np.max([of_itk(path).values for path in paths], axis=0))


def binary(truth: Truth) -> Truth:
    """Whatever is drawn is 1."""
    return Truth(truth.values > 0, truth.affine)


def circles(shape: tuple[int, int], found: Sequence[tuple[float, float, float]]) -> Truth:
    """Discs of mini-MIAS: column, row counted from the bottom, radius."""
    x, y = np.mgrid[: shape[0], : shape[1]]
    discs = [(x - column) ** 2 + (y - (shape[1] - 1 - up)) ** 2 <= radius**2 for column, up, radius in found]
    return Truth(np.any([np.zeros(shape, bool), *discs], axis=0))


def contour_volumes_mm3(path: Path, thickness_mm: float) -> list[float]:
    """Area of the closed contours of each structure (shoelace formula) times the distance between planes."""
    dataset = pydicom.dcmread(path, force=True)
    return [sum(map(_area, roi.get("ContourSequence", []))) * thickness_mm for roi in dataset.ROIContourSequence]


def on_grid(truth: Truth, affine: np.ndarray) -> Truth:
    """The same voxels with their axes in the order and direction of another grid."""
    assert truth.affine is not None
    turn = ornt_transform(io_orientation(truth.affine), io_orientation(affine))
    return Truth(apply_orientation(truth.values, turn), truth.affine @ inv_ornt_aff(turn, truth.values.shape))


def _of_itk(image: SimpleITK.Image) -> Truth:
    values = SimpleITK.GetArrayFromImage(image)
    values = (_luminance(values) if image.GetNumberOfComponentsPerPixel() > 1 else values).T
    if image.GetDimension() == 2:
        return Truth(values)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Truth(values, _LPS_TO_RAS @ affine)


def _luminance(colours: np.ndarray) -> np.ndarray:
    """ITU-R BT.601 in whole thousandths, rounded."""
    return np.rint(colours[..., :3].astype(np.int64) @ np.array([299, 587, 114]) / 1000)


def _area(contour: pydicom.Dataset) -> float:
    if contour.ContourGeometricType != "CLOSED_PLANAR":
        return 0.0
    x, y = np.reshape(contour.ContourData, (-1, 3))[:, :2].astype(float).T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or a copy without the gzip that ITK does not expect around DICOM."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.dcm"
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        yield plain

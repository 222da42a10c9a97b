"""Masks and images into files: complete or not at all, the same bytes for the same input."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from medseg.atomic import atomic_path
from medseg.errors import OutputError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import formats

__all__ = ["write_image", "write_mask"]

_LEVEL = 1  # isal's second of four: masks are small anyway, and reading speed does not depend on it
_BLOCK = 1 << 25  # bytes that are turned and packed at once
_NIFTI_TYPES = (np.uint8, np.int16, np.uint16, np.int32)  # smallest first
_TIFF_TYPES = (np.uint8, np.uint16, np.int32, np.float32)


def write_mask(path: str | Path, segmentation: Segmentation) -> None:
    """A segmentation in file values: NIfTI for volumes, PNG (8 or 16 bit) or TIFF for 2D images.

    The header of an image that came from NIfTI is carried over, so that shape, sform, qform and their codes are
    exactly as stored there; its extensions, which may name the patient, are not.

    Raises:
        OutputError: The ending does not fit, a value does not fit into a PNG, or the file cannot be written.
    """
    if not segmentation.labels.exclusive:
        raise OutputError(
            path,
            f"the labels overlap ({', '.join(segmentation.labels.names)}), which no label map can hold",
            "Write them one by one: name one as in seg.dcm:/NAME.",
        )
    image = segmentation.image
    carried = image.header if image is not None and image.geometry.same_as(segmentation.geometry) else None
    mask = segmentation.mask
    kept = _NIFTI_TYPES if segmentation.geometry.ndim == 3 else (np.uint8,)
    _write(Path(path), mask if mask.dtype in kept else _smallest(mask), segmentation.geometry, carried)


def write_image(path: str | Path, image: Image) -> None:
    """An image of one channel: NIfTI for volumes, PNG (8 or 16 bit, whole numbers) or TIFF for 2D images.

    Raises:
        OutputError: It has several channels, the ending does not fit, or the file cannot be written.
    """
    if image.channels != 1:
        raise OutputError(path, f"the image has {image.channels} channels", "Write each channel to a file of its own.")
    _write(Path(path), image.voxels[0], image.geometry, image.header)


def _write(path: Path, array: np.ndarray, geometry: Geometry, header: Any) -> None:
    if path.is_dir():
        raise OutputError(path, "is a folder", "Name a file, such as mask.nii.gz.")
    encode = _encoder(path, geometry)
    content = encode(path, array, geometry, header)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _encoder(path: Path, geometry: Geometry) -> Callable[[Path, np.ndarray, Geometry, Any], bytes]:
    ending = formats.ending(path)
    if geometry.ndim == 3 and ending in formats.NIFTI:
        return _nifti_bytes
    if geometry.ndim == 2 and ending == ".png":
        return _png_bytes
    if geometry.ndim == 2 and ending in (".tif", ".tiff"):
        return _tiff_bytes
    wanted = ".nii.gz or .nii for a volume" if geometry.ndim == 3 else ".png or .tif for a 2D image"
    raise OutputError(path, f"the ending {ending!r} does not fit", "Change the ending.", wanted)


def _nifti_bytes(path: Path, array: np.ndarray, geometry: Geometry, carried: Any) -> bytes:
    import nibabel

    header = _carried_header(carried) if isinstance(carried, nibabel.Nifti1Header) else _new_header(geometry)
    dtype = array.dtype
    header.set_data_dtype(dtype)
    header.set_data_shape(array.shape)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    single = type(header).sizeof_hdr + 4  # the header and the four bytes that say "no extensions"
    header["vox_offset"] = single
    voxels = _first_axis_fastest(array, dtype.newbyteorder(header.endianness))
    pieces = itertools.chain([header.binaryblock + bytes(4)], voxels)
    return _gzip(pieces) if path.name.lower().endswith(".gz") else b"".join(pieces)


def _first_axis_fastest(array: np.ndarray, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """The voxels as NIfTI stores them, some slices at a time; none is turned where all is 0, as most of a mask is."""
    step = max(1, _BLOCK // max(1, array[..., 0].size * dtype.itemsize))
    for start in range(0, array.shape[-1], step):
        block = array[..., start : start + step]
        if block.any():
            yield block.astype(dtype, order="F", copy=False).tobytes(order="F")
        else:
            yield bytes(block.size * dtype.itemsize)


def _gzip(pieces: Iterable[bytes]) -> bytes:
    """Packed one after the other, without a copy of them all; no time is stored."""
    from isal import isal_zlib

    packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, 31)  # 31: with gzip's header
    return b"".join([*(packer.compress(piece) for piece in pieces), packer.flush()])


def _carried_header(header: Any) -> Any:
    own = header.copy()
    own.extensions.clear()
    own.set_intent("none")
    return own


def _new_header(geometry: Geometry) -> Any:
    import nibabel

    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_shape(geometry.shape)
    # A qform knows no shear. Of code 1 it would be believed by ITK, which puts slices elsewhere; of code 0 ITK refuses.
    header.set_qform(geometry.affine, code=int(geometry.orthogonal), strip_shears=True)
    header.set_sform(geometry.affine, code=1)
    header.set_xyzt_units("mm")
    return header


def _png_bytes(path: Path, array: np.ndarray, geometry: Geometry, header: Any) -> bytes:
    import PIL.Image

    low, high = int(array.min()), int(array.max())
    if array.dtype.kind not in "iu" or low < 0 or high > 65535:
        raise OutputError(
            path, f"a PNG cannot hold {array.dtype} values from {low} to {high}", "Use whole numbers from 0 to 65535."
        )
    # An image keeps its own depth; a 16-bit one that happens to be dark must not come back as 8 bit.
    depth = np.uint8 if high < 256 and array.dtype.itemsize == 1 else np.uint16
    buffer = BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(array.T.astype(depth))).save(buffer, format="PNG")
    return buffer.getvalue()


def _tiff_bytes(path: Path, array: np.ndarray, geometry: Geometry, header: Any) -> bytes:
    import PIL.Image

    kind = next((kind for kind in _TIFF_TYPES if np.can_cast(array.dtype, kind)), None)
    if kind is None:
        raise OutputError(path, f"a TIFF cannot hold {array.dtype}", "Convert it to numbers of up to 32 bits first.")
    buffer = BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(array.T.astype(kind))).save(buffer, "TIFF", compression="tiff_lzw")
    return buffer.getvalue()


def _smallest(mask: np.ndarray) -> np.ndarray:
    """The mask in the smallest type that every reader of NIfTI knows."""
    low, high = int(mask.min()), int(mask.max())
    small = next((kind for kind in _NIFTI_TYPES if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), None)
    return mask if small is None else mask.astype(small)

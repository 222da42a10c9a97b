"""Small sound files of every format, made by our own code and by the formats' libraries, to begin damaging from."""

import functools
import gzip
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import SimpleITK
from dicom_seeds import dicom_seeds, directory, structure_seeds

__all__ = ["Seeds", "seeds"]

Seeds = Mapping[str, bytes]
_VOXELS = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5)
_AFFINE = np.diag([-1, 1.5, 2, 1.0])
_PLANE = (np.arange(20 * 15).reshape(20, 15) % 251).astype(np.uint8)


@functools.cache
def seeds(kind: str) -> Seeds:
    """Sound files of one kind by name; the kinds are those of `targets.TARGETS`."""
    return _MAKERS[kind]()


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _nifti() -> Seeds:
    made = {
        "one": nibabel.Nifti1Image(_VOXELS, _AFFINE),
        "two": nibabel.Nifti2Image(_VOXELS, _AFFINE),
        "float": nibabel.Nifti1Image(_VOXELS.astype(np.float32), _AFFINE),
        "big": nibabel.Nifti1Image(_VOXELS, _AFFINE, nibabel.Nifti1Header(endianness=">")),
        "times": nibabel.Nifti1Image(np.stack([_VOXELS] * 2, axis=-1), _AFFINE),
        "flat": nibabel.Nifti1Image(_VOXELS[:, :, 0], _AFFINE),
    }
    made["scaled"] = nibabel.Nifti1Image(_VOXELS, _AFFINE)
    made["scaled"].header.set_slope_inter(2, 1)
    return {name: _written("a.nii", functools.partial(nibabel.save, image)) for name, image in made.items()}


def _pair(image: nibabel.spatialimages.SpatialImage) -> bytes:
    """The header, then the voxels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.hdr"
        nibabel.save(image, path)
        return path.read_bytes()[:348].ljust(348, b"\0") + path.with_suffix(".img").read_bytes()


def _pairs() -> Seeds:
    return {
        "nifti": _pair(nibabel.Nifti1Pair(_VOXELS, _AFFINE)),
        "analyze": _pair(nibabel.Spm2AnalyzeImage(_VOXELS, _AFFINE)),
    }


def _mgh() -> Seeds:
    image = nibabel.MGHImage(_VOXELS, _AFFINE)
    return {"mgh": _written("a.mgh", lambda path: nibabel.save(image, path))}


def _npy() -> Seeds:
    arrays = {"volume": _VOXELS, "plane": _PLANE, "fortran": np.asfortranarray(_VOXELS), "big": _VOXELS.astype(">f8")}
    return {name: _written("a.npy", lambda path, one=one: np.save(path, one)) for name, one in arrays.items()}


def _npz() -> Seeds:
    arrays = {"image": _VOXELS, "affine": _AFFINE}
    return {
        "packed": _written("a.npz", lambda path: np.savez_compressed(path, **arrays)),
        "stored": _written("a.npz", lambda path: np.savez(path, image=_PLANE, spacing=np.array([1.5, 1.5]))),
    }


def _hdf5() -> Seeds:
    import h5py

    def chunked(path: Path) -> None:
        with h5py.File(path, "w") as file:
            stored = file.create_dataset("image", data=_VOXELS, chunks=(3, 3, 3), compression="gzip", shuffle=True)
            stored.attrs.update({"affine": _AFFINE, "axes": "xyz"})

    def plain(path: Path) -> None:
        with h5py.File(path, "w", libver="latest") as file:
            file.create_group("case").create_dataset("mask", data=_PLANE).attrs["spacing_mm"] = [1.5, 1.5]
            file["link"] = h5py.SoftLink("/case/mask")
            file["other"] = h5py.ExternalLink("other.h5", "/image")

    return {"chunked": _written("a.h5", chunked), "plain": _written("a.h5", plain)}


def _by_itk(ending: str) -> Seeds:
    made = SimpleITK.GetImageFromArray(_VOXELS.T)
    made.SetSpacing((0.5, 1.25, 3.0))
    return {
        name: _written(f"a{ending}", lambda path, packed=packed: SimpleITK.WriteImage(made, str(path), packed))
        for name, packed in (("raw", False), ("packed", True))
    }


def _pictures(ending: str, modes: Mapping[str, str], **options: Mapping[str, object]) -> Seeds:
    """One picture for each name and mode, and one for each set of saving options."""
    found = {}
    ramp = PIL.Image.fromarray(_PLANE)
    for name, mode in modes.items():
        picture = PIL.Image.fromarray(_PLANE.astype(np.uint16) * 257) if mode == "I;16" else ramp.convert(mode)
        found[name] = _written(f"a{ending}", functools.partial(picture.save, **options.get(name, {})))
    return found


def _png() -> Seeds:
    modes = {"grey": "L", "deep": "I;16", "bits": "1", "palette": "P", "colour": "RGB", "alpha": "LA"}
    return {**_pictures(".png", modes), "deep_colour": _deep_colour(".png")}


def _deep_colour(ending: str) -> bytes:
    deep = SimpleITK.GetImageFromArray(np.stack([_PLANE.astype(np.uint16) * 257] * 3, axis=-1), isVector=True)
    return _written(f"a{ending}", lambda path: SimpleITK.WriteImage(deep, str(path)))


def _tiff() -> Seeds:
    modes = {
        "grey": "L",
        "deep": "I;16",
        "float": "F",
        "lzw": "L",
        "deflate": "L",
        "jpeg": "L",
        "fax": "1",
        "pages": "L",
    }
    pages = {"save_all": True, "append_images": [PIL.Image.fromarray(_PLANE)]}
    found = _pictures(
        ".tif", modes, lzw={"compression": "tiff_lzw"}, deflate={"compression": "tiff_adobe_deflate"},
        jpeg={"compression": "jpeg"}, fax={"compression": "group4"}, grey={"dpi": (254, 254)}, pages=pages,
    )  # fmt: skip
    return {**found, "colour": _pictures(".tif", {"a": "RGB"})["a"], "deep_colour": _deep_colour(".tif")}


def _pnm() -> Seeds:
    return {
        **_pictures(".pnm", {"grey": "L", "bits": "1", "colour": "RGB", "deep": "I;16"}),
        "words": b"P2\n# a remark\n3 2\n255\n0 1 2\n3 4 255\n",
        "bit_words": b"P1\n3 2\n0 1 0\n1 1 1\n",
    }


def _packed(kind: str) -> Callable[[], Seeds]:
    """Packed, and as they are for the target to pack."""
    return lambda: {
        **{f"{name}.gz": gzip.compress(content, mtime=0) for name, content in seeds(kind).items()},
        **seeds(kind),
    }


_MAKERS: dict[str, Callable[[], Seeds]] = {
    "nifti": _nifti,
    "nifti_gz": _packed("nifti"),
    "pair": _pairs,
    "mgh": _mgh,
    "mgz": _packed("mgh"),
    "npy": _npy,
    "npz": _npz,
    "hdf5": _hdf5,
    "nrrd": lambda: _by_itk(".nrrd"),
    "metaimage": lambda: _by_itk(".mha"),
    "png": _png,
    "jpeg": lambda: _pictures(
        ".jpg", {"grey": "L", "colour": "RGB", "progressive": "L"}, progressive={"progressive": True}
    ),
    "tiff": _tiff,
    "bmp": lambda: _pictures(".bmp", {"grey": "L", "bits": "1", "colour": "RGB"}),
    "pnm": _pnm,
    "dicom": dicom_seeds,
    "dicom_gz": _packed("dicom"),
    "dicom_folder": lambda: {
        name: content for name, content in dicom_seeds().items() if name.startswith(("ct", "pet"))
    },
    "dicomdir": lambda: {"tree": directory()},
    "structures": structure_seeds,
}

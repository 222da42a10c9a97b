"""Opens somebody's MONAI bundle and segments with it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medseg.device import pick_device
from medseg.errors import ConfigError, InputError, ModelFolderError
from medseg.image import Image, Segmentation
from medseg.inference.monai_bundle.metadata import BundleMetadata, config_file, read_metadata, weight_file
from medseg.inference.monai_bundle.result import mask_of
from medseg.inference.monai_bundle.workflow import Workflow
from medseg.inference.safe_loading import file_hash
from medseg.inference.settings import InferenceSettings
from medseg.io import read_image, write_image
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["BundleSegmenter", "open_bundle"]

_NIFTI = {np.dtype(kind) for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")}


@dataclass(frozen=True, eq=False)
class BundleSegmenter:
    """A bundle that runs by its own config.

    The image is handed over as files, one a channel, since loading is the config's first step: so readers that the
    bundle chose, and what they note for the inverse, are its own.

    Args:
        root: The bundle's folder.
        metadata: What it says of itself.
        workflow: It, opened.
        device: Where it runs.
        hash: SHA-256 of its weights; empty where they have no usual name.
    """

    root: Path
    metadata: BundleMetadata
    workflow: Workflow
    device: str
    hash: str = ""

    @property
    def labels(self) -> Labels:
        """What its masks can contain."""
        return self.metadata.labels

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of its images, in order."""
        return self.metadata.channels

    @property
    def reading(self) -> ReadOptions:
        """The defaults: a bundle says nothing of it."""
        return ReadOptions()

    @property
    def description(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.metadata.content

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it is run here."""
        return {"engine": "MONAI bundle", "config": str(config_file(self.root)), "device": self.device}

    def segment(self, image: Image | str | Path, *, probabilities: bool | Path = False) -> Segmentation:
        """Segment an image, or the file or DICOM folder of one.

        Returns:
            The mask on the image's own grid.

        Raises:
            InputError: The image cannot be read, its channels or dimensions are not the bundle's, or probabilities are
                asked for, which a bundle does not give.
            ModelFolderError: The bundle fails.
            GeometryError: Where its answer belongs is doubtful.
            LabelError: It answers with values that its metadata does not name.
        """
        if probabilities:
            mend = "Leave probabilities out: its postprocessing ends in a mask."
            raise InputError("probabilities", "are asked of a MONAI bundle", mend)
        read = image if isinstance(image, Image) else read_image(image)
        self._require_fit(read)
        with tempfile.TemporaryDirectory(prefix="medseg-bundle-") as folder:
            files = [str(path) for path in _written(read, Path(folder))]
            results = self.workflow.run(files[0] if len(files) == 1 else files)
            mask, notes = mask_of(results, self.labels, read.geometry, len(self.metadata.outputs), self.root)
        notes = (*read.notes, *_doubts(read), *notes)
        return Segmentation(mask, read.geometry, self.labels, None, read, notes)

    def _require_fit(self, image: Image) -> None:
        where, dims, channels = image.source or "image", self.metadata.dims, self.channels
        if dims is not None and image.geometry.ndim != dims:
            raise InputError(where, f"is {image.geometry.ndim}D", "Use a model for such images.", f"{dims}D")
        if channels and image.channels != len(channels):
            wanted = f"{len(channels)} ({', '.join(channels)})"
            found = f"has {image.channels} channel(s)"
            raise InputError(where, found, "Give one file per channel, in this order.", wanted)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<b>{escape(self.root.name)}</b>: {escape(', '.join(self.labels.names))}; weights {self.hash[:12]}"


def open_bundle(root: Path, settings: InferenceSettings) -> BundleSegmenter:
    """Open a bundle that may be anybody's.

    Raises:
        ModelFolderError: It is not trusted, incomplete, or fails.
        ConfigError: The settings ask for what its own config decides.
        MissingExtraError: pytorch-ignite is not installed.
    """
    config = config_file(root)
    if config is None:
        raise ModelFolderError(root, "has no configs/inference.json or .yaml", "Pass the folder of a MONAI bundle.")
    if not settings.trusted:
        found = (
            f"has no plan.json, so that it is a MONAI bundle of somebody's, and {config.relative_to(root)} is code: "
            "MONAI's configs import modules and evaluate expressions"
        )
        mend = "Where you trust who made it, say so: trusted=True, --trust as a command."
        raise ModelFolderError(root, found, mend)
    _require_its_own(settings)
    device = str(pick_device(settings.device))
    metadata = read_metadata(root)
    _ = metadata.labels  # refused before anything runs, where nobody says what they are
    weights = weight_file(root)
    digest = file_hash(weights) if weights else ""
    return BundleSegmenter(root, metadata, Workflow(root.resolve(), config.resolve(), device), device, digest)


def _require_its_own(settings: InferenceSettings) -> None:
    """Refuse what a bundle decides by itself, instead of passing over it."""
    own = {"precision": "auto", "backend": "auto", "speed": "normal", "max_memory": None}
    for name, usual in own.items():
        if getattr(settings, name) != usual:
            mend = f"Leave {name} out: the bundle's config decides it."
            raise ConfigError(name, f"{getattr(settings, name)} is asked of a MONAI bundle", mend)


def _doubts(image: Image) -> tuple[str, ...]:
    whole = image.voxels.dtype.kind != "f" or bool(np.isfinite(image.voxels).all())
    return () if whole else ("non-finite voxels were taken as 0",)


def _written(image: Image, folder: Path) -> list[Path]:
    """One file a channel: NIfTI, or PNG where a picture fits into one."""
    finite = np.nan_to_num(image.voxels, nan=0, posinf=0, neginf=0) if image.voxels.dtype.kind == "f" else image.voxels
    voxels = finite if finite.dtype in _NIFTI else finite.astype(np.uint8 if finite.dtype == bool else np.float32)
    paths = []
    for number, channel in enumerate(voxels):
        one = replace(image, voxels=channel[np.newaxis], header=None)
        if image.geometry.ndim == 3:
            paths.append(folder / f"image{number}.nii")
            write_image(paths[-1], one)
        elif channel.dtype.kind == "u" and channel.dtype.itemsize <= 2:
            paths.append(folder / f"image{number}.png")
            write_image(paths[-1], one)
        else:
            paths.append(folder / f"image{number}.nii")
            nibabel.save(nibabel.Nifti1Image(channel, np.diag([*image.geometry.step, 1.0, 1.0])), paths[-1])
    return paths

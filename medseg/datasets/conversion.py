"""Writes a whole data set in another arrangement: as nnU-Net's raw data, or as a manifest beside its files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg.atomic import write_text
from medseg.case import Case
from medseg.datasets.conversion_folder import Conversion, convert_all, own_folder, remove_others
from medseg.datasets.dataset import Dataset
from medseg.datasets.layouts import manifest, nnunet
from medseg.datasets.manifest_writing import write_manifest as write_table
from medseg.datasets.numbering import Numbering
from medseg.errors import DatasetError, MedsegError
from medseg.image import Image, Segmentation
from medseg.io import read_case_image, read_case_label_map, read_reader_masks, write_image, write_mask
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions
from medseg.reporting import Reporter

__all__ = ["TARGETS", "write_manifest", "write_nnunet"]


def write_nnunet(
    dataset: Dataset,
    out: Path,
    *,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Conversion:
    """Write raw data of nnU-Net v2; labels are numbered from 1, and `dataset.json` keeps their file values as well.

    Labelled cases go to `imagesTr` and `labelsTr`, those of the test part to `imagesTs` and `labelsTs` (which nnU-Net
    does not train on), unlabelled ones to `imagesTs`. Volumes become .nii.gz; 2D images .png, or .tif where they are
    not whole numbers of 8 or 16 bits. Patients, splits, spacing of pictures and columns go to `cases.csv`.

    Args:
        dataset: What to convert; its problems are among the failures.
        out: A new folder, called DatasetNNN_NAME for nnU-Net, or what an earlier run of this began.
        labels: What the file values were before, where the data set's are numbers already; else its own.
        options: How to read, where there is a choice.
        reporter: Told of the progress.

    Raises:
        DatasetError: The labels are not declared, or no case could be converted.
        OutputError: `out` holds something else, or cannot be written.
    """
    own = _declared(dataset)
    if own is None:
        mend = "Declare them: --label lesion=255 (`medseg inspect` shows the values found)."
        raise DatasetError(dataset.root, "does not say what its label values mean", mend)
    ending, numbering = _ending(dataset, options), Numbering(own)
    modalities: set[str] = set()

    def convert(case: Case) -> Case:
        if case.annotated is not None and len(own.judged(case.annotated)) < len(own.names):
            raise DatasetError(case.id, "was not searched for every label", "nnU-Net cannot leave out single labels.")
        image = _image(case, options)
        modalities.add(image.modality)
        part = "Tr" if case.labelled and case.split != "test" else "Ts"
        images = [out / f"images{part}" / f"{case.id}_{i:04d}{ending}" for i in range(image.channels)]
        masks = [out / f"labels{part}" / f"{case.id}{ending}"] if case.labelled else []
        for path in masks:
            found = read_case_label_map(case, image, own, options).mask
            _write_mask(path, numbering.number(found, case.id), image)
        _write_channels(images, image)
        return _moved(case, image, images, masks)

    with own_folder(dataset, out, "nnunet", nnunet.DESCRIPTION):
        done = convert_all(dataset, out, convert, reporter)
        write_table(out / nnunet.TABLE, done.cases)
        remove_others(out, done.cases, ("imagesTr", "imagesTs", "labelsTr", "labelsTs"))
        # nnU-Net takes Hounsfield units for such by the channel's name alone.
        channels = ("CT",) if modalities == {"CT"} and len(dataset.channels) == 1 else dataset.channels
        described = {
            "channel_names": {str(number): name for number, name in enumerate(channels)},
            **numbering.described,
            "numTraining": sum(case.images[0].parent.name == "imagesTr" for case in done.cases),
            "file_ending": ending,
            nnunet.OWN_KEY: {"labels": (labels or own).to_config()},
        }
        # nnU-Net reads regions in their order here, so that keys are not sorted.
        write_text(out / nnunet.DESCRIPTION, json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    return done


def write_manifest(
    dataset: Dataset,
    out: Path,
    *,
    labels: Labels | None = None,
    options: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Conversion:
    """Write `manifest.csv` beside `images/` and `labels/`: .nii.gz, in 2D .png or .tif, a file a channel.

    Masks keep their file values; labels that overlap become a file each, and so do the masks of each reader.

    Args:
        dataset: What to convert; its problems are among the failures.
        out: A new folder, or what an earlier run of this began.
        labels: What the file values shall be, where they are to be other than the data set's: the same labels.
        options: How to read, where there is a choice.
        reporter: Told of the progress.

    Raises:
        DatasetError: No case could be converted.
        OutputError: `out` holds something else, or cannot be written.
    """
    own = _declared(dataset)

    def convert(case: Case) -> Case:
        image = _image(case, options)
        ending = _ending_of(image)
        numbers = [""] if image.channels == 1 else [f"_{i}" for i in range(1, image.channels + 1)]
        images = [out / "images" / f"{case.id}{number}{ending}" for number in numbers]
        shown = _references(case, image, own, labels, options)
        masks = {name: out / "labels" / _file_name(case.id, name, ending) for name in shown}
        for name, path in masks.items():
            _write_mask(path, shown[name], image)
        _write_channels(images, image)
        if case.readers and "" not in masks:
            return replace(_moved(case, image, images, []), readers={name: (path,) for name, path in masks.items()})
        return replace(_moved(case, image, images, list(masks.values())), structures=tuple(filter(None, masks)))

    with own_folder(dataset, out, "manifest", manifest.FILE):
        done = convert_all(dataset, out, convert, reporter)
        remove_others(out, done.cases, ("images", "labels"))
        write_table(out / manifest.FILE, done.cases)
    return done


TARGETS: dict[str, Callable[..., Conversion]] = {"nnunet": write_nnunet, "manifest": write_manifest}


def _declared(dataset: Dataset) -> Labels | None:
    """The data set's labels; where it has none, its named structures, each a label of its own."""
    names = {name for case in dataset.cases for name in case.structures}
    return dataset.labels or (Labels.of_structures(sorted(names)) if names else None)


def _references(
    case: Case, image: Image, own: Labels | None, wanted: Labels | None, options: ReadOptions | None
) -> dict[str, np.ndarray]:
    """What a manifest gets a file of: each reader's mask, each of the labels that overlap, or one mask without name."""
    if case.readers and not (options and options.consensus):
        return {name: found.mask for name, found in read_reader_masks(case, image, own, options).items()}
    if not case.masks and not case.readers:
        return {}
    mask = read_case_label_map(case, image, own, options).mask
    if own is not None and not own.exclusive:
        return dict(zip(own.names, mask, strict=True))
    return {"": mask if own is None or wanted is None else wanted.from_indices(own.to_indices(mask, case.id))}


def _file_name(case: str, name: str, ending: str) -> str:
    return (f"{case}.{name}" if name else case).replace("/", "_") + ending


def _image(case: Case, options: ReadOptions | None) -> Image:
    image = read_case_image(case, options)
    if image.geometry.ndim == 3 and not image.geometry.spacing_known:
        raise DatasetError(case.id, "has no known voxel spacing", "State it in a table: the column spacing_mm.")
    return image


def _ending(dataset: Dataset, options: ReadOptions | None) -> str:
    """What suits the first case that can be read: nnU-Net wants one ending for all files."""
    for case in dataset.cases:
        try:
            return _ending_of(read_case_image(case, options))
        except MedsegError:  # told when its turn comes
            continue
    return ".nii.gz"


def _ending_of(image: Image) -> str:
    if image.geometry.ndim == 3:
        return ".nii.gz"
    return ".png" if image.voxels.dtype in (np.uint8, np.uint16) else ".tif"


def _write_channels(paths: list[Path], image: Image) -> None:
    for path, channel in zip(paths, image.voxels, strict=True):
        kind = {"b": np.uint8, "f": np.float32}.get(channel.dtype.kind) if channel.dtype.itemsize < 4 else None
        write_image(path, replace(image, voxels=(channel if kind is None else channel.astype(kind))[np.newaxis]))


def _write_mask(path: Path, mask: np.ndarray, image: Image) -> None:
    write_mask(path, Segmentation(mask, image.geometry, labels_of(mask), image=image))


def _moved(case: Case, image: Image, images: list[Path], masks: list[Path]) -> Case:
    """The case as it lies in its new place; pictures keep no spacing, so the table does."""
    grid = image.geometry
    spacing = grid.spacing_mm if grid.ndim == 2 and grid.spacing_known else None
    return replace(
        case, images=tuple(images), masks=tuple(masks), spacing_mm=spacing, structures=(), readers={}, mask_step=1
    )

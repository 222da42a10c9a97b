"""Lesion masks and region measurements from folders of radiology studies.

    >>> import medseg
    >>> model = medseg.load_model("runs/liver/model")
    >>> segmentation = model.segment("studies/P001")
    >>> medseg.measure(medseg.read_image("studies/P001"), segmentation)

Names are looked up when first used, so that `import medseg` loads neither torch nor pandas.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medseg.case import Case
    from medseg.datasets import Dataset, inspect_dataset, open_dataset
    from medseg.demonstration import demonstrate
    from medseg.errors import (
        ArchiveError,
        ConfigError,
        DatasetError,
        GeometryError,
        GridMismatchError,
        InputError,
        LabelError,
        LeftOutError,
        MedsegError,
        MissingExtraError,
        ModelFolderError,
        OutputError,
        TrainingError,
        UnknownSpacingError,
        UnreadableFileError,
    )
    from medseg.evaluation import reader_agreement
    from medseg.geometry import Geometry
    from medseg.image import Image, Segmentation
    from medseg.io import read_geometry, read_image, read_mask, read_segmentation, write_image, write_mask
    from medseg.io.dicom.scan import scan_dicom
    from medseg.labels import Label, Labels
    from medseg.options import ReadOptions
    from medseg.outputs.progress import RichReporter
    from medseg.segmenter import Segmenter
    from medseg.workflow import (
        augment_preview,
        compare,
        convert,
        cross_validate,
        evaluate,
        leaderboard,
        load_model,
        make_plan,
        measure,
        model_info,
        patients,
        predict,
        read_corrections,
        report,
        review,
        status,
        train,
        verify,
        write_methods,
    )

__version__ = "0.1.0"

_MODULES = {
    "case": ("Case",),
    "datasets": ("Dataset", "inspect_dataset", "open_dataset"),
    "demonstration": ("demonstrate",),
    "errors": (
        "ArchiveError",
        "ConfigError",
        "DatasetError",
        "GeometryError",
        "GridMismatchError",
        "InputError",
        "LabelError",
        "LeftOutError",
        "MedsegError",
        "MissingExtraError",
        "ModelFolderError",
        "OutputError",
        "TrainingError",
        "UnknownSpacingError",
        "UnreadableFileError",
    ),
    "evaluation": ("reader_agreement",),
    "geometry": ("Geometry",),
    "image": ("Image", "Segmentation"),
    "io": ("read_geometry", "read_image", "read_mask", "read_segmentation", "write_image", "write_mask"),
    "io.dicom.scan": ("scan_dicom",),
    "labels": ("Label", "Labels"),
    "options": ("ReadOptions",),
    "outputs.progress": ("RichReporter",),
    "segmenter": ("Segmenter",),
    "workflow": (
        "augment_preview",
        "compare",
        "convert",
        "cross_validate",
        "evaluate",
        "leaderboard",
        "load_model",
        "make_plan",
        "measure",
        "model_info",
        "patients",
        "predict",
        "read_corrections",
        "report",
        "review",
        "status",
        "train",
        "verify",
        "write_methods",
    ),
}
_HOMES = {name: f"medseg.{module}" for module, names in _MODULES.items() for name in names}

__all__ = [
    "ArchiveError",
    "Case",
    "ConfigError",
    "Dataset",
    "DatasetError",
    "Geometry",
    "GeometryError",
    "GridMismatchError",
    "Image",
    "InputError",
    "Label",
    "LabelError",
    "Labels",
    "LeftOutError",
    "MedsegError",
    "MissingExtraError",
    "ModelFolderError",
    "OutputError",
    "ReadOptions",
    "RichReporter",
    "Segmentation",
    "Segmenter",
    "TrainingError",
    "UnknownSpacingError",
    "UnreadableFileError",
    "__version__",
    "augment_preview",
    "compare",
    "convert",
    "cross_validate",
    "demonstrate",
    "evaluate",
    "inspect_dataset",
    "leaderboard",
    "load_model",
    "make_plan",
    "measure",
    "model_info",
    "open_dataset",
    "patients",
    "predict",
    "read_corrections",
    "read_geometry",
    "read_image",
    "read_mask",
    "read_segmentation",
    "reader_agreement",
    "report",
    "review",
    "scan_dicom",
    "status",
    "train",
    "verify",
    "write_image",
    "write_mask",
    "write_methods",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medseg' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""The `dataset.json` of the Decathlon and of nnU-Net."""

import json
from pathlib import Path
from typing import Any

from medseg.errors import DatasetError

__all__ = ["DESCRIPTION", "dicom_modality", "read_description"]

DESCRIPTION = "dataset.json"
_MODALITIES = {"mri": "MR", "mr": "MR", "t1": "MR", "t2": "MR", "flair": "MR", "ct": "CT", "pet": "PT", "pt": "PT"}


def read_description(root: Path) -> dict[str, Any]:
    """The object that the file in a folder holds.

    Raises:
        DatasetError: The file cannot be read, or holds something else.
    """
    path = root / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(path, f"cannot be read ({error})", "Mend the JSON, or give `layout`.") from error
    if not isinstance(described, dict):
        raise DatasetError(path, f"holds a {type(described).__name__}", "Mend the JSON.", "an object")
    return described


def dicom_modality(channels: tuple[str, ...]) -> str:
    """DICOM's word for the first channel; empty where its name is none of the usual ones."""
    return _MODALITIES.get(channels[0].lower(), "") if channels else ""

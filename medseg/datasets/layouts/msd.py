"""Layout "msd": the Medical Segmentation Decathlon's `dataset.json` with its lists of images and labels."""

from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.datasets.dataset import Dataset, noted
from medseg.datasets.layouts import nnunet
from medseg.datasets.layouts.dataset_json import DESCRIPTION, dicom_modality, read_description
from medseg.errors import DatasetError
from medseg.io.formats import stem
from medseg.labels import Labels

__all__ = ["read", "recognises"]


def recognises(root: Path) -> bool:
    """Whether a folder has a `dataset.json` that is not nnU-Net's."""
    return (root / DESCRIPTION).is_file() and not nnunet.recognises(root)


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases of "training" (labelled) and "test" (not labelled).

    Raises:
        DatasetError: `dataset.json` is broken or lists no case. Entries that are listed twice, missing or elsewhere
            are in `problems`.
    """
    described = read_description(root)
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for part, of_entry in (("training", _training_case), ("test", _test_case)):
        for entry in _entries(root, described, part):
            with noted(problems):
                cases.append(of_entry(root, entry))
    cases = [case for case in cases if not case.images[0].name.startswith("._")]  # macOS leaves them in archives
    if not cases and not problems:
        raise DatasetError(root / DESCRIPTION, "lists no case", "Give it a list `training` of images and labels.")
    channels = tuple(str(name) for name in _ordered(described.get("channel_names") or described.get("modality")))
    declared = labels or _labels(root / DESCRIPTION, described)
    return Dataset(
        root, "msd", tuple(cases), declared, channels or ("image",), dicom_modality(channels), problems=tuple(problems)
    )


def _entries(root: Path, described: dict[str, Any], part: str) -> list[Any]:
    entries = described.get(part, [])
    if not isinstance(entries, list):
        raise DatasetError(root / DESCRIPTION, f"{part} is a {type(entries).__name__}", "Mend it.", "a list")
    return entries


def _training_case(root: Path, entry: Any) -> Case:
    if not isinstance(entry, dict) or not {"image", "label"} <= set(entry):
        raise DatasetError(root / DESCRIPTION, f"training entry {entry!r}", "Mend it.", "an image and a label")
    return _case(root, entry["image"], entry["label"])


def _test_case(root: Path, entry: Any) -> Case:
    return _case(root, entry, None)


def _case(root: Path, image: Any, label: Any) -> Case:
    if isinstance(image, dict):
        image = image.get("image")
    path = _below(root, image)
    return Case(stem(path), "", (path,), () if label is None else (_below(root, label),))


def _below(root: Path, name: Any) -> Path:
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise DatasetError(root / DESCRIPTION, f"the path {name!r}", "Write it relative to dataset.json.")
    path = root / name
    if not path.exists() and not path.name.startswith("._"):
        raise DatasetError(root / DESCRIPTION, f"lists {name}, which is missing", "Fetch it, or take it off.")
    return path


def _ordered(names: Any) -> list[Any]:
    """Values of `{"0": ..., "1": ...}` in the order of their numbers."""
    if not isinstance(names, dict):
        return []
    return [names[key] for key in sorted(names, key=lambda key: int(key) if str(key).isdigit() else 0)]


def _labels(path: Path, described: dict[str, Any]) -> Labels | None:
    declared = described.get("labels")
    if not isinstance(declared, dict) or not declared:
        return None
    if all(str(key).isdigit() for key in declared):  # {"1": "tumour"}; nnU-Net writes {"tumour": 1}
        declared = {str(name): int(value) for value, name in declared.items()}
    background = declared.pop("background", 0)
    return Labels.from_config({"background": background, **declared})

"""What a MONAI bundle says of itself in `configs/metadata.json`: data alone, read without running anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medseg.errors import LabelError, ModelFolderError
from medseg.labels import Labels

__all__ = ["BundleMetadata", "config_file", "read_metadata", "weight_file"]

_CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
_WEIGHTS = ("model.pt", "model.ts", "model.pt2", "model.safetensors")
_BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class BundleMetadata:
    """The metadata file of a bundle.

    Args:
        path: The file, for messages.
        content: What it holds.
    """

    path: Path
    content: Mapping[str, Any]

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Names of the image's channels, in order."""
        return _names(self._data_format("inputs", "image"), "channel")

    @cached_property
    def dims(self) -> int | None:
        """Spatial axes of the image, where it is said."""
        shape = self._data_format("inputs", "image").get("spatial_shape")
        return len(shape) if isinstance(shape, list) and len(shape) in (2, 3) else None

    @cached_property
    def patch(self) -> tuple[Any, ...]:
        """What is said of the shape that the network takes; sizes, or words such as "16*n"."""
        shape = self._data_format("inputs", "image").get("spatial_shape")
        return tuple(shape) if isinstance(shape, list) else ()

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's output channels, in order."""
        return _names(self._data_format("outputs", "pred"), "label")

    @cached_property
    def labels(self) -> Labels:
        """What its masks hold: the output channels, which exclude one another where the first is the background.

        File values are the indices of the channels, or those of `label_values` where the file has that key.

        Raises:
            ModelFolderError: The outputs are not described.
            LabelError: They cannot be labels: two of one name, say.
        """
        values = self.content.get("label_values")
        if isinstance(values, Mapping) and values:
            return Labels.from_config(values)
        if not self.outputs:
            mend = 'Add network_data_format.outputs.pred.channel_def: {"0": "background", "1": NAME}.'
            raise ModelFolderError(self.path, "does not say what the outputs are", mend)
        if len(set(self.outputs)) < len(self.outputs):
            found = f"names two outputs alike ({', '.join(self.outputs)})"
            raise LabelError(self.path, found, "Give each channel its own name.")
        if self.exclusive:
            return Labels.from_config({name: value for value, name in enumerate(self.outputs) if value})
        return Labels.from_config(dict.fromkeys(self.outputs, 1) | {"overlapping": True})

    @property
    def exclusive(self) -> bool:
        """Whether the first output channel is the background, so that each voxel has one class."""
        return len(self.outputs) > 1 and self.outputs[0].casefold() == _BACKGROUND

    def said(self, key: str) -> str:
        """A text of the file; empty where it has none."""
        value = self.content.get(key, "")
        return value if isinstance(value, str) else json.dumps(value)

    def _data_format(self, side: str, name: str) -> Mapping[str, Any]:
        found = self.content.get("network_data_format", {}).get(side, {})
        chosen: Any = found.get(name) or next(iter(found.values()), {})
        return chosen if isinstance(chosen, Mapping) else {}


def config_file(root: Path) -> Path | None:
    """The bundle's inference config, where this folder has one."""
    return next((root / "configs" / name for name in _CONFIGS if (root / "configs" / name).is_file()), None)


def weight_file(root: Path) -> Path | None:
    """The file of the bundle's weights or program, where it has one under a usual name."""
    return next((root / "models" / name for name in _WEIGHTS if (root / "models" / name).is_file()), None)


def read_metadata(root: Path) -> BundleMetadata:
    """The metadata of a bundle.

    Raises:
        ModelFolderError: The file is missing, or is no such JSON.
    """
    path = root / "configs" / "metadata.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        mend = "A bundle needs it: it says what channels and labels are."
        raise ModelFolderError(path, f"cannot be read ({error})", mend) from error
    described = content.get("network_data_format", {}) if isinstance(content, dict) else None
    if not isinstance(described, dict) or not all(isinstance(side, dict) for side in described.values()):
        raise ModelFolderError(path, "is not a bundle's metadata", "Restore the file.", "network_data_format")
    return BundleMetadata(path, content)


def _names(described: Mapping[str, Any], otherwise: str) -> tuple[str, ...]:
    """Names of channels by their number; numbered where only how many there are is said."""
    named = described.get("channel_def")
    if isinstance(named, Mapping) and named and all(str(key).isdigit() for key in named):
        return tuple(str(named[key]) for key in sorted(named, key=lambda key: int(key)))
    count = described.get("num_channels")
    if not isinstance(count, int) or isinstance(count, bool) or otherwise == "label":
        return ()
    return tuple(f"{otherwise} {number}" for number in range(count))

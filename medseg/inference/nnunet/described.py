"""What nnU-Net's `dataset.json` says: channels, labels, and regions that overlap."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from medseg.errors import LabelError, ModelFolderError
from medseg.labels import Labels

__all__ = ["Described", "read_described", "read_json_model"]

T = TypeVar("T", bound=BaseModel)


class Described(BaseModel):
    """The part of `dataset.json` that predicting needs; other keys are left alone."""

    channel_names: dict[int, str] = Field(validation_alias=AliasChoices("channel_names", "modality"))
    labels: dict[str, int | tuple[int, ...]]
    regions_class_order: tuple[int, ...] | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in order."""
        return tuple(name for _, name in sorted(self.channel_names.items()))

    @property
    def has_regions(self) -> bool:
        """Whether an output is a region of several label values, which may overlap others."""
        return any(isinstance(values, tuple) and len(values) > 1 for values in self.labels.values())

    @property
    def ignore(self) -> int | None:
        """The value of voxels that nobody judged; nnU-Net has no output for it."""
        value = self.labels.get("ignore")
        return value if isinstance(value, int) else None

    @property
    def values(self) -> dict[str, tuple[int, ...]]:
        """File values of each foreground label or region, in the order of the network's outputs."""
        named = {name: _tuple(values) for name, values in self.labels.items() if name != "ignore"}
        named = {name: values for name, values in named.items() if set(values) != {0}}
        if self.has_regions:
            return named
        return dict(sorted(named.items(), key=lambda item: item[1]))

    @property
    def outputs(self) -> int:
        """Channels of the logits: one a region, or one a label and one for the background."""
        return len(self.values) + (not self.has_regions)

    def label_set(self, where: Path) -> Labels:
        """As our labels; regions overlap.

        Raises:
            ModelFolderError: nnU-Net itself could not have been trained with these.
        """
        if self.has_regions:
            _require_order(self, where)
        elif tuple(self.values.values()) != tuple((i,) for i in range(1, len(self.values) + 1)):
            _refuse(where, f"labels {self.labels}", "0 for background, then 1, 2, ...")
        declared: dict[str, Any] = {"background": 0, **{name: list(values) for name, values in self.values.items()}}
        declared |= {} if self.ignore is None else {"ignore": self.ignore}
        try:
            return Labels.from_config(declared | ({"overlapping": True} if self.has_regions else {}))
        except LabelError as error:
            raise ModelFolderError(where, f"its labels cannot be taken ({error})", "Restore dataset.json.") from error


def read_described(folder: Path) -> Described:
    """`dataset.json` of a trainer folder.

    Raises:
        ModelFolderError: It is missing or says something else than nnU-Net's does.
    """
    return read_json_model(folder / "dataset.json", Described)


def read_json_model(path: Path, model: type[T]) -> T:
    """A JSON file of nnU-Net's as a pydantic model.

    Raises:
        ModelFolderError: It is missing, is no JSON, or lacks a key.
    """
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFolderError(path, f"cannot be read ({error})", "Pass the folder that nnU-Net wrote.") from error
    except ValidationError as error:
        first = error.errors()[0]
        found = f"is not nnU-Net v2's: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise ModelFolderError(path, found, "Pass the folder that nnU-Net v2 wrote, unchanged.") from error


def _require_order(described: Described, where: Path) -> None:
    order = described.regions_class_order
    if order is None or len(order) != len(described.values):
        _refuse(where, f"regions_class_order {order}", f"one value for each of {len(described.values)} regions")
    elif min(order) < 0 or max(order) > 255:
        _refuse(where, f"regions_class_order {order}", "values of 0 to 255")


def _refuse(where: Path, found: str, expected: str) -> None:
    raise ModelFolderError(where, f"declares {found}", "Restore the dataset.json of the training.", expected)


def _tuple(values: int | tuple[int, ...]) -> tuple[int, ...]:
    return values if isinstance(values, tuple) else (values,)

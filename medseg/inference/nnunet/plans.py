"""What nnU-Net's `plans.json` says of one configuration, refused where we would do something else than nnU-Net."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from medseg.errors import ModelFolderError
from medseg.inference.nnunet.described import read_json_model

__all__ = ["Configuration", "Intensities", "Plans", "read_plans"]

# How nnU-Net's readers give voxels: as the file stores them, or turned to RAS first; pictures have no spacing.
READERS = {
    "SimpleITKIO": "stored",
    "NibabelIO": "stored",
    "SimpleITKIOWithReorient": "canonical",
    "NibabelIOWithReorient": "canonical",
    "NaturalImage2DIO": "picture",
}


class Intensities(BaseModel):
    """Of the training labels' voxels in one channel."""

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


class Configuration(BaseModel):
    """One configuration of a plans file, what it inherits included."""

    preprocessor_name: str = "DefaultPreprocessor"
    patch_size: tuple[int, ...]
    spacing: tuple[float, ...]
    normalization_schemes: tuple[str, ...]
    use_mask_for_norm: tuple[bool, ...]
    resampling_fn_data: str
    resampling_fn_data_kwargs: dict[str, Any] = Field(default_factory=dict)
    resampling_fn_probabilities: str
    resampling_fn_probabilities_kwargs: dict[str, Any] = Field(default_factory=dict)
    architecture: dict[str, Any] = Field(default_factory=dict)
    previous_stage: str | None = None
    next_stage: str | list[str] | None = None
    # How plans of nnU-Net 2.0 to 2.3 described the network.
    UNet_class_name: str | None = None
    UNet_base_num_features: int = 32
    unet_max_num_features: int = 320
    n_conv_per_stage_encoder: tuple[int, ...] = ()
    n_conv_per_stage_decoder: tuple[int, ...] = ()
    pool_op_kernel_sizes: tuple[tuple[int, ...], ...] = ()
    conv_kernel_sizes: tuple[tuple[int, ...], ...] = ()

    @property
    def dims(self) -> int:
        """Axes of a patch: 2 or 3."""
        return len(self.patch_size)


class Plans(BaseModel):
    """The part of `plans.json` that predicting needs; other keys are left alone."""

    dataset_name: str = ""
    plans_name: str = ""
    image_reader_writer: str
    transpose_forward: tuple[int, ...]
    label_manager: str = "LabelManager"
    configurations: dict[str, dict[str, Any]]
    intensities: dict[str, Intensities] = Field(
        validation_alias=AliasChoices(
            "foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality"
        )
    )

    @cached_property
    def reader(self) -> str:
        """How voxels come to the preprocessing: "stored", "canonical" or "picture"."""
        return READERS[self.image_reader_writer]

    def configuration(self, name: str, where: Path) -> Configuration:
        """A configuration with what it inherits.

        Raises:
            ModelFolderError: There is none of that name, or it is of a cascade or a preprocessing that is not ours.
        """
        try:
            found = Configuration.model_validate(self._inherited(name, where))
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"configuration {name}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
            raise ModelFolderError(where, problem, "Pass the folder that nnU-Net v2 wrote, unchanged.") from error
        _require_single_stage(found, name, where)
        if found.preprocessor_name != "DefaultPreprocessor":
            _refuse(where, f"the preprocessor {found.preprocessor_name}", "DefaultPreprocessor")
        if found.dims not in (2, 3) or len(found.spacing) != found.dims:
            _refuse(where, f"patches {found.patch_size} at spacing {found.spacing}", "2 or 3 axes in both")
        return found

    def _inherited(self, name: str, where: Path, heirs: tuple[str, ...] = ()) -> Mapping[str, Any]:
        if name not in self.configurations or name in heirs:
            known = ", ".join(self.configurations)
            found = f"inherits from itself ({name})" if name in heirs else f"has no configuration {name!r}"
            raise ModelFolderError(where, found, "Restore the plans of the training.", known)
        own = self.configurations[name]
        parent = own.get("inherits_from")
        return own if parent is None else {**self._inherited(parent, where, (*heirs, name)), **own}


def read_plans(folder: Path) -> Plans:
    """`plans.json` of a trainer folder.

    Raises:
        ModelFolderError: It is missing, says something else than nnU-Net's does, or names a reader or rules that we do
            not have.
    """
    path = folder / "plans.json"
    plans = read_json_model(path, Plans)
    if plans.image_reader_writer not in READERS:
        _refuse(path, f"the reader {plans.image_reader_writer}", ", ".join(READERS))
    if plans.label_manager != "LabelManager":
        _refuse(path, f"the label manager {plans.label_manager}", "LabelManager")
    if sorted(plans.transpose_forward) != [0, 1, 2]:
        _refuse(path, f"transpose_forward {plans.transpose_forward}", "an order of 0, 1, 2")
    return plans


def _require_single_stage(configuration: Configuration, name: str, where: Path) -> None:
    other = configuration.previous_stage or configuration.next_stage
    if other is None:
        return
    found = f"configuration {name} is a stage of a cascade (with {other}), which medseg does not run"
    mend = "Pass the results of a 3d_fullres or 2d training, or predict the cascade with nnUNetv2_predict."
    raise ModelFolderError(where, found, mend)


def _refuse(where: Path, found: str, expected: str) -> None:
    mend = "medseg does not do what that does: predict with nnUNetv2_predict."
    raise ModelFolderError(where, f"names {found}", mend, expected)

"""The network that a configuration of nnU-Net's plans describes, in either of the two ways that plans have done so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medseg.errors import ModelFolderError
from medseg.inference.nnunet.plans import Configuration
from medseg.networks.nnunet_layers import ACTIVATIONS, NORMS, Layers
from medseg.networks.nnunet_unet import UNetShape

__all__ = ["unet_shape"]

_CLASSES = {"PlainConvUNet": False, "ResidualEncoderUNet": True}
# Keys that a network may be given; of any other we would not know what it does. Dropout rests when predicting.
_KNOWN = {
    "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage",
    "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin",
    "nonlin_kwargs", "nonlin_first", "deep_supervision", "block", "bottleneck_channels", "stem_channels",
}  # fmt: skip


def unet_shape(configuration: Configuration, channels: int, outputs: int, where: Path) -> UNetShape:
    """The network in numbers.

    Args:
        configuration: Of the plans.
        channels: Of the images.
        outputs: Of the logits.
        where: The plans, for messages.

    Raises:
        ModelFolderError: It is another network than the two that nnU-Net plans, or one with parts that are not ours.
    """
    if not configuration.architecture:
        return _of_old_plans(configuration, channels, outputs, where)
    name = str(configuration.architecture.get("network_class_name", "")).rpartition(".")[2]
    given: dict[str, Any] = configuration.architecture.get("arch_kwargs", {})
    if name not in _CLASSES:
        _refuse(where, f"the network {name}", " or ".join(_CLASSES))
    if unknown := set(given) - _KNOWN:
        _refuse(where, f"{name} with {', '.join(sorted(unknown))}", "only what nnU-Net's planners write")
    residual = _CLASSES[name]
    block = str(given.get("block") or "BasicBlockD").rpartition(".")[2]
    if block != "BasicBlockD":
        _refuse(where, f"{name} of {block}", "BasicBlockD")
    try:
        stages, dims = int(given["n_stages"]), configuration.dims
        return UNetShape(
            residual=residual,
            channels=channels,
            outputs=outputs,
            features=_each(given["features_per_stage"], stages),
            kernels=_sizes(given["kernel_sizes"], stages, dims),
            strides=_sizes(given["strides"], stages, dims),
            encoder=_each(given["n_blocks_per_stage" if residual else "n_conv_per_stage"], stages),
            decoder=_each(given["n_conv_per_stage_decoder"], stages - 1),
            layers=_layers(given, dims, where),
            stem=given.get("stem_channels"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(where, f"describes {name} in part ({error})", "Restore the plans.") from error


def _layers(given: dict[str, Any], dims: int, where: Path) -> Layers:
    norm, activation = _last(given.get("norm_op")), _last(given.get("nonlin"))
    if norm is not None:
        norm = norm.removesuffix(f"{dims}d")
    if norm not in (None, *NORMS):
        _refuse(where, f"the norm {given['norm_op']}", " or ".join(NORMS))
    if activation not in (None, *ACTIVATIONS):
        _refuse(where, f"the activation {given['nonlin']}", ", ".join(ACTIVATIONS))
    return Layers(
        dims=dims,
        bias=bool(given.get("conv_bias", False)),
        norm=norm,
        norm_options=given.get("norm_op_kwargs") or {},
        activation=activation,
        activation_options=given.get("nonlin_kwargs") or {},
        activation_first=bool(given.get("nonlin_first", False)) and norm is not None,
    )


def _of_old_plans(configuration: Configuration, channels: int, outputs: int, where: Path) -> UNetShape:
    """As nnU-Net before 2.4 wrote it: its own norm and activation, features doubled up to a largest number."""
    name, stages = configuration.UNet_class_name, len(configuration.n_conv_per_stage_encoder)
    if name not in _CLASSES or stages == 0:
        _refuse(where, f"the network {name}", " or ".join(_CLASSES))
    first, most = configuration.UNet_base_num_features, configuration.unet_max_num_features
    return UNetShape(
        residual=_CLASSES[str(name)],
        channels=channels,
        outputs=outputs,
        features=tuple(min(first * 2**stage, most) for stage in range(stages)),
        kernels=configuration.conv_kernel_sizes,
        strides=configuration.pool_op_kernel_sizes,
        encoder=configuration.n_conv_per_stage_encoder,
        decoder=configuration.n_conv_per_stage_decoder,
        layers=Layers(
            configuration.dims, norm_options={"eps": 1e-5, "affine": True}, activation_options={"inplace": True}
        ),
    )


def _last(name: str | None) -> str | None:
    return None if name is None else str(name).rpartition(".")[2]


def _each(value: int | Sequence[int], stages: int) -> tuple[int, ...]:
    """One number a stage, where a single one stands for all."""
    numbers = (value,) * stages if isinstance(value, int) else tuple(int(n) for n in value)
    if len(numbers) != stages:
        raise ValueError(f"{len(numbers)} numbers for {stages} stages")
    return numbers


def _sizes(value: Any, stages: int, dims: int) -> tuple[tuple[int, ...], ...]:
    """One size a stage, where a single number stands for all axes or all stages."""
    listed = [value] * stages if isinstance(value, int) else list(value)
    if len(listed) != stages:
        raise ValueError(f"{len(listed)} sizes for {stages} stages")
    return tuple(_each(size, dims) for size in listed)


def _refuse(where: Path, found: str, expected: str) -> None:
    mend = "medseg does not rebuild that network: predict with nnUNetv2_predict."
    raise ModelFolderError(where, f"names {found}", mend, expected)

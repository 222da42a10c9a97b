"""What a network sees and is, in sentences: preparation, grid, normalisation, architecture and its first weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import Citations
from medseg.outputs.methods.wording import counted, joined, number, sizes
from medseg.plan import Normalisation, Plan

__all__ = ["first_weights", "halvings_of", "network_paragraph", "preprocessing_paragraph"]

_STEPS = {
    "clahe": "contrast-limited adaptive histogram equalisation",
    "crop_to_breast": "cropping to the breast",
    "median_denoise": "a median filter",
    "n4_bias_correction": "N4 bias field correction",
    "non_local_means": "non-local means denoising",
    "normalise_laterality": "mirroring of right breasts onto the left",
    "percentile_window": "a window between percentiles",
    "remove_border": "removal of dark borders",
    "remove_labels": "removal of film labels",
    "window": "an intensity window",
}
_NETWORKS = {
    "dynunet": ("U-Net", ("unet",)),
    "resenc": ("U-Net with a residual encoder", ("unet", "resenc")),
    "segresnet": ("SegResNet", ("segresnet",)),
    "flexible": ("U-Net over an image classifier's encoder", ("unet",)),
}
_ACTIVATIONS = {"leakyrelu": "leaky ReLU", "relu": "ReLU", "gelu": "GELU", "swish": "swish"}


def preprocessing_paragraph(plan: Plan, cite: Citations) -> str:
    """From the file to what the network sees."""
    told = ["Volumes were brought to the orientation of the patient axes (right, anterior, superior)."]
    if plan.dims == 2:
        told = []
    if plan.preparation:
        steps = [_step(name, values, cite) for one in plan.preparation for name, values in one.items()]
        told.append(f"Images were prepared by {joined(steps)}.")
    if plan.crop_above is not None:
        told.append(f"Volumes were cropped to the box of voxels above {number(plan.crop_above)}.")
    told.append(_resampling(plan))
    methods = [_normalisation(one) for one in plan.normalisation]
    if len(set(methods)) == 1:
        told.append(f"Intensities{' of every channel' if len(methods) > 1 else ''} were {methods[0]}.")
    else:
        told += [f"Channel {name} was {how}." for name, how in zip(plan.channels, methods, strict=True)]
    told.append("Predicted masks were returned to the grid of the original image.")
    return " ".join(told)


def network_paragraph(run: Recorded, plan: Plan, cite: Citations) -> str:
    """The network, and by what rules it was chosen."""
    net = plan.network
    name, keys = _NETWORKS.get(net.name, (f"network ({net.name})", ()))
    if net.name == "flexible" and net.options.get("encoder"):
        name = f"U-Net with the encoder {net.options['encoder']}"
    cited = list(keys) + (["unet_3d"] if plan.dims == 3 and "unet" in keys else [])
    mark = f" {cite(*cited)}" if cited else ""
    told = [f"The network was a {plan.dims}D {name}{mark} with {len(net.features)} resolution levels"]
    told[0] += f" of {joined([str(n) for n in net.features])} feature channels, {_kernels(plan)}."
    extra = [f"{net.norm} normalisation", f"{_ACTIVATIONS[net.activation]} activation"]
    extra += [f"dropout of {number(net.dropout)}"] if net.dropout else []
    if net.name in ("dynunet", "resenc"):
        told.append(f"It used {joined(extra)}.")
    if net.deep_supervision and net.name in ("dynunet", "resenc"):
        told.append(f"Coarser levels of the decoder were supervised, too {cite('deep_supervision')}.")
    weights = run.trainings[0].summary.get("parameters")
    if weights:
        told.append(f"The network had {weights} trainable parameters.")
    if net.name in ("dynunet", "segresnet", "flexible"):
        told.append(f"The implementation was MONAI's {cite('monai')}.")
    told.append(_outputs(plan))
    given = [
        key.removeprefix("network.").replace("_", " ")
        for key, why in plan.reasons.items()
        if why == "set by the config"
    ]
    rules = "Grid, patch size, depth and features were derived from the training cases by rules after nnU-Net"
    told.append(f"{rules} {cite('nnunet')}" + (f"; set by hand: {joined(given)}." if given else "."))
    return " ".join(told)


def first_weights(run: Recorded) -> str:
    """What training started from."""
    init = run.settings.get("init")
    if init:
        return "Training started from the weights of an earlier model, and took over its plan."
    pretrained = run.plan is not None and run.plan.network.options.get("pretrained")
    if pretrained:
        return f"The encoder started from pretrained weights, the rest at random (seed {run.settings['seed']})."
    return f"Weights were initialised at random (seed {run.settings['seed']})."


def _step(name: str, values: Mapping[str, Any], cite: Citations) -> str:
    mark = f" {cite('n4')}" if name == "n4_bias_correction" else ""
    given = ", ".join(f"{key} {_value(value)}" for key, value in values.items())
    return f"{_STEPS.get(name, name)}{mark}" + (f" ({given})" if given else "")


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " × ".join(map(_value, value))
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _resampling(plan: Plan) -> str:
    how = "cubic splines" if plan.resampling == "cubic" else "linear interpolation"
    masks = "reference masks linearly for each class"
    if plan.spacing_mm is not None:
        return f"Images were resampled to a spacing of {sizes(plan.spacing_mm, 'mm')} by {how}, {masks}."
    if plan.longest_side is None:
        return "Images were not resampled."
    return f"The longest side of images was resampled to {plan.longest_side} pixels by {how}, {masks}."


def _normalisation(one: Normalisation) -> str:
    if one.method == "ct":
        return (
            f"clipped to {number(one.lower, 4)} to {number(one.upper, 4)} HU, reduced by {number(one.mean, 4)} HU and "
            f"divided by {number(one.sd, 4)} HU (percentiles, mean and standard deviation of labelled training voxels)"
        )
    if one.method == "zscore":
        return "standardised by the mean and standard deviation of the non-zero voxels of each image"
    return f"scaled so that percentiles {number(one.lower)} and {number(one.upper)} of each image became -1 and 1"


def _kernels(plan: Plan) -> str:
    """Kernels and strides; the same for all levels in one word."""
    net = plan.network
    kernels = _alike(net.kernels)
    halvings = halvings_of(plan)
    times = _alike([(count,) for count in halvings])
    many = "" if times is None else f"each axis was halved {counted(times[0], 'time')}"
    if times is None:
        many = f"the axes x, y{', z' if plan.dims == 3 else ''} were halved {joined([str(n) for n in halvings])} times"
    size = f"convolutions of {sizes(kernels)}" if kernels else "convolutions that follow the spacing"
    return f"{size}; {many}"


def halvings_of(plan: Plan) -> list[int]:
    """How often each axis is halved."""
    return [sum(1 for step in axis if step > 1) for axis in zip(*plan.network.strides, strict=True)]


def _alike(values: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    return tuple(values[0]) if len({tuple(value) for value in values}) == 1 else None


def _outputs(plan: Plan) -> str:
    labels = plan.label_set
    if labels.exclusive:
        return f"Its output was a softmax over background and {counted(len(labels.names), 'label')}."
    return f"Its output was a sigmoid for each of {counted(len(labels.names), 'label')}, which may overlap."

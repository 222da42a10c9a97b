"""How the weights were learnt, in sentences: loss, optimiser, budget, augmentation, selection, machine and software."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medseg.io.dicom.headers import RADIOGRAPHS
from medseg.outputs.methods.model_text import first_weights
from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import Citations
from medseg.outputs.methods.wording import counted, joined, number, percent, sizes, span
from medseg.plan import Plan
from medseg.training.learning_settings import LearningSettings
from medseg.transforms.augmentation.settings import AugmentSettings

__all__ = ["augmentation_sentence", "computing_paragraph", "minutes_of", "selection_sentence", "training_paragraphs"]

_LOSSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dice_ce": ("the sum of soft Dice loss and cross-entropy", ("dice_loss",)),
    "dice": ("soft Dice loss", ("dice_loss",)),
    "dice_focal": ("the sum of soft Dice loss and focal loss", ("dice_loss", "focal")),
    "tversky": ("Tversky loss", ("tversky",)),
    "focal_tversky": ("focal Tversky loss", ("focal_tversky",)),
    "generalised_dice": ("generalised Dice loss", ("generalised_dice",)),
    "ce": ("cross-entropy", ()),
    "cl_dice": ("soft Dice loss with a centreline Dice term", ("dice_loss", "cl_dice")),
    "hausdorff": ("the sum of soft Dice loss, cross-entropy and a Hausdorff distance term", ("hausdorff_loss",)),
}
_LOSS_NUMBERS = {
    "tversky": ("false_positives", "false_negatives"),
    "focal_tversky": ("false_positives", "false_negatives", "focal_tversky_gamma"),
    "dice_focal": ("focal_gamma",),
    "cl_dice": ("cl_dice_share", "cl_dice_steps"),
    "hausdorff": ("hausdorff_weight", "hausdorff_power"),
}
_OPTIMISERS = {"adamw": ("AdamW", "adamw"), "adam": ("Adam", "adam"), "rmsprop": ("RMSprop", "")}
_NO_STRENGTH = ("flip", "inversion")
_RADIOGRAPHS_ONLY = ("exposure", "collimation", "inversion")
_STRENGTH: Mapping[str, Callable[[AugmentSettings], str]] = {
    "rotation": lambda a: "" if a.rotation_degrees is None else f"up to {number(a.rotation_degrees)}°",
    "scaling": lambda a: f"factor {span(*a.scaling_range)}",
    "shift": lambda a: f"up to {percent(a.shift_share)} of the patch",
    "elastic": lambda a: f"up to {percent(a.elastic_strength)} of the control points' spacing",
    "noise": lambda a: f"sd {span(*a.noise_sd)}",
    "blur": lambda a: f"sigma {span(*a.blur_sigma)} voxels",
    "brightness": lambda a: f"factor {span(*a.brightness_range)}",
    "contrast": lambda a: f"factor {span(*a.contrast_range)}",
    "low_resolution": lambda a: f"factor {span(*a.low_resolution_range)}",
    "gamma": lambda a: f"exponent {span(*a.gamma_range)}",
    "inverted_gamma": lambda a: f"exponent {span(*a.gamma_range)}",
    "exposure": lambda a: f"contrast factor {span(*a.exposure_range)}",
    "collimation": lambda a: f"up to {percent(a.collimation_share)} of the patch",
}
_CALLED = {
    "shift": "translation", "elastic": "elastic deformation", "noise": "Gaussian noise", "blur": "Gaussian blur",
    "low_resolution": "simulated low resolution", "gamma": "gamma transform",
    "inverted_gamma": "gamma transform of the negative", "exposure": "change of exposure",
    "collimation": "simulated collimation", "inversion": "inversion of grey values",
}  # fmt: skip


def training_paragraphs(run: Recorded, plan: Plan, cite: Citations) -> list[str]:
    """Learning, augmentation, and which weights were kept."""
    learning = LearningSettings.model_validate(run.settings["learning"])
    told = [
        first_weights(run),
        _loss(run.settings["loss"], cite),
        _optimiser(learning, cite),
        _schedule(learning, cite),
        _batches(run, plan, learning),
        _budget(run, learning),
    ]
    return [" ".join(filter(None, told)), augmentation_sentence(run, plan), selection_sentence(run, cite)]


def augmentation_sentence(run: Recorded, plan: Plan) -> str:
    """What happened to training patches, and how often."""
    settings = AugmentSettings.model_validate(run.settings["augment"])
    radiograph = plan.modality in RADIOGRAPHS
    told = []
    axes = settings.mirrored(plan.dims)
    if axes:
        named = joined([f"{'xyz'[axis]}" for axis in axes])
        told.append(f"mirroring along {named} (probability {number(settings.flip)} an axis)")
    chances = settings.model_dump()
    for name, strength in (*_STRENGTH.items(), ("inversion", None)):
        if not chances[name] or (name in _RADIOGRAPHS_ONLY and not radiograph):
            continue
        how = strength(settings) if strength else ""
        if name == "rotation" and not how:
            how = f"up to {number(settings.degrees(radiograph))}°"
        told.append(f"{_CALLED.get(name, name)} ({', '.join(filter(None, [percent(chances[name]), how]))})")
    if not told:
        return "Training patches were not augmented."
    return f"Patches were augmented at random, each change with its own probability: {joined(told)}."


def selection_sentence(run: Recorded, cite: Citations) -> str:
    """Which weights were kept."""
    ema = run.settings["learning"]["ema"]
    mean = f"a running mean of the weights (decay {number(ema)}) {cite('averaging')}" if ema else "the weights"
    kept = f"The final model was {mean} at the epoch with the highest mean Dice coefficient on the validation cases"
    if not run.folds:
        one = run.trainings[0].summary
        return f"{kept} (epoch {one['best_epoch']} of {one['epochs']}, Dice {one['best_dice']:.3f})."
    best = [one.summary["best_dice"] for one in run.trainings]
    return (
        f"{kept.replace('final model', 'model of each fold')} (Dice {min(best):.3f} to {max(best):.3f}); the cases "
        "held out from a fold chose nothing in it."
    )


def computing_paragraph(run: Recorded, cite: Citations) -> str:
    """Machine, precision, time and software, as recorded."""
    told = [_where(run), _software(run, cite)]
    return " ".join(filter(None, told))


def _where(run: Recorded) -> str:
    summaries = [one.summary for one in run.trainings if one.summary.get("where")]
    machines = _distinct([one["machine"] for training in run.trainings for one in training.sessions])
    said = []
    if summaries:
        device, _, precision = str(summaries[0]["where"]).partition(" ")
        accelerator = summaries[0].get("accelerator")
        what = {"cuda": "a CUDA GPU", "cpu": "the CPU", "mps": "Apple's GPU"}.get(device, device)
        minutes = minutes_of(run)
        took = f"took {number(minutes)} minutes" if minutes >= 1 else f"took {number(60 * minutes)} seconds"
        each = f" for the {len(summaries)} folds together" if len(summaries) > 1 else ""
        said.append(f"Training ran on {accelerator or what} in {_precision(precision)} and {took}{each}.")
    for one in machines:
        memory = f" and {number(one['memory_gib'])} GiB of memory" if one.get("memory_gib") else ""
        said.append(
            f"The machine had {counted(one['cores'], 'core')} ({one['processor']}){memory} under {one['system']}."
        )
    return " ".join(said)


def minutes_of(run: Recorded) -> float:
    """Of preparing, learning and validating, of all folds."""
    return float(sum(sum(one.summary["minutes"].values()) for one in run.trainings if "minutes" in one.summary))


def _precision(precision: str) -> str:
    named = {"32-true": "single precision", "bf16-mixed": "mixed precision (bfloat16)"}
    return named.get(precision, {"16-mixed": "mixed precision (float16)"}.get(precision, precision))


def _software(run: Recorded, cite: Citations) -> str:
    sessions = _distinct([one["versions"] for training in run.trainings for one in training.sessions])
    if sessions:
        return " ".join(_versions(one, cite, run.plan is not None) for one in sessions)
    bundle = run.bundle
    if not bundle:
        return ""
    known = {"medseg": bundle["version"], "monai": bundle["monai_version"], "torch": bundle["pytorch_version"]}
    return _versions(known | {"numpy": bundle["numpy_version"]}, cite, True)


def _versions(found: Mapping[str, str], cite: Citations, network: bool) -> str:
    called = {"python": "Python", "torch": "PyTorch", "monai": "MONAI", "numpy": "NumPy", "scipy": "SciPy"}
    wanted = [
        "medseg",
        "python",
        *(["torch", "monai"] if network else []),
        "numpy",
        "scipy",
        "scikit-image",
        "SimpleITK",
    ]
    marks = {"torch": "pytorch", "monai": "monai", "scikit-image": "scikit_image", "SimpleITK": "simpleitk"}
    listed = [
        f"{called.get(name, name)} {found[name]}" + (f" {cite(marks[name])}" if name in marks else "")
        for name in wanted
        if name in found
    ]
    return f"Software: {joined(listed)}."


def _distinct(values: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [value for place, value in enumerate(values) if value not in values[:place]]


def _loss(loss: Mapping[str, Any], cite: Citations) -> str:
    name, keys = _LOSSES[loss["name"]]
    given = [f"{key.replace('_', ' ')} {number(loss[key])}" for key in _LOSS_NUMBERS.get(loss["name"], ())]
    weights = loss["class_weights"]
    if weights == "balanced":
        given.append("classes weighted inversely to their volume")
    elif weights:
        given.append(f"class weights {joined([number(one) for one in weights])}")
    over = {"batch": "the whole batch", "patch": "each patch"}[loss["dice_over"]]
    soft = f", Dice taken over {over}" if "dice" in loss["name"] else ""
    mark = f" {cite(*keys)}" if keys else ""
    return f"The loss was {name}{mark}" + (f" ({'; '.join(given)})" if given else "") + f"{soft}."


def _optimiser(learning: LearningSettings, cite: Citations) -> str:
    if learning.optimiser == "sgd":
        name = f"stochastic gradient descent with Nesterov momentum {number(learning.momentum)}"
    else:
        called, key = _OPTIMISERS[learning.optimiser]
        name = f"{called} {cite(key)}" if key else called
    return (
        f"It was minimised by {name} with a peak learning rate of {number(learning.peak_rate)}, a weight decay of "
        f"{number(learning.decay)} and gradients clipped to a norm of {number(learning.gradient_clip)}."
    )


def _schedule(learning: LearningSettings, cite: Citations) -> str:
    rise = f"rose over the first {percent(learning.warmup)} of the steps and then " if learning.warmup else ""
    match learning.schedule:
        case "cosine":
            return f"The learning rate {rise}fell to 0 along half a cosine {cite('cosine')}."
        case "poly":
            return f"The learning rate fell with the share of steps left to the power of {number(learning.power)}."
        case "one_cycle":
            return f"The learning rate followed one cycle {cite('one_cycle')}."
    waited = counted(learning.plateau, "validation")
    return f"The learning rate {rise}was halved after {waited} without a better validation Dice."


def _batches(run: Recorded, plan: Plan, learning: LearningSettings) -> str:
    sizes_seen = sorted({one.summary.get("batch_size", plan.batch_size) for one in run.trainings})
    size = joined([str(one) for one in sizes_seen], "or")
    unit = "voxels" if plan.dims == 3 else "pixels"
    first = f"Each step saw a batch of {size} patches of {sizes(plan.patch_size, unit)}, "
    first += f"{percent(learning.foreground)} of them centred on a labelled voxel"
    if learning.lesion_cases is not None:
        first += f" and {percent(learning.lesion_cases)} from cases with any label"
    return f"{first}."


def _budget(run: Recorded, learning: LearningSettings) -> str:
    settings, summaries = run.settings, [one.summary for one in run.trainings]
    asked = f"{number(settings['minutes'])} minutes" if settings["minutes"] else counted(settings["epochs"], "epoch")
    steps, epochs = ([one[key] for one in summaries] for key in ("steps", "epochs"))
    each = " for each fold" if run.folds else ""
    done = f"{span(min(steps), max(steps))} steps ({span(min(epochs), max(epochs))} epochs of up to "
    early = any(str(one.get("ended") or "").startswith("early") for one in summaries)
    stop = (
        f" Training ended early after {counted(learning.patience or 0, 'validation')} without a better Dice."
        if early
        else ""
    )
    return f"The budget was {asked}{each}; training took {done}{learning.steps_per_epoch} steps).{stop}"

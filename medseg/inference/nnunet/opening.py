"""Open a results folder of nnU-Net v2: read what it says, rebuild its networks, give them their weights."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from medseg.device import open_compute
from medseg.errors import ConfigError, ModelFolderError
from medseg.inference.backends.choosing import open_backend
from medseg.inference.memory import window_bytes
from medseg.inference.nnunet.architectures import unet_shape
from medseg.inference.nnunet.described import Described, read_described
from medseg.inference.nnunet.folder import Results, find_results
from medseg.inference.nnunet.normalising import rule_of
from medseg.inference.nnunet.plans import Configuration, Plans, read_plans
from medseg.inference.nnunet.preparing import Recipe
from medseg.inference.nnunet.resampling import resampling_of
from medseg.inference.nnunet.segmenter import NnUNetSegmenter, Training
from medseg.inference.nnunet.weights import Checkpoint, open_checkpoint, take_weights
from medseg.inference.settings import InferenceSettings
from medseg.networks.ensemble import Ensemble
from medseg.networks.nnunet_unet import NnUNet

__all__ = ["open_nnunet"]


def open_nnunet(path: Path, settings: InferenceSettings | None = None, *, checkpoint: str = "") -> NnUNetSegmenter:
    """Open a trainer folder of nnU-Net v2, or what `find_results` makes one of; several folds are an ensemble.

    Args:
        path: The trainer folder, a fold's folder, a checkpoint, or a folder that holds one trainer folder.
        settings: How it is to run; the speed "fast" leaves out the mirrored views that nnU-Net averages.
        checkpoint: Name of the checkpoints, where not `checkpoint_final.pth`.

    Raises:
        ModelFolderError: A file is missing or damaged, the network or a rule of the preparation is not one of ours, the
            configuration belongs to a cascade, or weights do not fit the network.
        ConfigError: The settings ask for what only our own model folders have.
    """
    chosen = settings or InferenceSettings()
    if chosen.portable:
        raise ConfigError(
            "portable", "is asked of a model of nnU-Net's", "Only a bundle of medseg's can be so: drop it."
        )
    results = find_results(path, checkpoint)
    found = [open_checkpoint(file) for file in results.checkpoints]
    _require_one_kind(found)
    where = results.folder / "plans.json"
    described, plans = read_described(results.folder), read_plans(results.folder)
    configuration = plans.configuration(found[0].configuration, where)
    training = _training(results, found, described, plans, configuration)
    network = _network(configuration, described, found, where)
    compute = open_compute(chosen.device, chosen.precision)
    backend = open_backend(
        chosen.backend,
        network.eval().to(compute.device),
        (len(described.channels), *configuration.patch_size),
        compute,
        folder=results.folder,
        digest=training.hash,
        exclusive=not described.has_regions,
    )
    mirrored = () if chosen.speed == "fast" else training.mirroring
    shape = unet_shape(configuration, len(described.channels), described.outputs, where)
    window = window_bytes(training.patch, shape.channels, shape.outputs, shape.features, shape.strides)
    return NnUNetSegmenter(
        backend, training, compute.device, mirrored, chosen.speed, window=window, max_memory=chosen.memory_limit
    )


def _training(
    results: Results,
    found: Sequence[Checkpoint],
    described: Described,
    plans: Plans,
    configuration: Configuration,
) -> Training:
    where = results.folder / "plans.json"
    images = resampling_of(configuration.resampling_fn_data, configuration.resampling_fn_data_kwargs, where)
    logits = resampling_of(
        configuration.resampling_fn_probabilities, configuration.resampling_fn_probabilities_kwargs, where
    )
    if logits.order != 1:
        mend = "medseg does not resample in that way: predict with nnUNetv2_predict."
        raise ModelFolderError(where, f"resamples logits by order {logits.order}", mend, "order 1")
    schemes, masked = configuration.normalization_schemes, configuration.use_mask_for_norm
    if not len(schemes) == len(masked) == len(described.channels):
        wanted = f"{len(described.channels)}, as in dataset.json"
        raise ModelFolderError(where, f"has rules for {len(schemes)} channel(s)", "Restore the plans.", wanted)
    rules = tuple(
        rule_of(name, own, plans.intensities.get(str(number)), where)
        for number, (name, own) in enumerate(zip(schemes, masked, strict=True))
    )
    recipe = Recipe(
        dims=configuration.dims,
        channels=described.channels,
        reader=plans.reader,
        transpose=plans.transpose_forward,
        spacing=configuration.spacing,
        rules=rules,
        resampling=images,
    )
    mirroring = found[0].mirroring
    if any(not 0 <= axis < configuration.dims for axis in mirroring):
        raise ModelFolderError(found[0].path, f"mirrors along axes {mirroring}", "Restore it.", "axes of the patch")
    return Training(
        name=results.folder.name,
        described=described,
        labels=described.label_set(results.folder / "dataset.json"),
        recipe=recipe,
        restoring=logits,
        patch=configuration.patch_size,
        mirroring=mirroring,
        configuration=found[0].configuration,
        folds=results.folds,
        checkpoint=results.checkpoints[0].name,
        hash=_joint_hash(found),
    )


def _network(configuration: Configuration, described: Described, found: Sequence[Checkpoint], where: Path) -> nn.Module:
    shape = unet_shape(configuration, len(described.channels), described.outputs, where)
    networks = []
    for checkpoint in found:
        network = NnUNet(shape)
        take_weights(network, checkpoint)
        networks.append(network)
    return networks[0] if len(networks) == 1 else Ensemble(networks)


def _require_one_kind(found: Sequence[Checkpoint]) -> None:
    for checkpoint in found:
        if checkpoint.configuration != found[0].configuration:
            mend = "Keep the folds of one training in a folder."
            raise ModelFolderError(checkpoint.path, f"is of {checkpoint.configuration}", mend, found[0].configuration)


def _joint_hash(found: Sequence[Checkpoint]) -> str:
    if len(found) == 1:
        return found[0].hash
    return hashlib.sha256("".join(checkpoint.hash for checkpoint in found).encode()).hexdigest()

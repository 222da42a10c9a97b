"""Tiny results folders in nnU-Net v2's layout, made by our own code: no nnU-Net is needed to test with them."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medseg.inference.nnunet.architectures import unet_shape
from medseg.inference.nnunet.plans import Configuration
from medseg.networks.nnunet_unet import NnUNet

TRAINER = "nnUNetTrainer__nnUNetPlans__3d_fullres"
DATASET: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "lobe": 2, "cyst": 1},
    "numTraining": 3,
    "file_ending": ".nii.gz",
}
REGIONS = DATASET | {"labels": {"background": 0, "organ": [1, 2], "cyst": 2}, "regions_class_order": [1, 2]}


def arch_kwargs(dims: int, *, residual: bool = False) -> dict[str, Any]:
    """As nnU-Net's planners write them."""
    blocks = {"n_blocks_per_stage": [1, 2, 1]} if residual else {"n_conv_per_stage": [2, 1, 1]}
    return {
        "n_stages": 3,
        "features_per_stage": [3, 4, 4],
        "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
        "kernel_sizes": [[1] + [3] * (dims - 1), [3] * dims, [3] * dims],
        "strides": [[1] * dims, [1] + [2] * (dims - 1), [2] * dims],
        **blocks,
        "n_conv_per_stage_decoder": [1, 2],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def configuration(dims: int = 3, **changes: Any) -> dict[str, Any]:
    """One configuration of a plans file; windows of 8 × 8 (× 4) voxels."""
    resampler, kwargs = "resample_data_or_seg_to_shape", {"order_z": 0, "force_separate_z": None, "is_seg": False}
    network = "ResidualEncoderUNet" if changes.pop("residual", False) else "PlainConvUNet"
    return {
        "data_identifier": "nnUNetPlans",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [4, 8, 8][-dims:],
        "spacing": [4.0, 1.2, 1.1][-dims:],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": resampler,
        "resampling_fn_data_kwargs": {**kwargs, "order": 3},
        "resampling_fn_probabilities": resampler,
        "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1},
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
            "arch_kwargs": arch_kwargs(dims, residual=network == "ResidualEncoderUNet"),
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        **changes,
    }


def plans(**changes: Any) -> dict[str, Any]:
    """A plans file with both configurations."""
    return {
        "dataset_name": "Dataset900_tiny",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "configurations": {"2d": configuration(2), "3d_fullres": configuration(3)},
        "foreground_intensity_properties_per_channel": {
            "0": {"mean": 20.0, "std": 60.0, "percentile_00_5": -90.0, "percentile_99_5": 140.0, "median": 10.0}
        },
        **changes,
    }


def nnunet_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A network's tensors under all the names that nnU-Net saves them by."""
    named: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        copies = [name]
        for part, number in ((".conv.", 0), (".norm.", 1)):
            if part in name:
                before, _, after = name.rpartition(part)
                copies.append(f"{before}.all_modules.{number}.{after}")
        named |= dict.fromkeys(copies, tensor)
        if name.startswith("encoder."):
            named |= dict.fromkeys((f"decoder.{copy}" for copy in copies), tensor)
    return named


def checkpoint(weights: dict[str, torch.Tensor], name: str = "3d_fullres", **changes: Any) -> dict[str, Any]:
    """What nnU-Net saves, NumPy's numbers in its log included."""
    return {
        "network_weights": nnunet_names(weights),
        "optimizer_state": {},
        "grad_scaler_state": None,
        "logging": {"ema_fg_dice": [np.float64(0.5), np.float32(0.25)], "lrs": [0.01]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 1,
        "init_args": {"configuration": name, "fold": 0},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2) if name.startswith("3d") else (0, 1),
        **changes,
    }


def network_of(plan: dict[str, Any], name: str, outputs: int, seed: int) -> NnUNet:
    """A network of random weights that answers with more than one class."""
    torch.manual_seed(seed)
    found = Configuration.model_validate(copy.deepcopy(plan["configurations"][name]))
    network = NnUNet(unet_shape(found, len(found.normalization_schemes), outputs, Path("plans.json"))).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


def write_results(
    folder: Path,
    *,
    dataset: dict[str, Any] = DATASET,
    plan: dict[str, Any] | None = None,
    name: str = "3d_fullres",
    folds: tuple[str, ...] = ("0",),
    file: str = "checkpoint_final.pth",
    outputs: int = 3,
    **changes: Any,
) -> list[NnUNet]:
    """A trainer folder; the networks that its folds hold."""
    plan = plans() if plan is None else plan
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "plans.json").write_text(json.dumps(plan))
    networks = [network_of(plan, name, outputs, seed) for seed, _ in enumerate(folds)]
    for fold, network in zip(folds, networks, strict=True):
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save(checkpoint(network.state_dict(), name, **changes), folder / f"fold_{fold}" / file)
    return networks

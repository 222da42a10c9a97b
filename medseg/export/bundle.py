"""A trained network as a model folder: a MONAI bundle that runs in plain MONAI, without medseg.

What `transforms/prepare.py` does is spelt here in MONAI's transforms and config expressions: RAS, normalisation,
linear resize to the same grid, sliding window, linear resize of the logits back, argmax, native orientation.
"""

import shlex
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from medseg.atomic import atomic_path, write_json, write_text
from medseg.errors import OutputError
from medseg.networks.unet import dynunet_arguments
from medseg.networks.weights import weight_bytes
from medseg.plan import Plan
from medseg.transforms.normalise import monai_transform
from medseg.transforms.splines import THICK

__all__ = ["bundle_command", "write_bundle"]

_IMPORTS = ["$import os", "$import glob", "$import numpy as np", "$import torch", "$import monai"]
_SHAPE_MM = (
    "$lambda x: tuple(max(1, round(n * s / t)) for n, s, t in zip(x.shape[1:], "
    "monai.data.utils.affine_to_spacing(x.affine, len(x.shape) - 1).tolist(), @spacing_mm))"
)
# As io/raster.py: ITU-R 601 luminance of colours; transparency has no part in it.
_GREY = (
    "$lambda d: {**d, 'native': d['native'][:1] if d['native'].shape[0] < 3 else "
    "torch.round(0.299 * d['native'][:1] + 0.587 * d['native'][1:2] + 0.114 * d['native'][2:3])}"
)
# As transforms/splines.py: along each axis the matrix of a cubic spline, linear across thick slices of either grid.
_SPLINE_IMPORTS = ["$import functools", "$from scipy.ndimage import zoom"]
_SPLINE_ORDERS = (
    "$lambda x: [1 if any(g[a] > {thick} * min(g) for g in (monai.data.utils.affine_to_spacing(x.affine, "
    "len(x.shape) - 1).tolist(), @spacing_mm)) else 3 for a in range(len(x.shape) - 1)]"
)
_SPLINE = (
    "$lambda x, shape, orders: functools.reduce(lambda v, a: torch.tensordot(v, torch.as_tensor(zoom("
    "np.eye(x.shape[a + 1]), (shape[a] / x.shape[a + 1], 1), order=orders[a], mode='nearest', grid_mode=True), "
    "dtype=v.dtype), dims=([a + 1], [1])).movedim(-1, a + 1), range(len(shape)), x).clamp("
    "x.amin(tuple(range(1, x.ndim)), keepdim=True), x.amax(tuple(range(1, x.ndim)), keepdim=True))"
)
_SHAPE_PIXELS = "$lambda x: tuple(max(1, round(n * (@longest_side / max(x.shape[1:])))) for n in x.shape[1:])"


def write_bundle(folder: Path, plan: Plan, network: nn.Module, card: Mapping[str, Any]) -> None:
    """Write the model folder.

    Args:
        folder: Where it is made: `plan.json`, `README.md`, `configs/` and `models/`.
        plan: The plan that the weights belong to.
        network: The plan's network with its weights, float32, on the CPU.
        card: What the model is, in a few JSON values: trained on, scores, seed.

    Raises:
        OutputError: Something cannot be written.
    """
    try:
        with atomic_path(folder / "models" / "model.safetensors") as unfinished:
            unfinished.write_bytes(weight_bytes(network))
        with atomic_path(folder / "models" / "model.pt") as unfinished:
            torch.save(network.state_dict(), unfinished)
    except RuntimeError as error:
        raise OutputError(folder, f"the weights cannot be written ({error})", "Free some space there.") from error
    write_json(folder / "configs" / "metadata.json", _metadata(plan, card))
    if plan.portable:
        write_json(folder / "configs" / "inference.json", _inference(plan))
    write_text(folder / "README.md", _readme(plan, card))
    # Last, because a model folder is known by its plan: what has one is whole.
    write_text(folder / "plan.json", plan.model_dump_json(indent=2) + "\n")


def bundle_command(folder: Path, image: str = "IMAGE", output: str = "OUT") -> str:
    """The call that segments in plain MONAI."""
    root = shlex.quote(str(folder))
    return (
        f"python -m monai.bundle run --config_file {shlex.quote(str(folder / 'configs' / 'inference.json'))} "
        f"--bundle_root {root} --image {image} --output_dir {output}"
    )


def _inference(plan: Plan) -> dict[str, Any]:
    labels = plan.label_set
    working_shape = _SHAPE_MM if plan.spacing_mm is not None else _SHAPE_PIXELS
    return {
        "imports": [*_IMPORTS, *(_SPLINE_IMPORTS if plan.resampling == "cubic" else [])],
        "bundle_root": ".",
        "image": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "files": "$sorted(glob.glob(os.path.join(@image, '*'))) if os.path.isdir(@image) else [@image]",
        "spacing_mm": plan.spacing_mm and list(plan.spacing_mm),
        "longest_side": plan.longest_side,
        "working_shape": working_shape,
        **(_splines(plan) if plan.resampling == "cubic" else {}),
        "normalise": [monai_transform(normalisation) for normalisation in plan.normalisation],
        "network_def": {"_target_": "DynUNet", **dynunet_arguments(plan)},
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _preprocessing(plan)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': file} for file in @files]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(plan.patch_size),
            "sw_batch_size": plan.batch_size,
            "overlap": plan.overlap,
            "mode": "gaussian",
        },
        "file_values": {
            "_target_": "MapLabelValue",
            "orig_labels": list(range(labels.classes)),
            "target_labels": list(labels.written_values),
        },
        "mask_dtype": f"$np.{labels.from_indices(np.zeros(1, np.uint8)).dtype}",
        "orientation": {"_target_": "Orientationd", "keys": "native", "axcodes": "RAS", "labels": None},
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(plan)},
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "amp": False,
        },
        "initialize": [],
        "run": ["$@evaluator.run()"],
        "finalize": [],
    }


def _preprocessing(plan: Plan) -> list[Any]:
    """`native` stays as it is after turning to RAS, for the way back; `image` becomes what the network sees."""
    normalised = "torch.cat([torch.as_tensor(t(d['native'][i : i + 1])) for i, t in enumerate(@normalise)])"
    return [
        {"_target_": "CopyItemsd", "keys": "image", "names": "native"},
        {"_target_": "LoadImaged", "keys": "native"},
        {"_target_": "EnsureChannelFirstd", "keys": "native"},
        "@orientation" if plan.dims == 3 else _GREY,
        f"$lambda d: {{**d, 'image': {normalised}}}",
        _image_resized(plan),
    ]


def _postprocessing(plan: Plan) -> list[Any]:
    back = {"_target_": "Invertd", "keys": "pred", "transform": "@orientation", "orig_keys": "native"}
    return [
        _resized(plan, "pred", "d['native'].shape[1:]"),
        "$lambda d: {**d, 'pred': monai.data.MetaTensor(@file_values(d['pred'].argmax(0, keepdim=True)), "
        "meta=d['native'].meta)}",
        *([{**back, "nearest_interp": False}] if plan.dims == 3 else []),
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_postfix": "mask",
            "output_ext": ".nii.gz" if plan.dims == 3 else ".png",
            "output_dtype": "@mask_dtype",
            "separate_folder": False,
            "resample": False,
        },
    ]


def _splines(plan: Plan) -> dict[str, str]:
    orders = "$lambda x: [3] * (len(x.shape) - 1)" if plan.spacing_mm is None else _SPLINE_ORDERS.format(thick=THICK)
    return {"spline_orders": orders, "spline": _SPLINE}


def _image_resized(plan: Plan) -> str:
    """The image on the network's grid, by splines or linearly."""
    if plan.resampling == "linear":
        return _resized(plan, "image", "@working_shape(d['native'])")
    voxels = "torch.as_tensor(d['image']).as_subclass(torch.Tensor).float()"
    resized = f"@spline({voxels}, @working_shape(d['native']), @spline_orders(d['native']))"
    return f"$lambda d: {{**d, 'image': {resized}}}"


def _resized(plan: Plan, key: str, shape: str) -> str:
    """What `transforms.prepare.resize` does, for one key of the dictionary."""
    mode = "'bilinear', antialias=True" if plan.dims == 2 else "'trilinear'"
    voxels = f"torch.as_tensor(d['{key}']).as_subclass(torch.Tensor)[None].float()"
    resized = f"torch.nn.functional.interpolate({voxels}, tuple({shape}), mode={mode})[0]"
    return f"$lambda d: {{**d, '{key}': {resized}}}"


def _metadata(plan: Plan, card: Mapping[str, Any]) -> dict[str, Any]:
    """What the bundle specification asks for, and the model's card."""
    names = dict(enumerate(("background", *plan.label_set.names)))
    size = {"num_channels": len(plan.channels), "spatial_shape": list(plan.patch_size), "dtype": "float32"}
    return {
        "version": version("medseg"),
        "changelog": {version("medseg"): "trained"},
        "monai_version": version("monai"),
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "nibabel": version("nibabel"),
            "scipy": version("scipy"),
            "pytorch-ignite": "0.5.0",
            "fire": "0.7.0",
        },
        "task": f"Segmentation of {', '.join(plan.label_set.names)}",
        "description": f"{plan.dims}D U-Net trained with medseg",
        "authors": "the user of medseg who trained it",
        "copyright": "of whoever trained it",
        "intended_use": "Research only: not a medical device.",
        "card": dict(card),
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": plan.modality or "unknown",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": dict(enumerate(plan.channels)),
                    **size,
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": names,
                    **size,
                    "num_channels": plan.label_set.classes,
                }
            },
        },
    }


def _readme(plan: Plan, card: Mapping[str, Any]) -> str:
    values = "\n".join(f"| {label.name} | {label.values[0]} |" for label in plan.label_set.labels)
    facts = "\n".join(f"- {key}: {value}" for key, value in card.items())
    if plan.portable:
        run = f"""In plain MONAI, without medseg (`pip install monai nibabel scipy fire pytorch-ignite pillow`), likewise:

    {bundle_command(Path())}

`IMAGE` is a {"NIfTI file" if plan.dims == 3 else "PNG file"} or a folder of them. The masks equal those of
`medseg predict --portable`."""
    else:
        steps = ", ".join(name for step in plan.preparation for name in step)
        lacking = f"the preparation {steps}" if steps else "spacing of a picture, or several files a case"
        run = f"This plan uses what plain MONAI lacks ({lacking}): it runs in medseg only."
    return f"""# A {plan.dims}D U-Net for {", ".join(plan.label_set.names)}

Research only: not a medical device.

{facts}

## Run it

With medseg, from this folder:

    medseg predict . IMAGES --out OUT

{run}

## Values in its masks

| label | value |
| --- | --- |
{values}
"""

"""How plain MONAI segments with a model folder: the bundle's `configs/inference.json`.

What `transforms/prepare.py` does is spelt here in MONAI's transforms and config expressions: RAS, normalisation,
resize to the same grid, sliding window, linear resize of the logits back, argmax, native orientation.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medseg.export.program import PROGRAM
from medseg.io.label_files import label_file_stems
from medseg.labels import Labels
from medseg.plan import Plan
from medseg.transforms.normalise import monai_transform
from medseg.transforms.splines import THICK

__all__ = ["bundle_command", "inference_config"]

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
_NETWORK = "$@network_def.to(@device)"
_CHECKPOINT = {
    "_target_": "CheckpointLoader",
    "load_path": "$@bundle_root + '/models/model.pt'",
    "load_dict": {"model": "@network"},
}
_PROGRAM_IMPORTS = ["$from torch.export.passes import move_to_device_pass"]
_PROGRAM_NETWORK = {
    "network_def": f"$move_to_device_pass(torch.export.load(@bundle_root + '/{PROGRAM}'), @device).module()",
    # A function, since MONAI's evaluator calls eval() on modules, which exported ones, always in eval mode, refuse.
    "network": "$lambda windows: @network_def(windows)",
}


def bundle_command(folder: Path, image: str = "IMAGE", output: str = "OUT") -> str:
    """The call that segments in plain MONAI."""
    root = shlex.quote(str(folder))
    return (
        f"python -m monai.bundle run --config_file {shlex.quote(str(folder / 'configs' / 'inference.json'))} "
        f"--bundle_root {root} --image {image} --output_dir {output}"
    )


def inference_config(plan: Plan, definition: Mapping[str, Any] | None) -> dict[str, Any]:
    """`configs/inference.json`.

    Args:
        plan: The plan of the model.
        definition: The network as MONAI's class with its arguments, whose weights are `models/model.pt`; `None` where
            it is the exported program `models/model.pt2`.
    """
    labels = plan.label_set
    working_shape = _SHAPE_MM if plan.spacing_mm is not None else _SHAPE_PIXELS
    return {
        "imports": [
            *_IMPORTS,
            *(_SPLINE_IMPORTS if plan.resampling == "cubic" else []),
            *(_PROGRAM_IMPORTS if definition is None else []),
        ],
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
        **(_PROGRAM_NETWORK if definition is None else {"network_def": definition, "network": _NETWORK}),
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
        **(_file_values(labels) if labels.exclusive else {}),
        "orientation": {"_target_": "Orientationd", "keys": "native", "axcodes": "RAS", "labels": None},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": _label_map(plan) if labels.exclusive else _label_files(plan),
        },
        "handlers": [] if definition is None else [_CHECKPOINT],
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


def _file_values(labels: Labels) -> dict[str, Any]:
    """From class indices to what masks hold."""
    return {
        "file_values": {
            "_target_": "MapLabelValue",
            "orig_labels": list(range(labels.classes)),
            "target_labels": list(labels.written_values),
        },
        "mask_dtype": f"$np.{labels.from_indices(np.zeros(1, np.uint8)).dtype}",
    }


def _label_map(plan: Plan) -> list[Any]:
    """One mask: the class of the largest logit."""
    return [
        _resized(plan, "pred", "d['native'].shape[1:]"),
        "$lambda d: {**d, 'pred': monai.data.MetaTensor(@file_values(d['pred'].argmax(0, keepdim=True)), "
        "meta=d['native'].meta)}",
        *_turned_back(plan, ["pred"]),
        _saved(plan, "pred", "mask", "@mask_dtype"),
    ]


def _label_files(plan: Plan) -> list[Any]:
    """A mask of 0 and 1 for each of the labels that may overlap."""
    stems = label_file_stems(plan.label_set.names)
    return [
        _resized(plan, "pred", "d['native'].shape[1:]"),
        "$lambda d: {**d, **{f'label_{i}': monai.data.MetaTensor((logits[None] >= 0).to(torch.uint8), "
        "meta=d['native'].meta) for i, logits in enumerate(d['pred'])}}",
        *_turned_back(plan, [f"label_{i}" for i in range(len(stems))]),
        *(_saved(plan, f"label_{i}", stem, "$np.uint8") for i, stem in enumerate(stems)),
    ]


def _turned_back(plan: Plan, keys: list[str]) -> list[Any]:
    """Volumes as they lay in their file."""
    if plan.dims == 2:
        return []
    back = {"_target_": "Invertd", "keys": keys, "transform": "@orientation", "orig_keys": ["native"] * len(keys)}
    return [{**back, "nearest_interp": False}]


def _saved(plan: Plan, key: str, postfix: str, dtype: str) -> dict[str, Any]:
    return {
        "_target_": "SaveImaged",
        "keys": key,
        "output_dir": "@output_dir",
        "output_postfix": postfix,
        "output_ext": ".nii.gz" if plan.dims == 3 else ".png",
        "output_dtype": dtype,
        "separate_folder": False,
        "resample": False,
    }


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

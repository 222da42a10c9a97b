"""A bundle as others write them, in the style of MONAI's Model Zoo, with random weights."""

import json
import warnings
from pathlib import Path

import torch
import yaml
from monai.networks.nets import UNet

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8],
    "strides": [2],
    "norm": "batch",
}
PREPARATION = [
    {"_target_": "LoadImaged", "keys": "@image_key"},
    {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
    {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [1.5, 1.5, 2.0], "mode": "bilinear"},
    {"_target_": "ScaleIntensityRanged", "keys": "@image_key", "a_min": 0, "a_max": 200, "b_min": 0, "b_max": 1},
    {"_target_": "EnsureTyped", "keys": "@image_key"},
]
INVERSE = {
    "_target_": "Invertd",
    "keys": "pred",
    "transform": "@preprocessing",
    "orig_keys": "@image_key",
    "nearest_interp": False,
    "to_tensor": True,
}
SAVER = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "resample": False}
METADATA = {
    "version": "0.1.0",
    "task": "Two things",
    "copyright": "Copyright (c) somebody",
    "eval_metrics": {"mean_dice": 0.5},
    "intended_use": "An example",
    "network_data_format": {
        "inputs": {"image": {"num_channels": 1, "spatial_shape": [16, 16, 16], "channel_def": {"0": "image"}}},
        "outputs": {"pred": {"num_channels": 3, "channel_def": {"0": "background", "1": "liver", "2": "tumour"}}},
    },
}


def zoo_bundle(folder: Path, *, program: bool = False, inverse: bool = True, **changes) -> Path:
    """Write the bundle: a YAML config, its metadata and weights, or a TorchScript `program`.

    `changes` go over the config's top-level keys.
    """
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = UNet(**{key: value for key, value in NETWORK.items() if key != "_target_"}).eval()
    saved = folder / "models" / ("model.ts" if program else "model.pt")
    if program:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated; bundles have such files all the same
            torch.jit.trace(network, torch.zeros(1, 1, 16, 16, 16)).save(saved)
    else:
        torch.save(network.state_dict(), saved)
    discrete = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
    active = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
    config = {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "image_key": "image",
        "dataset_dir": "/workspace/data/nowhere",
        "output_dir": "$@bundle_root + '/eval'",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts')" if program else NETWORK,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": PREPARATION},
        "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 4},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "sw_batch_size": 2, "overlap": 0.5},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [active, *([INVERSE] if inverse else []), discrete, SAVER],
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "amp": True,
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
        "run": [*([] if program else ["$@checkpointloader(@evaluator)"]), "$@evaluator.run()"],
    }
    (folder / "configs" / "inference.yaml").write_text(yaml.safe_dump(config | changes))
    (folder / "configs" / "metadata.json").write_text(json.dumps(METADATA))
    return folder

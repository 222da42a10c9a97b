"""Augmenting patches of 96³ voxels with labels: ours against batchgeneratorsv2 (nnU-Net's) and MONAI's dictionaries.

    python tests/benchmarks/augmentation.py --peer-path DIR --json augmentation.json

`--peer-path` names a folder into which batchgeneratorsv2 was installed (`pip install --target DIR batchgeneratorsv2`);
without it its rows are left out. All do nnU-Net's default set with the same probabilities and ranges, on one thread
each, as they do in workers. Peers are given the patch itself; ours begins with cutting what the patch needs from a
volume, which for nnU-Net is the loader's work (and there always a patch of 154³).
"""

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Work, main

PATCHES, SIZE, SEED = 40, 96, 3
GOAL = 1.0
DEFAULT, TURNED = 0.2, 1.0  # probability of a rotation, and of another size


def _volume() -> tuple[np.ndarray, np.ndarray]:
    """A smooth volume, normalised, with labels 0, 1 and 2."""
    rng = np.random.default_rng(SEED)
    coarse = rng.normal(size=(20, 20, 20)).astype(np.float32)
    voxels = np.kron(coarse, np.ones((11, 11, 11), np.float32)) + rng.normal(0, 0.1, (220, 220, 220))
    return voxels.astype(np.float32), np.digitize(voxels, [0.8, 1.6]).astype(np.uint8)


def _middle(array: np.ndarray) -> np.ndarray:
    start = (array.shape[-1] - SIZE) // 2
    return array[(..., *[slice(start, start + SIZE)] * 3)]


def ours(chance: float) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        import torch

        from medseg.training.cache import CachedCase
        from medseg.training.patches import fill_patch

        torch.set_num_threads(1)
        voxels, labels = (np.load(folder / name, mmap_mode="r") for name in ("image.npy", "label.npy"))
        case = CachedCase("one", voxels[np.newaxis], labels, (True, True), ())
        augmentation = _ours(chance)
        rng = np.random.default_rng(SEED)
        image, targets = torch.empty(1, SIZE, SIZE, SIZE), torch.empty(SIZE, SIZE, SIZE, dtype=torch.uint8)
        for _ in range(PATCHES):
            fill_patch(case, (110, 110, 110), augmentation.draw(rng), image, targets)
        return image, targets

    return run


def batchgenerators(chance: float) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(SEED)
        np.random.seed(SEED)  # noqa: NPY002  (the peer draws from it)
        image, labels = (torch.from_numpy(_middle(np.load(folder / name))[None].copy()) for name in _FILES)
        labels = labels.to(torch.int16)
        pipeline = _batchgenerators(chance)
        for _ in range(PATCHES):
            made = pipeline(image=image.clone(), segmentation=labels.clone())
        return made

    return run


def monai(chance: float) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        import torch
        from monai.data import set_track_meta

        torch.set_num_threads(1)
        set_track_meta(False)
        image, labels = (torch.from_numpy(_middle(np.load(folder / name))[None].copy()) for name in _FILES)
        pipeline = _monai(chance).set_random_state(SEED)
        for _ in range(PATCHES):
            made = pipeline({"image": image.clone(), "label": labels.clone()})
        return made

    return run


_FILES = ("image.npy", "label.npy")


def _ours(chance: float) -> Any:
    """The default set without its shifts, which no peer has, and mirrored along all axes, as theirs."""
    from medseg.training import patches  # noqa: F401  (loads all that ours needs)
    from medseg.transforms.augmentation.drawing import Augmentation
    from medseg.transforms.augmentation.settings import AugmentSettings

    settings = AugmentSettings(flip_axes="all", shift=0, rotation=chance, scaling=chance)
    return Augmentation((SIZE,) * 3, 1, (1.0,) * 3, None, False, settings)


def _batchgenerators(chance: float) -> Any:
    """What `nnUNetTrainer.get_training_transforms` makes for a patch of equal sides (nnU-Net 2.8)."""
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from batchgeneratorsv2.transforms.utils.random import RandomTransform
    from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform

    turn, blur = math.radians(30), (0.5, 1.0)
    gamma = {"gamma": BGContrast((0.7, 1.5)), "synchronize_channels": False, "p_per_channel": 1, "p_retain_stats": 1}
    factors: dict[str, Any] = {"synchronize_channels": False, "p_per_channel": 1}
    contrast = ContrastTransform(BGContrast((0.75, 1.25)), preserve_range=True, **factors)
    spatial = SpatialTransform(
        (SIZE,) * 3,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_rotation=chance,
        rotation=(-turn, turn),
        p_scaling=chance,
        scaling=(0.7, 1.4),
        p_synchronize_scaling_across_axes=1,
        border_mode_seg="constant",
        padding_value_seg=-1,
    )
    return ComposeTransforms(
        [
            spatial,
            RandomTransform(GaussianNoiseTransform((0, 0.1), 1, True), 0.1),
            RandomTransform(GaussianBlurTransform(blur, False, False, p_per_channel=0.5, benchmark=True), 0.2),
            RandomTransform(MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), **factors), 0.15),
            RandomTransform(contrast, 0.15),
            RandomTransform(SimulateLowResolutionTransform((0.5, 1), False, True, None, None, 0.5), 0.25),
            RandomTransform(GammaTransform(p_invert_image=1, **gamma), 0.1),
            RandomTransform(GammaTransform(p_invert_image=0, **gamma), 0.3),
            MirrorTransform(allowed_axes=(0, 1, 2)),
            RemoveLabelTansform(-1, 0),
        ]
    )


def _monai(chance: float) -> Any:
    """The same set; one affine transform for rotation and size, with the probability of either."""
    from monai import transforms as t

    turn, blur = math.radians(30), (0.5, 1.0)
    return t.Compose(
        [
            t.RandAffined(
                ("image", "label"),
                prob=1 - (1 - chance) ** 2,
                rotate_range=(turn,) * 3,
                scale_range=((-0.3, 0.4),) * 3,
                mode=("bilinear", "nearest"),
                padding_mode="zeros",
            ),
            t.RandGaussianNoised("image", prob=0.1, std=0.1),
            t.RandGaussianSmoothd("image", prob=0.1, sigma_x=blur, sigma_y=blur, sigma_z=blur),
            t.RandScaleIntensityd("image", prob=0.15, factors=0.25),
            t.RandScaleIntensityFixedMeand("image", prob=0.15, factors=0.25, preserve_range=True),
            t.RandSimulateLowResolutiond("image", prob=0.125, zoom_range=(0.5, 1.0)),
            t.RandAdjustContrastd("image", prob=0.1, gamma=(0.7, 1.5), invert_image=True, retain_stats=True),
            t.RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
            *[t.RandFlipd(("image", "label"), prob=0.5, spatial_axis=axis) for axis in range(3)],
        ]
    )


def prepare(folder: Path) -> None:
    for name, array in zip(_FILES, _volume(), strict=True):
        np.save(folder / name, array)


def _each(seconds: float) -> str:
    return f"{1000 * seconds / PATCHES:.1f} ms a patch"


WORKS = [
    Work(f"{what}, {PATCHES} patches", peer, ours(chance), side(chance), GOAL, _each)
    for what, chance in (("default set", DEFAULT), ("always turned and resized", TURNED))
    for peer, side in (("batchgeneratorsv2", batchgenerators), ("MONAI", monai))
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--peer-path", help="folder in which batchgeneratorsv2 is installed")
    known, rest = parser.parse_known_args()
    if known.peer_path:
        # The processes that measure inherit it. At the end, so that nothing else in that folder replaces ours.
        os.environ["MEDSEG_BENCHMARK_PEERS"] = known.peer_path
    if "MEDSEG_BENCHMARK_PEERS" in os.environ:
        sys.path.append(os.environ["MEDSEG_BENCHMARK_PEERS"])
    there = importlib.util.find_spec("batchgeneratorsv2") is not None
    if not there:
        sys.stderr.write("batchgeneratorsv2 is not installed: its rows are left out (see --peer-path)\n")
    # Loaded before anything is measured, so that the memory shown is that of the work.
    _ours(DEFAULT)
    _monai(DEFAULT)
    if there:
        _batchgenerators(DEFAULT)
    sys.argv[1:] = rest
    main([work for work in WORKS if there or work.peer == "MONAI"], prepare, __file__)

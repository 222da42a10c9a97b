"""Logits back to the image's grid, and a CT to the network's: ours against nnU-Net's and MONAI's, on the same arrays.

    python tests/benchmarks/resampling.py --peer-path DIR --json resampling.json
    python tests/benchmarks/resampling.py --peer-path DIR --agreement

`--peer-path` names a folder into which nnunetv2 was installed (`pip install --target DIR nnunetv2`). The image's
grid is that of a CT of 512×512×300 voxels of 0.8×0.8×1 mm, the network's has 1.5 mm. Both sides read their input from
disk each time; ours takes the logits slab by slab, as they leave the network. All have glibc's allocator as medseg sets
it.
`--agreement` says by how much the results differ.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Work, main

NATIVE, SPACING, TARGET, DEPTH = (512, 512, 300), (0.8, 0.8, 1.0), 1.5, 48
QUARTER = (256, 256, 300)
BACK_GOAL, CUBIC_GOAL = 0.2, 0.08
USED = (
    "medseg.device", "medseg.transforms.restoring", "medseg.transforms.slab_planes", "monai.transforms",
    "nnunetv2.preprocessing.resampling.resample_torch", "nnunetv2.preprocessing.resampling.default_resampling",
    "scipy.ndimage",
)  # fmt: skip


def _working(native: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(round(n * step / TARGET) for n, step in zip(native, SPACING, strict=True))


def _native(classes: int) -> tuple[int, ...]:
    return NATIVE if classes == 3 else QUARTER


def prepare(folder: Path) -> None:
    """Logits of smooth blobs in background with a little noise, and a CT of blobs with more; whole and in slabs."""
    import torch
    import torch.nn.functional as F

    rng = torch.Generator().manual_seed(0)
    for classes in (3, 25):
        shape = _working(_native(classes))
        coarse = 4 * torch.randn(1, classes, *(n // 24 for n in shape), generator=rng)
        coarse[:, 0] += 4
        logits = F.interpolate(coarse, shape, mode="trilinear")[0] + 0.05 * torch.randn(classes, *shape, generator=rng)
        np.save(folder / f"logits_{classes}.npy", logits.numpy())
        for start in range(0, shape[2], DEPTH):
            np.save(folder / f"slab_{classes}_{start:04}.npy", logits[..., start : start + DEPTH].contiguous().numpy())
    coarse = 400 * torch.randn(1, 1, *(n // 12 for n in NATIVE), generator=rng) - 300
    ct = F.interpolate(coarse, NATIVE, mode="trilinear")[0, 0] + 30 * torch.randn(NATIVE, generator=rng)
    np.save(folder / "ct.npy", np.asfortranarray(ct.clamp(-1024, 3071).round().numpy().astype(np.int16)))


def _same_allocator() -> None:
    from medseg.device import open_compute

    open_compute("cpu")  # sets it, which is all that is used of it


def _way(native: tuple[int, ...]) -> Any:
    from medseg.geometry import Geometry
    from medseg.transforms.prepare import Restoration

    geometry = Geometry(native, np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0]))
    box = tuple(slice(0, n) for n in native)
    return Restoration(geometry, geometry.to_canonical, box, _working(native))


def ours_back(classes: int) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        import torch

        from medseg.transforms.restoring import SlabRestorer

        _same_allocator()
        restorer = SlabRestorer(_way(_native(classes)), classes, 2, exclusive=True)
        for file in sorted(folder.glob(f"slab_{classes}_*.npy")):
            restorer.add(int(file.stem[-4:]), torch.from_numpy(np.load(file)))
        return restorer.finish()

    return run


def nnunet_back(classes: int) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        import torch
        from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet

        _same_allocator()
        logits = torch.from_numpy(np.load(folder / f"logits_{classes}.npy"))
        with torch.no_grad():
            native = resample_torch_fornnunet(
                logits, _native(classes), (TARGET,) * 3, SPACING, num_threads=torch.get_num_threads()
            )
            return native.argmax(0).numpy().astype(np.uint8)

    return run


def monai_back(classes: int) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        import torch
        from monai.data import MetaTensor
        from monai.transforms import AsDiscrete, SpatialResample

        _same_allocator()
        way = _way(_native(classes))
        turned = way.native.reoriented(way.turn)
        working = torch.tensor(turned.resized(way.working_shape).affine)
        logits = MetaTensor(torch.from_numpy(np.load(folder / f"logits_{classes}.npy")), affine=working)
        back = SpatialResample(mode="bilinear", padding_mode="border", align_corners=False, dtype=torch.float32)
        native = back(logits, dst_affine=torch.tensor(turned.affine), spatial_size=_native(classes))
        return AsDiscrete(argmax=True)(native)[0].numpy().astype(np.uint8)

    return run


def _planes(folder: Path) -> Iterator[Any]:
    from medseg.transforms.pointwise import Pointwise
    from medseg.transforms.slab_planes import SlabPlanes

    _same_allocator()
    voxels = np.load(folder / "ct.npy", mmap_mode="r")[None]
    planes = SlabPlanes(voxels, _way(NATIVE), [Pointwise()], (3, 3, 3))
    deep = planes.shape[2]
    for start in range(0, deep, DEPTH):
        yield planes.read(2, start, min(deep, start + DEPTH))


def ours_cubic(folder: Path) -> float:
    """Each run of planes is used as the window would, and let go."""
    return sum(float(planes[0, 0, 0, 0]) for planes in _planes(folder))


def nnunet_cubic(folder: Path) -> Any:
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

    _same_allocator()
    voxels = np.load(folder / "ct.npy").astype(np.float32)[None, ::-1, ::-1]  # our grid's axes run the other way
    return resample_data_or_seg_to_shape(voxels, _working(NATIVE), SPACING, (TARGET,) * 3, order=3, order_z=0)


def agreement() -> None:
    """How much the results of both sides differ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for classes in (3, 25):
            ours = _way(_native(classes)).turn.apply(ours_back(classes)(folder))
            for peer, back in (("nnU-Net", nnunet_back), ("MONAI", monai_back)):
                theirs = back(classes)(folder)
                dices = [
                    2 * np.count_nonzero((ours == label) & (theirs == label)) / max(1, both)
                    for label in range(1, classes)
                    for both in [np.count_nonzero(ours == label) + np.count_nonzero(theirs == label)]
                ]
                differ = np.count_nonzero(ours != theirs)
                sys.stdout.write(f"{classes} classes, {peer}: {differ} voxels differ, least Dice {min(dices):.6f}\n")
        cubic = np.concatenate([planes[0].numpy() for planes in _planes(folder)], 2)
        sys.stdout.write(f"cubic: {np.abs(cubic - nnunet_cubic(folder)[0]).max():.5f} HU at most\n")


WORKS = [
    *(
        Work(f"logits back, {classes} classes, {'×'.join(map(str, _native(classes)))}", peer, ours_back(classes),
             back(classes), BACK_GOAL)
        for classes in (3, 25)
        for peer, back in (("nnU-Net torch", nnunet_back), ("MONAI", monai_back))
    ),
    Work("CT to 1.5 mm, cubic", "nnU-Net default", ours_cubic, nnunet_cubic, CUBIC_GOAL),
]  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--peer-path", help="folder in which nnunetv2 is installed")
    parser.add_argument("--agreement", action="store_true", help="compare the results, nothing else")
    known, rest = parser.parse_known_args()
    if known.peer_path:
        # The processes that measure inherit it. At the end, so that nothing else in that folder replaces ours.
        os.environ["MEDSEG_BENCHMARK_PEERS"] = known.peer_path
    if "MEDSEG_BENCHMARK_PEERS" in os.environ:
        sys.path.append(os.environ["MEDSEG_BENCHMARK_PEERS"])
    if importlib.util.find_spec("nnunetv2") is None:
        sys.exit("nnunetv2 is not installed: see --peer-path")
    if known.agreement:
        agreement()
        sys.exit(0)
    for name in USED:  # before anything is measured
        importlib.import_module(name)
    sys.argv[1:] = rest
    main(WORKS, prepare, __file__)

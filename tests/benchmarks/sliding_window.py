"""The engine's window against MONAI's and against the bare forward passes: same network, windows and batches, float32.

    python tests/benchmarks/sliding_window.py --json sliding_window.json

A DynUNet of 16 to 64 features sees 64³ windows that overlap by half. The volume for time has 128³ voxels; that for
memory 128×128×640, with a network of one convolution to 5 classes, so that the window's own arrays are what is held.
Logits are taken up slab by slab by ours (which hands them on finished), as a whole by MONAI's.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from side_by_side import Work, main

PATCH, OVERLAP, BATCH = (64, 64, 64), 0.5, 1
TIMED, LONG, CLASSES = (128, 128, 128), (128, 128, 640), 5
OVERHEAD_GOAL, EQUAL = 1.05, 1.0
USED = (
    "monai.inferers", "monai.networks.nets", "medseg.device", "medseg.inference.streaming", "medseg.transforms.planes"
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Voxels of both volumes."""
    import numpy as np

    rng = np.random.default_rng(0)
    for shape in (TIMED, LONG):
        np.save(folder / f"{shape[2]}.npy", rng.standard_normal((1, *shape), dtype=np.float32))


def _voxels(folder: Path, shape: tuple[int, ...]) -> Any:
    import numpy as np
    import torch

    return torch.from_numpy(np.load(folder / f"{shape[2]}.npy"))


def _network(shape: tuple[int, ...]) -> Any:
    import torch

    from medseg.device import open_compute

    open_compute("cpu", "fp32")  # the allocator is the same for all
    torch.manual_seed(0)
    if shape == LONG:
        return torch.nn.Conv3d(1, CLASSES, 1).eval()
    from monai.networks.nets import DynUNet

    kernels, strides = [3, 3, 3], [1, 2, 2]
    network: Any = DynUNet(3, 1, 3, kernels, strides, strides[1:], filters=[16, 32, 64])
    return network.eval()


def _slabs(folder: Path, shape: tuple[int, ...]) -> Iterator[Any]:
    from medseg.inference.streaming import monai_tiling, stream_logits, streaming_axis
    from medseg.transforms.planes import WholePlanes
    from medseg.transforms.prepare import Prepared, Restoration

    voxels: Any = _voxels(folder, shape)
    restoration: Any = Restoration.__new__(Restoration)  # the window asks the planes for nothing but voxels
    planes = WholePlanes(Prepared(voxels, restoration))
    tiling = monai_tiling(shape, PATCH, OVERLAP, BATCH)
    return stream_logits(_network(shape), planes, tiling, streaming_axis(shape, PATCH))


def ours(shape: tuple[int, ...]) -> Any:
    """Slabs, each let go when the next comes."""

    def run(folder: Path) -> float:
        return sum(float(slab.logits.amax()) for slab in _slabs(folder, shape))

    return run


def theirs(shape: tuple[int, ...]) -> Any:
    """MONAI's logits of the whole volume."""

    def run(folder: Path) -> Any:
        import torch
        from monai.inferers import sliding_window_inference

        with torch.inference_mode():
            return sliding_window_inference(
                _voxels(folder, shape)[None], PATCH, BATCH, _network(shape), overlap=OVERLAP, mode="gaussian"
            )

    return run


def forward(folder: Path) -> None:
    """The network alone, on as many windows."""
    import torch

    from medseg.inference.streaming import monai_tiling

    network, windows = _network(TIMED), _voxels(folder, TIMED)[None, :, :64, :64, :64].contiguous()
    with torch.inference_mode():
        for _ in monai_tiling(TIMED, PATCH, OVERLAP, BATCH).places(0):
            network(windows)


def differ() -> None:
    """Write the largest difference of logits."""
    import tempfile

    import torch

    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        slabs = list(_slabs(Path(name), TIMED))
        whole = theirs(TIMED)(Path(name))[0]
        found = torch.cat([slab.logits for slab in slabs], 1 + slabs[0].axis)
        sys.stdout.write(f"largest difference of logits: {float((found - whole).abs().max()):.2e}\n")


WORKS = [
    Work("windows of a U-Net", "bare forward passes", ours(TIMED), forward, OVERHEAD_GOAL),
    Work("windows of a U-Net", "MONAI", ours(TIMED), theirs(TIMED), EQUAL),
    Work("windows of one convolution, 640 planes", "MONAI", ours(LONG), theirs(LONG), EQUAL),
]

if __name__ == "__main__":
    if sys.argv[1:] == ["--differ"]:
        differ()
    else:
        for module in USED:  # before anything is measured
            importlib.import_module(module)
        main(WORKS, prepare, __file__)

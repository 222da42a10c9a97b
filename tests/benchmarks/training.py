"""A step of training: ours against nnU-Net's with the same topology, patch and batch; and what the loop waits for.

    python tests/benchmarks/training.py --peer-path DIR --json training.json
    python tests/benchmarks/training.py --loader DATASET

`--peer-path` names a folder into which nnunetv2 was installed (`pip install --target DIR nnunetv2`). Network (features
32 to 256, deep supervision), patch, batch and loss are those of nnU-Net's plan for the hippocampus; its step is that of
its trainer on a CPU: float32, SGD with Nesterov's momentum, gradients clipped at 12. Ours is that of a training as
shipped: precision and allocator by themselves, AdamW, the running mean of the weights. Both allocators are measured for
the peer. `--loader` trains a few steps on the hippocampus data set and says which share of the time steps waited.
"""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side import Work, main

STEPS, BATCH, PATCH, CLASSES = 2, 7, (40, 56, 40), 3
FEATURES, LEVELS = (32, 64, 128, 256), 4
AS_SHIPPED, SAME_ALLOCATOR = 1 / 2.5, 1 / 1.5
CONFIG = Path(__file__).parents[2] / "configs" / "hippocampus.yaml"


def _batch() -> tuple[Any, Any]:
    """Noise with labels of blocks, float32 (B, 1, *patch) and uint8 (B, *patch)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, CLASSES, (BATCH, *(n // 8 for n in PATCH)), generator=generator, dtype=torch.uint8)
    targets = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return torch.randn(BATCH, 1, *PATCH, generator=generator) + targets[:, None], targets


def ours(_folder: Path) -> Any:
    import torch

    from medseg.networks.building import build_network
    from medseg.plan import NetworkPlan, Normalisation, Plan
    from medseg.training.batch import Batch
    from medseg.training.fabric import open_fabric
    from medseg.training.learner import Learner
    from medseg.training.settings import TrainSettings

    network = NetworkPlan(
        features=FEATURES, kernels=((3, 3, 3),) * LEVELS, strides=((1, 1, 1), *((2, 2, 2),) * (LEVELS - 1))
    )
    plan = Plan(
        dims=3, channels=("t1",), modality="MR", labels={"anterior": 1, "posterior": 2}, spacing_mm=(1.0, 1.0, 1.0),
        normalisation=(Normalisation(method="zscore"),), patch_size=PATCH, batch_size=BATCH, network=network,
    )  # fmt: skip
    fabric = open_fabric("cpu")
    learner = Learner.create(build_network(plan), plan, TrainSettings(dataset=Path(), epochs=1), fabric)
    learner.progress.total_steps = 1000
    images, targets = _batch()
    batch = Batch(images, targets, torch.ones(BATCH, CLASSES - 1, dtype=torch.bool))
    return [learner.step(batch) for _ in range(STEPS)]


def nnunet(same_allocator: bool) -> Callable[[Path], Any]:
    def run(_folder: Path) -> Any:
        import torch
        from dynamic_network_architectures.architectures.unet import PlainConvUNet
        from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
        from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
        from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
        from torch import nn

        if same_allocator:
            from medseg.training.fabric import open_fabric

            open_fabric("cpu")  # sets glibc's allocator, which is all that is used of it
        strides = [[1] * 3, *[[2] * 3] * (LEVELS - 1)]
        network = PlainConvUNet(
            1, LEVELS, FEATURES, nn.Conv3d, [[3] * 3] * LEVELS, strides, [2] * LEVELS, CLASSES, [2] * (LEVELS - 1),
            conv_bias=True, norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
        )  # fmt: skip
        dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
        single = DC_and_CE_loss(dice, {}, weight_ce=1, weight_dice=1, dice_class=MemoryEfficientSoftDiceLoss)
        loss = DeepSupervisionWrapper(single, [2 / 3, 1 / 3, 0])
        sgd = torch.optim.SGD(network.parameters(), 1e-2, momentum=0.99, nesterov=True, weight_decay=3e-5)
        images, targets = _batch()
        levels = [targets[:, None, ::step, ::step, ::step].float() for step in (1, 2, 4)]
        values = []
        for _ in range(STEPS):
            sgd.zero_grad(set_to_none=True)
            value = loss(network(images), levels)
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
            sgd.step()
            values.append(value.detach().cpu().numpy())
        return values

    return run


def loader_share(dataset: Path) -> float:
    """Share of the time of learning that steps waited for batches, in a short training with everything as shipped."""
    from medseg.workflow import train

    with tempfile.TemporaryDirectory() as folder:
        words = ["learning.steps_per_epoch=20", "learning.validations=1", "log.samples=0"]
        trained = train(CONFIG, *words, dataset=dataset, minutes=None, epochs=1, out=Path(folder) / "run")
        minutes = json.loads((trained.run / "summary.json").read_text())["minutes"]
    return minutes["waiting_for_batches"] / (minutes["waiting_for_batches"] + minutes["learning"])


def _rate(seconds: float) -> str:
    return f"{STEPS * BATCH / seconds:.2f} patches/s"


def _nothing(_folder: Path) -> None:
    """All is made from noise."""


WORKS = [
    Work(f"{STEPS} steps, nnU-Net as shipped", "nnU-Net", ours, nnunet(False), AS_SHIPPED, _rate),
    Work(f"{STEPS} steps, same allocator", "nnU-Net", ours, nnunet(True), SAME_ALLOCATOR, _rate),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--peer-path", help="folder in which nnunetv2 is installed")
    parser.add_argument("--loader", type=Path, help="the hippocampus data set: measure what steps wait, nothing else")
    known, rest = parser.parse_known_args()
    if known.loader:
        share = loader_share(known.loader)
        sys.stdout.write(f"steps waited {100 * share:.1f}% of their time for batches (goal: below 10%)\n")
        sys.exit(0)
    if known.peer_path:
        # The processes that measure inherit it. At the end, so that nothing else in that folder replaces ours.
        os.environ["MEDSEG_BENCHMARK_PEERS"] = known.peer_path
    if "MEDSEG_BENCHMARK_PEERS" in os.environ:
        sys.path.append(os.environ["MEDSEG_BENCHMARK_PEERS"])
    if importlib.util.find_spec("dynamic_network_architectures") is None:
        sys.exit("nnunetv2 is not installed: see --peer-path")
    sys.argv[1:] = rest
    main(WORKS, _nothing, __file__)

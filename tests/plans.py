"""Small plans for tests that need no training."""

from pathlib import Path

import torch

from medseg.export.bundle import write_bundle
from medseg.networks.building import build_network
from medseg.plan import NetworkPlan, Normalisation, Plan

LEVELS_3D = NetworkPlan(features=(4, 8, 8), kernels=((3, 3, 3),) * 3, strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)))
LEVELS_2D = NetworkPlan(features=(4, 8, 8), kernels=((3, 3),) * 3, strides=((1, 1), (2, 2), (2, 2)))


def plan_3d(**changes) -> Plan:
    values = {
        "dims": 3,
        "channels": ("t1",),
        "modality": "MR",
        "labels": {"a": 1, "b": 2},
        "spacing_mm": (1.0, 1.0, 1.0),
        "normalisation": (Normalisation(method="zscore"),),
        "patch_size": (16, 16, 16),
        "batch_size": 2,
        "network": LEVELS_3D,
    }
    return Plan(**values | changes)


def plan_2d(**changes) -> Plan:
    values = {
        "dims": 2,
        "channels": ("image",),
        "modality": "DX",
        "labels": {"lung": 255, "ignore": 127},
        "spacing_mm": None,
        "longest_side": 48,
        "normalisation": (Normalisation(method="percentile", lower=1, upper=99),),
        "patch_size": (32, 32),
        "batch_size": 2,
        "network": LEVELS_2D,
    }
    return Plan(**values | changes)


def untrained_model(folder: Path, plan: Plan) -> Path:
    """A model folder with random weights: its masks are noise, the hardest thing to agree on."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(plan)
    write_bundle(folder, plan, network, {"name": "untrained"})
    return folder

"""The networks, in a dict of functions from a plan to a module."""

from collections.abc import Callable

from torch import nn

from medseg.networks.unet import dynunet
from medseg.plan import Plan

__all__ = ["NETWORKS", "build_network"]

NETWORKS: dict[str, Callable[[Plan], nn.Module]] = {"dynunet": dynunet}


def build_network(plan: Plan) -> nn.Module:
    """The plan's network with fresh weights: (B, C, *patch) to logits (B, classes, *patch)."""
    return NETWORKS[plan.network.name](plan)

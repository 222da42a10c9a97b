"""The networks, in a dict of functions from a plan to a module."""

import difflib
from collections.abc import Callable
from typing import Any

from torch import nn

from medseg.errors import ConfigError
from medseg.networks.ensemble import Ensemble
from medseg.networks.flexible import flexible, flexible_arguments, is_plain_monai
from medseg.networks.own import own_network
from medseg.networks.residual import residual_unet
from medseg.networks.segresnet import segresnet, segresnet_arguments
from medseg.networks.unet import dynunet, dynunet_arguments
from medseg.plan import Plan
from medseg.trust import is_own

__all__ = ["NETWORKS", "build_network", "monai_definition"]

NETWORKS: dict[str, Callable[[Plan], nn.Module]] = {
    "dynunet": dynunet,
    "resenc": residual_unet,
    "segresnet": segresnet,
    "flexible": flexible,
}


def build_network(plan: Plan) -> nn.Module:
    """The plan's network with fresh weights: (B, C, *patch) to logits (B, outputs, *patch).

    Raises:
        ConfigError: There is no such network, or the plan does not fit it.
    """
    factory = _factory(plan.network.name)
    if plan.members == 1:
        return factory(plan)
    return Ensemble(factory(plan) for _ in range(plan.members))


def monai_definition(plan: Plan) -> dict[str, Any] | None:
    """The network as a bundle's config names it; `None` where it is not one of MONAI's own classes."""
    if plan.members > 1:
        return None
    match plan.network.name:
        case "dynunet":
            return {"_target_": "DynUNet", **dynunet_arguments(plan)}
        case "segresnet":
            return {"_target_": "SegResNet", **segresnet_arguments(plan)}
        case "flexible" if is_plain_monai(plan):
            return {"_target_": "FlexibleUNet", **flexible_arguments(plan)}
    return None


def _factory(name: str) -> Callable[[Plan], nn.Module]:
    if is_own(name):
        return own_network
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, 1)
        mend = f"Did you mean {near[0]}?" if near else "Choose one of these, or your own package.module:factory."
        raise ConfigError("plan.network.name", f"there is no network {name!r}", mend, ", ".join(NETWORKS))
    return NETWORKS[name]

"""The plan's norm and activation in MONAI's words, and what a patch has to be divisible by."""

import math
from collections.abc import Sequence
from typing import Any

from medseg.errors import ConfigError
from medseg.plan import Plan

__all__ = ["activation", "norm", "require_divisible", "require_options"]

_GROUPS = 8  # at most
_ACTIVATIONS: dict[str, dict[str, Any]] = {
    "leakyrelu": {"inplace": True, "negative_slope": 0.01},
    "relu": {"inplace": True},
    "gelu": {},
    "swish": {},
}


def norm(plan: Plan, widths: Sequence[int]) -> list[Any]:
    """MONAI's name and arguments of the plan's normalisation layer, for layers with multiples of these widths."""
    if plan.network.norm == "group":
        return ["GROUP", {"num_groups": math.gcd(_GROUPS, *widths)}]
    return [plan.network.norm.upper(), {"affine": True}]


def activation(plan: Plan) -> list[Any]:
    """MONAI's name and arguments of the plan's activation."""
    return [plan.network.activation, dict(_ACTIVATIONS[plan.network.activation])]


def require_divisible(plan: Plan) -> None:
    """Refuse a patch that the network's levels would not halve evenly.

    Raises:
        ConfigError: It is not a multiple of `plan.network.factors`; the next one that is, is named.
    """
    patch, factors = plan.patch_size, plan.network.factors
    fitting = [math.ceil(size / factor) * factor for size, factor in zip(patch, factors, strict=True)]
    if list(patch) != fitting:
        found = f"{list(patch)} does not fit the levels of {plan.network.name}"
        mend = f"Set plan.patch_size={fitting}, or fewer levels (features, kernels, strides)."
        raise ConfigError("plan.patch_size", found, mend, f"multiples of {list(factors)}")


def require_options(plan: Plan, known: Sequence[str] = ()) -> None:
    """Refuse options that a network does not take.

    Raises:
        ConfigError: One is not among those known.
    """
    for key in plan.network.options:
        if key not in known:
            expected = " or ".join(known) if known else "no options"
            mend = "Remove it, or choose another network."
            raise ConfigError(f"plan.network.options.{key}", f"{plan.network.name} has no such option", mend, expected)

"""A network of the user's own: `package.module:factory`, called with the plan."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from medseg.errors import ConfigError
from medseg.plan import Plan

__all__ = ["find_factory", "own_network"]

_WHERE = "plan.network.name"


def find_factory(name: str) -> Callable[[Plan], Any] | None:
    """The factory `package.module:factory`; `None` where the module cannot be found here.

    The module runs when it is imported: whoever names it must be trusted (`medseg.trust`).

    Raises:
        ConfigError: The module fails when it is imported, or has no such function.
    """
    module_name, _, factory_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            return None
        raise ConfigError(_WHERE, f"{module_name} cannot be imported ({error})", "Install what it needs.") from error
    except Exception as error:  # whatever a module of anybody's can raise
        mend = "Write it as package.module:factory, and mend the module where it fails."
        raise ConfigError(_WHERE, f"{module_name} cannot be imported ({_told(error)})", mend) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise ConfigError(_WHERE, f"{module_name} has no function {factory_name!r}", "Name one that takes the plan.")
    return factory


def own_network(plan: Plan) -> nn.Module:
    """The network that the user's factory makes, tried on one patch.

    Raises:
        ConfigError: The factory cannot be imported or fails, or what it makes does not answer with the plan's logits.
    """
    name = plan.network.name
    factory = find_factory(name)
    if factory is None:
        mend = "Install its package, or put its folder on PYTHONPATH."
        raise ConfigError(_WHERE, f"{name.partition(':')[0]} cannot be found", mend)
    try:
        network = factory(plan)
    except Exception as error:  # whatever a function of anybody's can raise
        mend = "Mend the factory; it is called with the plan alone, and --debug shows where it failed."
        raise ConfigError(_WHERE, f"{name} fails ({_told(error)})", mend) from error
    if not isinstance(network, nn.Module):
        raise ConfigError(_WHERE, f"{name} gives a {type(network).__name__}", "Return a torch.nn.Module.")
    _try(network, plan)
    return network


def _try(network: nn.Module, plan: Plan) -> None:
    learns = network.training
    expected = (1, plan.outputs, *plan.patch_size)
    try:
        with torch.inference_mode():
            logits = network.eval()(torch.zeros(1, len(plan.channels), *plan.patch_size))
    except Exception as error:  # whatever a forward of anybody's can raise
        found = f"{plan.network.name} fails on a patch {list(plan.patch_size)} ({_told(error)})"
        mend = "It is given images (B, channels, *patch) of this plan; mend it or plan.patch_size."
        raise ConfigError(_WHERE, found, mend) from error
    finally:
        network.train(learns)
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != expected:
        found = str(tuple(logits.shape)) if isinstance(logits, torch.Tensor) else type(logits).__name__
        mend = "Return the logits of every voxel: one tensor (B, plan.outputs, *patch)."
        raise ConfigError(_WHERE, f"{plan.network.name} answers a patch with {found}", mend, str(expected))


def _told(error: Exception) -> str:
    """The kind of an error and the first line of its message, which may be empty."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])

"""A network of the user's own: `package.module:factory`, called with the plan."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from medseg.errors import ConfigError
from medseg.plan import Plan

__all__ = ["find_factory", "is_own", "own_network"]

_WHERE = "plan.network.name"


def is_own(name: str) -> bool:
    """Whether a network's name is that of a factory of the user's."""
    return ":" in name


def find_factory(name: str) -> Callable[[Plan], Any] | None:
    """The factory `package.module:factory`; `None` where the module cannot be found here.

    Raises:
        ConfigError: The module is there and has no such function.
    """
    module_name, _, factory_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            return None
        raise ConfigError(_WHERE, f"{module_name} cannot be imported ({error})", "Install what it needs.") from error
    except (ImportError, ValueError) as error:
        mend = "Write it as package.module:factory."
        raise ConfigError(_WHERE, f"{module_name} cannot be imported ({error})", mend) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise ConfigError(_WHERE, f"{module_name} has no function {factory_name!r}", "Name one that takes the plan.")
    return factory


def own_network(plan: Plan) -> nn.Module:
    """The network that the user's factory makes, tried on one patch.

    Raises:
        ConfigError: The factory cannot be imported, or what it makes does not answer with the plan's logits.
    """
    name = plan.network.name
    factory = find_factory(name)
    if factory is None:
        mend = "Install its package, or put its folder on PYTHONPATH."
        raise ConfigError(_WHERE, f"{name.partition(':')[0]} cannot be found", mend)
    network = factory(plan)
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
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        found = f"{plan.network.name} fails on a patch {list(plan.patch_size)} ({str(error).splitlines()[0]})"
        mend = "It is given images (B, channels, *patch) of this plan; mend it or plan.patch_size."
        raise ConfigError(_WHERE, found, mend) from error
    finally:
        network.train(learns)
    if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != expected:
        found = str(tuple(logits.shape)) if isinstance(logits, torch.Tensor) else type(logits).__name__
        mend = "Return the logits of every voxel: one tensor (B, plan.outputs, *patch)."
        raise ConfigError(_WHERE, f"{plan.network.name} answers a patch with {found}", mend, str(expected))

"""Whose code may run: a plan can name a factory, `package.module:factory`, which is code and no data."""

from pathlib import Path

from medseg.errors import ConfigError, ModelFolderError

__all__ = ["is_own", "require_named", "require_trust"]


def is_own(name: str) -> bool:
    """Whether a network's name is that of somebody's own factory, and none of medseg's networks."""
    return ":" in name


def require_trust(folder: Path, network: str, trusted: bool) -> None:
    """Refuse a folder whose network is somebody's code, unless who made it is trusted.

    Ask before anything of that code is looked for: Python runs a module when it imports it.

    Args:
        folder: The model folder, for the message.
        network: The name in its plan.
        trusted: The user's word.

    Raises:
        ModelFolderError: It is not trusted.
    """
    if trusted or not is_own(network):
        return
    found = f"its network {network} is code, which opening the folder runs (that module, or its exported program)"
    raise ModelFolderError(folder, found, "Where you trust who made it, say so: trusted=True, --trusted as a command.")


def require_named(plan: Path, network: str, named: str | None) -> None:
    """Refuse a plan from a file whose network is code, unless the user's config names the same.

    Args:
        plan: The file, for the message.
        network: The name in it.
        named: The name in the config, if there is one.

    Raises:
        ConfigError: The config names another, or none.
    """
    if not is_own(network) or network == named:
        return
    mend = f"Where you trust who made that plan, say so in the config: plan.network.name={network}."
    raise ConfigError(plan, f"its network {network} is code that the config does not name", mend)

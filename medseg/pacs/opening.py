"""Opens a node in the way that it is reached; what that needs is loaded now."""

import time
from importlib.util import find_spec
from typing import Literal

from medseg.errors import ConfigError, MissingExtraError
from medseg.pacs.archive import Archive, Wait
from medseg.pacs.credentials import MEND_EXTRA
from medseg.pacs.nodes import Node

__all__ = ["Way", "open_archive", "require_extra"]

Way = Literal["web", "dimse"]


def require_extra(package: str, where: str) -> None:
    """Refuse to begin where a package of the extra is not there.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec(package) is None:
        raise MissingExtraError(where, f"{package} is not installed", MEND_EXTRA)


def open_archive(node: Node, way: Way | None = None, wait: Wait = time.sleep) -> Archive:
    """The archive of a node; by DICOMweb where it has it and nothing else is said.

    Raises:
        ConfigError: It is not reached in that way.
        MissingExtraError: The extra `pacs` is not installed.
    """
    chosen = way or ("web" if node.web is not None else "dimse")
    if getattr(node, chosen) is None:
        raise ConfigError(f"node {node.name}", f"has no `{chosen}`", "Add it to the file of nodes.")
    try:
        if chosen == "web":
            from medseg.pacs.web import WebArchive

            return WebArchive(node, wait)
        from medseg.pacs.dimse import DimseArchive

        return DimseArchive(node, wait)
    except ImportError as error:
        raise MissingExtraError(f"node {node.name}", f"{error.name} is not installed", MEND_EXTRA) from error

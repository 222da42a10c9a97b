"""The families of columns of the region table, and which of them it has by default."""

from collections.abc import Sequence

from medseg.errors import InputError
from medseg.regions import extent, intensity, place, size
from medseg.regions.measured import Family
from medseg.regions.schema import WHAT, Column

__all__ = ["DEFAULT_FAMILIES", "FAMILIES", "region_columns"]

FAMILIES: dict[str, Family] = {
    "size": Family(size.columns, size.measure),
    "diameters": Family(extent.columns, extent.measure),
    "place": Family(place.columns, place.measure),
    "intensity": Family(intensity.columns, intensity.measure),
}
DEFAULT_FAMILIES = ("size", "diameters", "place", "intensity")


def region_columns(channels: Sequence[str] = (), families: Sequence[str] = DEFAULT_FAMILIES) -> tuple[Column, ...]:
    """Every column of the region table, in order.

    Args:
        channels: Names of the image's channels.
        families: Which families the table has, in which order.

    Raises:
        InputError: There is no such family.
    """
    unknown = sorted(set(families) - set(FAMILIES))
    if unknown:
        known = ", ".join(FAMILIES)
        raise InputError("families", f"{', '.join(unknown)}", f"Choose among {known}.", known)
    return (*WHAT, *(column for name in families for column in FAMILIES[name].columns(channels)))

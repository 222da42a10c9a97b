"""The families of columns of the region table, and which of them it has by default."""

from collections.abc import Sequence
from typing import Any

from medseg.errors import InputError
from medseg.image import Image
from medseg.regions import confidence, extent, intensity, organs, pet, place, shape, side, size, texture
from medseg.regions.measured import Family
from medseg.regions.schema import WHAT, Column

__all__ = ["DEFAULT_FAMILIES", "FAMILIES", "OPTIONAL_FAMILIES", "families_for", "family_of", "region_columns"]

FAMILIES: dict[str, Family] = {
    "size": Family(size.columns, size.measure),
    "diameters": Family(extent.columns, extent.measure),
    "shape": Family(shape.columns, shape.measure),
    "place": Family(place.columns, place.measure),
    "intensity": Family(intensity.columns, intensity.measure),
    "pet": Family(pet.columns, pet.measure),
    "texture": Family(texture.columns, texture.measure),
    "confidence": Family(confidence.columns, confidence.measure),
    "organ": Family(organs.columns, organs.measure),
    "side": Family(side.columns, side.measure),
}
DEFAULT_FAMILIES = ("size", "diameters", "shape", "place", "intensity")
OPTIONAL_FAMILIES = ("pet", "confidence", "organ")  # come with the default ones where the inputs allow it


def region_columns(
    channels: Sequence[str] = (), families: Sequence[str | Family] = DEFAULT_FAMILIES
) -> tuple[Column, ...]:
    """Every column of the region table, in order.

    Args:
        channels: Names of the image's channels.
        families: Which families the table has, in which order: by name, or one that was made (`pet.pet_family`).

    Raises:
        InputError: There is no such family.
    """
    found = (*WHAT, *(column for one in families for column in family_of(one).columns(channels)))
    return tuple({column.name: column for column in found}.values())


def family_of(one: str | Family) -> Family:
    """A family by its name.

    Raises:
        InputError: There is no such family.
    """
    if isinstance(one, Family):
        return one
    if one not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise InputError("families", one, f"Choose among {known}.", known)
    return FAMILIES[one]


def families_for(
    images: Sequence[Image], wanted: Sequence[str | Family] | None = None, probabilities: Any = None, organs: Any = None
) -> tuple[str | Family, ...]:
    """The families of a table.

    Args:
        images: The image, and channels on grids of their own.
        wanted: Families in their order, "default" among them or nothing for those of `DEFAULT_FAMILIES` and whichever
            of pet, confidence and organ the other arguments allow.
        probabilities: Of the labels, where they are known.
        organs: A label map of organs, where there is one.
    """
    more = {
        "pet": any(pet.is_pet(image) for image in images),
        "confidence": probabilities is not None,
        "organ": organs is not None,
    }
    default = (*DEFAULT_FAMILIES, *(name for name, fits in more.items() if fits))
    parts = [default if one == "default" else (one,) for one in (wanted or ("default",))]
    return tuple(dict.fromkeys(family for part in parts for family in part))

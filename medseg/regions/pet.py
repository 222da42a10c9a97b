"""PET of a region: standardised uptake values, metabolic tumour volumes and total lesion glycolysis.

The first channel of an image that is in SUV is measured. Reading turns a DICOM PET into SUV (`ReadOptions.pet`); of
other files the unit has to be said, since they do not say it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from medseg.errors import InputError
from medseg.image import Image
from medseg.regions.measured import Family, Measured
from medseg.regions.peak import PEAK_RADIUS_MM, sphere_peak
from medseg.regions.schema import IBSI, Column
from medseg.regions.size import MM3_PER_ML

__all__ = ["FIXED", "columns", "is_pet", "measure", "pet_family"]

FIXED = (2.5, 4.0)
_SHARE = 0.41
_EANM = "EANM guideline (Boellaard 2015, doi:10.1007/s00259-014-2961-x)"
_PERCIST = "PERCIST (Wahl 2009, doi:10.2967/jnumed.108.057307)"


def is_pet(image: Image) -> bool:
    """Whether an image has a channel of PET or in SUV."""
    return any(_in_suv(image, n) or _said(image, "modality", n) == "PT" for n in range(image.channels))


def pet_family(fixed: Sequence[float]) -> Family:
    """The family with other fixed thresholds than SUV 2.5 and 4.0.

    Raises:
        InputError: A threshold is not above 0, or one is given twice.
    """
    if not all(0 < one < np.inf for one in fixed) or len(set(fixed)) < len(fixed):
        raise InputError("fixed", f"{list(fixed)}", "Give thresholds in SUV, each once.", "numbers above 0")
    return Family(partial(columns, fixed=tuple(fixed)), partial(measure, fixed=tuple(fixed)))


def columns(channels: Sequence[str] = (), fixed: Sequence[float] = FIXED) -> tuple[Column, ...]:
    """Columns of PET; one set, of the first channel in SUV."""
    peak = (
        f"Highest mean over a sphere of 1 ml (radius {PEAK_RADIUS_MM:.3g} mm) centred on a voxel of the region; voxels "
        "outside the region count"
    )
    share = f"{_SHARE:.0%} of suv_max"
    return (
        Column("suv_max", "SUV", "float64", "Largest SUV of the region's finite voxels.", _EANM),
        Column("suv_mean", "SUV", "float64", "Mean SUV of the region's finite voxels.", _EANM),
        Column("suv_peak", "SUV", "float64", f"{peak}; empty in 2D.", f"{_PERCIST}; {IBSI} 0F91"),
        Column("tlg", "SUV·ml", "float64", "Total lesion glycolysis: suv_mean times the volume.", _EANM),
        *(column for one in fixed for column in _volume(_named(one), f"an SUV of {one:g}")),
        *_volume("41pct", share),
        Column("suv_unit", "", "str", "What the channel is in: SUVbw (body weight), SUVlbm, SUVbsa, SUVibw, Bq/ml ..."),
        Column("suv_note", "", "str", "Why PET columns are empty; empty where they are filled."),
    )


def measure(found: Measured, fixed: Sequence[float] = FIXED) -> dict[str, Any]:
    """Their values; nothing where no channel is PET."""
    image = found.image
    pets = [n for n in range(image.channels) if _in_suv(image, n) or _said(image, "modality", n) == "PT"]
    if not pets:
        return {}
    channel = next((n for n in pets if _in_suv(image, n)), pets[0])
    row: dict[str, Any] = {"suv_unit": _said(image, "unit", channel), "suv_note": ""}
    if not _in_suv(image, channel):
        return row | {"suv_note": f"the unit is {row['suv_unit'] or 'unknown'} and not SUV"}
    values = found.values(channel)
    if not values.size:
        return row | {"suv_note": "no finite voxel in the region"}
    row |= {"suv_max": float(values.max()), "suv_mean": float(values.mean(dtype=np.float64))}
    if found.whole.ndim == 2 or not found.whole.spacing_known:
        return row | {"suv_note": "no volume in ml: suv_max and suv_mean alone"}
    row["suv_peak"] = sphere_peak(image.voxels[channel], found.mask, found.region.start, found.whole)
    return row | _volumes(values, row["suv_max"], found.whole.voxel_size / MM3_PER_ML, fixed)


def _volumes(values: np.ndarray, highest: float, voxel_ml: float, fixed: Sequence[float]) -> dict[str, float]:
    row = {"tlg": float(values.sum(dtype=np.float64)) * voxel_ml}
    thresholds = {_named(one): one for one in fixed}
    if highest > 0:
        thresholds["41pct"] = _SHARE * highest
    for name, threshold in thresholds.items():
        inside = values >= threshold
        row[f"mtv_{name}_ml"] = int(np.count_nonzero(inside)) * voxel_ml
        row[f"tlg_{name}"] = float(np.sum(values, dtype=np.float64, where=inside)) * voxel_ml
    return row


def _volume(name: str, at: str) -> tuple[Column, Column]:
    return (
        Column(f"mtv_{name}_ml", "ml", "float64", f"Metabolic tumour volume: of the region, at or above {at}.", _EANM),
        Column(f"tlg_{name}", "SUV·ml", "float64", f"Mean SUV of that volume times the volume ({at}).", _EANM),
    )


def _named(threshold: float) -> str:
    return f"suv{float(threshold):g}".replace(".", "_")


def _in_suv(image: Image, channel: int) -> bool:
    return _said(image, "unit", channel).upper().startswith("SUV")  # as people type it, too: suvbw


def _said(image: Image, what: str, channel: int) -> str:
    """The modality or the unit of a channel: the image's, unless `facts` say another (see `medseg.io.channels`)."""
    said: str = getattr(image, what)
    return image.facts.get(f"{what}_{channel}", said)

"""The grid and intensities that a network works on: spacing or pixels, normalisation; each with its reason."""

import math
from collections.abc import Sequence

import numpy as np

from medseg.io.dicom.headers import RADIOGRAPHS
from medseg.plan import Normalisation
from medseg.training.fingerprint import Fingerprint

__all__ = ["median_shape", "normalisation_of", "small_lesions", "working_grid"]

_ANISOTROPIC = 3.0  # a spacing this many times the finest counts as thick slices, as in nnU-Net
_SMALL = 4.0  # pixels: what is smaller than this across is easily lost
Grid = tuple[tuple[float, ...] | None, int | None, str]


def working_grid(fingerprint: Fingerprint, patch_budget: float) -> Grid:
    """Target spacing, or the pixels of the longest side where spacing is unknown, and why.

    Volumes: the median spacing of each axis; across thick slices the finest tenth, so that good scans keep their
    slices (nnU-Net's rule). Radiographs: the whole image has to fit a patch, so that the network sees the anatomy.
    """
    sides = float(np.median(fingerprint.shapes.max(axis=1)))
    spacings = fingerprint.spacings_mm
    if fingerprint.dims == 2:
        side = min(sides, math.sqrt(patch_budget))
        whole = f"the whole image (median longest side {sides:.0f} pixels) has to fit a patch of {side:.0f}"
        if spacings is None:
            return None, round(side), f"{whole}; spacing is unknown, so that the plan is in pixels"
        return tuple(float(s) for s in np.median(spacings, axis=0) * (sides / side)), None, whole
    if spacings is None:
        return None, round(sides), "median of the longest sides; spacing is unknown, so that the plan is in voxels"
    target = np.median(spacings, axis=0)
    why = f"median of {len(spacings)} training cases"
    coarse = int(np.argmax(target))
    others = np.delete(target, coarse).max()
    if target[coarse] > _ANISOTROPIC * others:
        thick = target[coarse]
        target[coarse] = max(np.percentile(spacings[:, coarse], 10), others)
        why += f"; slices are thick (median {thick:.3g} mm), so that across them it is the finest tenth"
    return tuple(float(s) for s in np.round(target, 6)), None, why


def median_shape(fingerprint: Fingerprint, spacing: Sequence[float] | None, longest: int | None) -> np.ndarray:
    """Median shape of the training images on the network's grid."""
    if spacing is not None and fingerprint.spacings_mm is not None:
        return np.median(np.rint(fingerprint.shapes * fingerprint.spacings_mm / np.asarray(spacing)), axis=0)
    sides = fingerprint.shapes.max(axis=1, keepdims=True)
    return np.median(np.rint(fingerprint.shapes * (longest or sides) / sides), axis=0)


def small_lesions(fingerprint: Fingerprint, spacing: Sequence[float] | None, longest: int | None) -> str:
    """A warning where the smaller regions of a label are lost on the network's grid; else empty.

    Of the sizes of connected components the lowest tenth is turned into the diameter of a disc or ball.
    """
    dims = fingerprint.dims
    if dims == 3 and (spacing is None or fingerprint.spacings_mm is None):
        return ""
    if dims == 3:
        voxel = float(np.prod(spacing or (1.0,))) / 1000  # ml
    else:
        shrink = np.median(fingerprint.shapes, axis=0).max() / median_shape(fingerprint, spacing, longest).max()
        voxel = float(shrink**2)
    told = []
    for name in fingerprint.facts[0].labels:
        size = float(np.percentile(fingerprint.components(name), 10)) / voxel
        across = 2 * math.sqrt(size / math.pi) if dims == 2 else 2 * (3 * size / (4 * math.pi)) ** (1 / 3)
        if across < _SMALL:
            told.append(f"{name} {across:.1f}")
    finer = "spacing_mm" if spacing is not None else "longest_side"
    if not told:
        return ""
    return f"on it a tenth of the regions are less than {_SMALL:.0f} voxels across ({', '.join(told)}): see {finer}"


def normalisation_of(fingerprint: Fingerprint, channel: int) -> tuple[Normalisation, str]:
    """How a channel's intensities become numbers around 0, and why."""
    modality = fingerprint.modality
    if fingerprint.dims == 2 and (modality in RADIOGRAPHS or not modality):
        why = "radiographs differ in exposure: each is scaled by its own percentiles"
        return Normalisation(method="percentile", lower=1.0, upper=99.0), why
    if modality != "CT":
        why = f"{modality or 'an unknown modality'} has no absolute scale: each image by its own mean and deviation"
        return Normalisation(method="zscore"), why
    voxels = fingerprint.intensities[channel]
    lower, upper = np.percentile(voxels, [0.5, 99.5])
    clipped = np.clip(voxels, lower, upper)
    sd = max(float(clipped.std()), 1.0)
    ct = Normalisation(method="ct", lower=float(lower), upper=float(upper), mean=float(clipped.mean()), sd=sd)
    return ct, f"CT is absolute: percentiles 0.5 and 99.5, mean and deviation of {len(voxels)} labelled voxels"

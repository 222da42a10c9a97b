"""The preparation that a config names: checked, with every parameter filled in, and built."""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from monai.transforms import Transform
from pydantic import ValidationError

from medseg.errors import ConfigError
from medseg.transforms.preparation.bias import N4BiasCorrection
from medseg.transforms.preparation.border import RemoveBorder
from medseg.transforms.preparation.clahe import Clahe
from medseg.transforms.preparation.crop import CropToBreast
from medseg.transforms.preparation.laterality import NormaliseLaterality
from medseg.transforms.preparation.marks import RemoveLabels
from medseg.transforms.preparation.median import MedianDenoise
from medseg.transforms.preparation.nonlocal_means import NonLocalMeans
from medseg.transforms.preparation.window import PercentileWindow, Window

__all__ = ["STEPS", "build_steps", "checked_steps"]

STEPS: dict[str, type[Transform]] = {
    "clahe": Clahe,
    "crop_to_breast": CropToBreast,
    "median_denoise": MedianDenoise,
    "n4_bias_correction": N4BiasCorrection,
    "non_local_means": NonLocalMeans,
    "normalise_laterality": NormaliseLaterality,
    "percentile_window": PercentileWindow,
    "remove_border": RemoveBorder,
    "remove_labels": RemoveLabels,
    "window": Window,
}


def checked_steps(listed: Sequence[str | Mapping[str, Any]]) -> tuple[dict[str, dict[str, Any]], ...]:
    """A config's list of steps, each as `{name: {parameter: value}}` with every parameter filled in.

    Args:
        listed: Names, or mappings of one name to its parameters: `remove_labels`, `{clahe: {clip_limit: 0.02}}`.

    Raises:
        ConfigError: A step or a parameter is misspelt, or a value does not fit; the allowed names are told.
    """
    return tuple(_checked(entry) for entry in listed)


def build_steps(steps: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[Transform]:
    """The transforms of checked steps, in their order.

    Raises:
        ConfigError: As `checked_steps`.
    """
    return [_built(name, parameters) for step in steps for name, parameters in step.items()]


def _checked(entry: str | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    written = {entry: {}} if isinstance(entry, str) else entry
    if not isinstance(written, Mapping) or len(written) != 1:
        mend = "Write `- clahe`, or `- clahe: {clip_limit: 0.02}`."
        raise ConfigError("preparation", f"{entry!r}", mend, "a name, or one name with its parameters, an entry")
    ((name, given),) = written.items()
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise ConfigError(f"preparation.{name}", f"{given!r}", f"Write `- {name}: {{parameter: value}}`.", "a mapping")
    step = _built(name, given)
    return {name: {parameter: getattr(step, parameter) for parameter in _parameters(type(step))}}


def _built(name: str, parameters: Mapping[str, Any]) -> Transform:
    if name not in STEPS:
        near = difflib.get_close_matches(str(name), STEPS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
        raise ConfigError("preparation", f"unknown step {name!r}", hint, f"one of {', '.join(STEPS)}")
    step = STEPS[name]
    allowed = ", ".join(_parameters(step)) or "no parameters"
    try:
        return step(**parameters)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        found = f"{key} = {first['input']!r} ({first['msg'].lower()})"
        raise ConfigError(f"preparation.{name}", found, f"Its parameters are: {allowed}.") from None
    except ValueError as error:
        raise ConfigError(f"preparation.{name}", str(error), f"Its parameters are: {allowed}.") from None


def _parameters(step: type[Transform]) -> tuple[str, ...]:
    return tuple(parameter for parameter in inspect.signature(step).parameters if parameter != "self")

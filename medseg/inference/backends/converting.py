"""A network converted for another program: made once, judged once, then read from where it is kept."""

from dataclasses import dataclass
from pathlib import Path

import torch

from medseg.errors import ConfigError, MedsegError
from medseg.inference.backends.agreement import Agreement, Run, measure_agreement
from medseg.inference.backends.conversions import Conversion, find, put
from medseg.inference.backends.converters import CONVERTERS, Converter
from medseg.inference.backends.original import Original
from medseg.inference.backends.quietly import quietly

__all__ = ["Converted", "open_converted"]

_MEND = "Take backend=torch."


@dataclass(frozen=True, eq=False)
class Converted:
    """A converted network that was found to agree with PyTorch."""

    name: str
    precision: str
    why: str
    run: Run
    conversion: Conversion

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, outputs, *patch), on the CPU, of windows (B, C, *patch)."""
        return self.run(windows)


def open_converted(name: str, original: Original, precision: str) -> Converted:
    """Find or make the conversion of a network, and judge it where that was not done yet.

    Args:
        name: A key of `CONVERTERS`.
        original: The network, on the CPU.
        precision: fp32 or bf16; what the program computes in may be more exact.

    Raises:
        MissingExtraError: The program is not installed.
        ConfigError: It cannot take the network, or disagrees with PyTorch.
        OutputError: The conversion cannot be written where there seemed to be room.
    """
    converter = CONVERTERS[name]
    versions = converter.versions()
    here = converter.precision_here(precision)
    key = original.key(name, versions)
    with quietly():
        conversion = find(original.folder, name, key) or _made(converter, name, original, key, versions)
        run = _loaded(converter, conversion, original.window, here)
        if here not in conversion.record.agreements:
            conversion = conversion.with_agreement(here, _measured(converter, run, original, here))
    agreement = conversion.record.agreements[here]
    if agreement.refusal():
        raise ConfigError("backend", f"{converter.title} in {here} {agreement.refusal()}", _MEND)
    why = f"{converter.title} computes the network in {here} on the CPU; it agrees with torch ({agreement.told})"
    return Converted(name, here, f"{why}.{_whereabouts(conversion)}", run, conversion)


def _made(converter: Converter, name: str, original: Original, key: str, versions: str) -> Conversion:
    def write(folder: Path) -> None:
        try:
            converter.convert(original, folder)
        except Exception as error:  # whatever tracing or converting a network of anybody's can raise
            raise ConfigError(
                "backend", f"{converter.title} cannot take the network ({_first(error)})", _MEND
            ) from error

    return put(original.folder, name, key, versions, write)


def _loaded(converter: Converter, conversion: Conversion, window: tuple[int, ...], precision: str) -> Run:
    try:
        return converter.load(conversion.folder, window, precision)
    except MedsegError:
        raise
    except Exception as error:  # the programs' errors have no class in common
        found = f"{converter.title} cannot load {conversion.folder} ({_first(error)})"
        raise ConfigError("backend", found, "Remove that folder, or take backend=torch.") from error


def _measured(converter: Converter, run: Run, original: Original, precision: str) -> Agreement:
    try:
        return measure_agreement(run, original, precision)
    except Exception as error:  # likewise, as it computes
        raise ConfigError("backend", f"{converter.title} fails on the network ({_first(error)})", _MEND) from error


def _whereabouts(conversion: Conversion) -> str:
    """Where a conversion is kept, if that is not beside the model."""
    if conversion.temporary is not None:
        return " The conversion is not kept, as no folder for it can be written to."
    if not conversion.beside:
        return f" The conversion is kept in {conversion.folder}, as the model folder cannot be written to."
    return ""


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

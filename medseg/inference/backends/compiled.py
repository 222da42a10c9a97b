"""The network compiled by `torch.compile`: on a CPU through C++, on CUDA through Triton."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch.nn import functional

from medseg.device import Compute
from medseg.errors import ConfigError
from medseg.inference.backends.agreement import measure_agreement
from medseg.inference.backends.original import Original
from medseg.inference.backends.quietly import quietly
from medseg.inference.backends.torch_eager import TorchEager

__all__ = ["TorchCompiled", "open_compiled"]


@dataclass(eq=False)
class TorchCompiled:
    """A compiled network; it is compiled once for the size of batch that it sees first.

    On a CPU that is one window. Elsewhere a smaller batch is filled up to the size that was compiled, which costs less
    than compiling another. A batch that does not fit is forgotten, so that a smaller one is compiled.
    """

    eager: TorchEager
    why: str
    name: Literal["compile"] = "compile"
    _network: Callable[[torch.Tensor], torch.Tensor] = field(init=False)
    _batch: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        # Every other graph break or new shape would end in the eager network without a word.
        self._network = torch.compile(self.eager.network, dynamic=False, fullgraph=True)
        self._batch = int(self.eager.compute.device.type == "cpu")

    @property
    def precision(self) -> str:
        """As it computes."""
        return self.eager.precision

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits of windows."""
        if not self._batch:
            logits = self._run(windows)
            self._batch = len(windows)
            return logits
        return torch.cat([self._filled(part) for part in windows.split(self._batch)])

    def _filled(self, windows: torch.Tensor) -> torch.Tensor:
        missing = self._batch - len(windows)
        filled = functional.pad(windows, (*[0, 0] * (windows.ndim - 1), 0, missing)) if missing else windows
        try:
            return self._run(filled)[: len(windows)]
        except torch.OutOfMemoryError:
            self._batch = 0
            raise

    def _run(self, windows: torch.Tensor) -> torch.Tensor:
        compute = self.eager.compute
        with torch.no_grad(), compute.autocast():
            return self._network(compute.to_device(windows)).float()


def open_compiled(original: Original, compute: Compute) -> TorchCompiled:
    """Compile a network, which takes from seconds to a minute, and judge it by the probe where it runs on a CPU.

    Raises:
        ConfigError: It cannot be compiled here (on a CPU a C++ compiler is needed), or disagrees with the network.
    """
    eager = TorchEager(original.network, compute, "")
    compiled = TorchCompiled(eager, f"torch.compile computes the network on {compute.device.type}.")
    mend = "Take backend=torch."
    try:
        with quietly():
            if compute.device.type != "cpu":
                compiled._run(torch.zeros(1, *original.window))
                return compiled
            agreement = measure_agreement(compiled, original, compute.precision)
    except Exception as error:  # whatever compiling a network of anybody's can raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ConfigError("backend", f"the network cannot be compiled here ({first})", mend) from error
    if agreement.refusal():
        raise ConfigError("backend", f"the compiled network {agreement.refusal()}", mend)
    compiled.why = f"{compiled.why[:-1]}; it agrees with the network as it is ({agreement.told})."
    return compiled

"""One format under atheris, in a process of its own that `run.py` starts and limits."""

import atexit
import json
import random
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["medseg", "pydicom", "nibabel"], enable_loader_override=False):
    from contract import ViolationError
    from targets import TARGETS, run

from mutations import damaged
from seeds import seeds

_EVERY_S = 2.0


class _Tally:
    """What is known of this run so far, on disk for `run.py`."""

    def __init__(self, kind: str, folder: Path, tally: Path) -> None:
        self._kind, self._folder, self._file = kind, folder, tally
        self._runs, self._slowest, self._peak, self._began = 0, 0.0, 0, time.monotonic()
        self._found: dict[str, int] = {}
        self._written = 0.0
        atexit.register(self._write)

    def one_input(self, content: bytes) -> None:
        """Called by atheris with each input."""
        self._runs += 1
        try:
            outcome = run(self._kind, content)
            self._slowest, self._peak = max(self._slowest, outcome.seconds), max(self._peak, outcome.peak)
        except ViolationError as error:
            self._keep(error, content)
        if time.monotonic() - self._written > _EVERY_S:
            self._write()

    def _keep(self, error: ViolationError, content: bytes) -> None:
        """The first and shortest input of each fault."""
        name = error.signature
        if len(content) < self._found.get(name, sys.maxsize):
            self._found[name] = len(content)
            (self._folder / f"{self._kind}-{name}.bin").write_bytes(content)
            (self._folder / f"{self._kind}-{name}.txt").write_text(str(error))

    def _write(self) -> None:
        self._written = time.monotonic()
        figures = {
            "runs": self._runs,
            "seconds": self._written - self._began,
            "slowest": self._slowest,
            "peak": self._peak,
            "found": sorted(self._found),
        }
        self._file.write_text(json.dumps(figures))


def _mutated(content: bytes, limit: int, seed: int) -> bytes:
    """Half of the inputs by libFuzzer, half by what we know of headers."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return atheris.Mutate(content, limit)
    return damaged(content, rng)[:limit]


def main(kind: str, folder: Path, tally: Path, *flags: str) -> None:
    """Fuzz one format; never returns.

    Args:
        kind: Of `targets.TARGETS`.
        folder: Receives findings.
        tally: Receives the figures.
        flags: For libFuzzer, and the folders of seeds.
    """
    if kind not in TARGETS:
        sys.exit(f"{kind} is none of {', '.join(TARGETS)}")
    for content in seeds(kind).values():  # loads the formats' libraries before memory is measured
        run(kind, content)
    atheris.Setup([sys.argv[0], *flags], _Tally(kind, folder, tally).one_input, custom_mutator=_mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])

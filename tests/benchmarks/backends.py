"""One window of a 3D network through each backend that is here, turn about in one process: times and agreement.

    python tests/benchmarks/backends.py --json backends.json
    python tests/benchmarks/backends.py --model RUN

Without a model the network is a DynUNet of 32 to 320 features with random weights and three outputs, and the window is
96³. Random weights show each rounding of bf16 as a trained network does not: judge its Dice on a model. All is on the
CPU, with the allocator that medseg sets; a converted network is made in the first, untimed call. The agreement is that
by which medseg judges a backend: logits and labels on its probe, beside those of torch in fp32.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from medseg.errors import MedsegError

WINDOW, FEATURES, OUTPUTS = (1, 96, 96, 96), (32, 64, 128, 256, 320), 3
# Each backend with its goal: the largest ratio to torch in fp32 that we mean to keep; None where there is none.
GOALS = {
    ("torch", "fp32"): None,
    ("torch", "bf16"): 1.0,
    ("compile", "fp32"): 1.0,
    ("onnx", "fp32"): None,
    ("openvino", "fp32"): 0.5,
    ("openvino", "bf16"): 0.25,
}


@dataclass(frozen=True)
class Subject:
    """What is timed: how its backends are opened, the shape (C, *patch) of its window, and how labels are told."""

    open: Callable[[str, str], Any]
    window: tuple[int, ...]
    exclusive: bool


def generated() -> Subject:
    """The network of random weights."""
    import torch
    from monai.networks.nets import DynUNet

    from medseg.device import open_compute
    from medseg.inference.backends.choosing import open_backend

    kernels, strides = [3] * len(FEATURES), [1] + [2] * (len(FEATURES) - 1)
    torch.manual_seed(0)
    network: Any = DynUNet(3, 1, OUTPUTS, kernels, strides, strides[1:], filters=FEATURES)
    network.eval()
    return Subject(
        lambda name, precision: open_backend(name, network, WINDOW, open_compute("cpu", precision)), WINDOW, True
    )


def trained(folder: Path) -> Subject:
    """A model folder of ours, or its run."""
    import medseg

    def model_with(name: str, precision: str) -> Any:
        return medseg.load_model(folder, device="cpu", backend=name, precision=precision)

    model = model_with("torch", "fp32")
    window = (len(model.plan.channels), *model.plan.patch_size)
    return Subject(lambda name, precision: model_with(name, precision).backend, window, model.labels.exclusive)


def opened(subject: Subject) -> dict[tuple[str, str], Any]:
    """The backends that are here; of the others it is said why they are not."""
    backends = {}
    for name, precision in GOALS:
        try:
            backend = subject.open(name, precision)
        except MedsegError as error:
            sys.stdout.write(f"left out: {name} {precision}: {error}\n")
            continue
        if backend.precision == precision:
            backends[name, precision] = backend
        else:
            sys.stdout.write(f"left out: {name} {precision}: it would compute in {backend.precision} here\n")
    return backends


def timed(backends: dict[tuple[str, str], Any], window: Any, rounds: int) -> dict[tuple[str, str], float]:
    """Median seconds of each; each is called once before, untimed."""
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in backends}
    for backend in backends.values():
        backend(window)
    for _ in range(rounds):
        for key, backend in backends.items():
            begin = time.perf_counter()
            backend(window)
            seconds[key].append(time.perf_counter() - begin)
    return {key: statistics.median(each) for key, each in seconds.items()}


def rows_of(subject: Subject, rounds: int) -> list[dict[str, Any]]:
    """A row a backend."""
    from medseg.inference.backends.agreement import measure_agreement, probe
    from medseg.inference.backends.original import Original

    backends = opened(subject)
    seconds = timed(backends, probe(subject.window)[:1], rounds)
    original = Original(backends["torch", "fp32"].network, subject.window, subject.exclusive)
    size, first = "×".join(map(str, subject.window[1:])), seconds["torch", "fp32"]
    rows = []
    for (name, precision), backend in backends.items():
        found = measure_agreement(backend, original, "fp32")  # against fp32 alone, whatever it computes in
        row = {
            "work": f"window {size}, {name} {precision}",
            "peer": "torch fp32",
            "ours_s": round(seconds[name, precision], 4),
            "peer_s": round(first, 4),
            "ratio": round(seconds[name, precision] / first, 3),
            "goal": GOALS[name, precision],
            "largest_difference": found.largest_difference,
            "largest_logit": found.largest_logit,
            "dice": [None if dice is None else round(dice, 5) for dice in found.dice],
        }
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]], rounds: int) -> None:
    """For people."""
    table = Table(title=f"Medians of {rounds}, turn about; labels too small on the probe have no Dice")
    for name in ("backend", "ms", "ratio", "goal", "largest difference", "of logits to", "Dice to torch fp32"):
        table.add_column(name, justify="left" if name == "backend" else "right")
    for row in rows:
        difference = row["largest_difference"]
        table.add_row(
            row["work"],
            f"{1000 * row['ours_s']:.1f}",
            f"{row['ratio']:.3f}",
            "" if row["goal"] is None else str(row["goal"]),
            "not finite" if difference is None else f"{difference:.2g}",
            f"{row['largest_logit']:.2g}",
            ", ".join("–" if dice is None else f"{dice:.4f}" for dice in row["dice"]),
        )
    Console(width=140).print(table)


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, help="a model folder of ours, or its run, instead of random weights")
    parser.add_argument("--rounds", type=int, default=5, help="calls of each; at least 5 for a figure")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    rows = rows_of(trained(options.model) if options.model else generated(), options.rounds)
    show(rows, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

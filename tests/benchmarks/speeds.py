"""What each speed costs in seconds and in Dice, on the held-out cases of a finished run; and the window's overhead.

    python tests/benchmarks/speeds.py RUN DATASET --patch 24 32 24

A smaller patch than the plan's makes several windows of a small image, so that their overlap can be judged.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import medseg
from medseg.datasets import Split, open_dataset
from medseg.evaluation.scores import overlaps
from medseg.image import Image
from medseg.io import read_case_image
from medseg.training.cases import read_indices

SPEEDS = ("fast", "normal", "best")


class Timed:
    """A backend that adds up the seconds of its forward passes, and counts windows."""

    def __init__(self, backend):
        self.backend, self.name, self.precision = backend, backend.name, backend.precision
        self.seconds, self.windows = 0.0, 0

    def __call__(self, windows):
        begin = time.perf_counter()
        answer = self.backend(windows)
        self.seconds += time.perf_counter() - begin
        self.windows += len(windows)
        return answer


def measured(model, cases, labels) -> dict:
    """Mean Dice of each label, seconds in all, and of them in forward passes, over cases that are read already."""
    timed = Timed(model.backend)
    model = replace(model, backend=timed)
    model.segment(cases[0][0])  # warm
    timed.seconds, timed.windows = 0.0, 0
    scores, begin = [], time.perf_counter()
    masks = [model.segment(image).mask for image, _ in cases]
    seconds = time.perf_counter() - begin
    for mask, (image, reference) in zip(masks, cases, strict=True):
        indices = labels.to_indices(mask, "mask") if labels.exclusive else mask
        scores.append([one.dice for one in overlaps(indices, reference, labels, str(image.source))])
    dice = np.nanmean(np.array(scores, float), axis=0)
    return {
        "dice": [round(float(one), 4) for one in dice],
        "mean": round(float(dice.mean()), 4),
        "seconds": round(seconds, 2),
        "windows": timed.windows,
        "whole/forward": round(seconds / timed.seconds, 3),
    }


def main() -> None:
    """All speeds in both precisions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--patch", type=int, nargs="+")
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--mirror", type=int, nargs="*", help="axes that training mirrored, where the plan is older")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    options = parser.parse_args()
    split, dataset = Split.load(options.run / "split.json"), open_dataset(options.dataset)
    plan = medseg.load_model(options.run, device="cpu").plan
    held_out = [case for case in dataset.cases if case.id in split.test][: options.cases]
    cases: list[tuple[Image, np.ndarray]] = []
    for case in held_out:
        image = read_case_image(case, plan.reading)
        cases.append((image, read_indices(case, plan.label_set, image, plan.reading)))
    changes = {"patch_size": tuple(options.patch)} if options.patch else {}
    if options.mirror is not None:
        changes["mirror_axes"] = tuple(options.mirror)
    sys.stdout.write(f"{len(cases)} held-out cases, labels {', '.join(plan.label_set.names)}\n")
    for precision in options.precisions:
        model = medseg.load_model(options.run, device="cpu", precision=precision, backend="torch")
        for speed in SPEEDS:
            if speed == "best" and not (changes.get("mirror_axes") or plan.mirror_axes):
                continue
            one = replace(model, plan=plan.model_copy(update=changes), speed=speed)
            row = {"precision": precision, "speed": speed, **measured(one, cases, plan.label_set)}
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

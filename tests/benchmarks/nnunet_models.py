"""Models of nnU-Net's in medseg and in nnU-Net itself: trained small where they are not there, masks compared.

    python tests/benchmarks/nnunet_models.py sarcoma_ct --work DIR --nnunet-python PATH --json FILE

Trainings, predictions and what is finished lie in DIR and are not done again. `--trained NAME=FOLDER` takes a trainer
folder of before, `--theirs NAME=FOLDER` the masks that nnU-Net made by it, both with its `imagesTs` or `--images`.
A Dice is of our mask to nnU-Net's, case by case; where a label is in neither mask it is left out.
For a case below 0.995 the margin tells why: how far the two likeliest classes are apart where the masks differ.
nnU-Net adds up its windows in float16, whose steps turn the answer where classes are as good as equal.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import medseg
from medseg.datasets.conversion import write_nnunet
from medseg.image import Image, Segmentation
from medseg.inference.nnunet.opening import open_nnunet
from medseg.inference.nnunet.segmenter import NnUNetSegmenter
from medseg.inference.settings import InferenceSettings
from medseg.io import read_image
from medseg.labels import Labels
from medseg.outputs.preview import write_preview

SIDE = Path(__file__).with_name("nnunet_models_side.py")
ALIKE = 0.995
SMALL = {"n_stages": 4, "features_per_stage": [16, 32, 64, 128]}
RESIDUAL = {"n_conv_per_stage": None, "n_blocks_per_stage": [1, 2, 2, 2], "n_conv_per_stage_decoder": [1, 1, 1]}
THICK = {
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]],
    "n_conv_per_stage": [2, 2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2, 2],
}


@dataclass(frozen=True)
class Task:
    """A small training.

    Args:
        number: The data set's for nnU-Net.
        folder: Below MEDSEG_TEST_DATA.
        labels: What its masks contain.
        override: Over nnU-Net's plans.
        iterations: Of the training.
        configuration: nnU-Net's.
        images: Which files are the images, where not all; `mask` for `image` in their name gives the masks.
        described: Over `dataset.json`.
    """

    number: int
    folder: str
    labels: Mapping[str, Any]
    override: Mapping[str, Any]
    iterations: int
    configuration: str = "3d_fullres"
    images: str = ""
    described: Mapping[str, Any] = field(default_factory=dict)


HIPPOCAMPUS = {"anterior": 1, "posterior": 2}
PATCH = {"patch_size": [32, 40, 32], "batch_size": 4, "architecture": {"arch_kwargs": SMALL}}
RESENC = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
TASKS = {
    # A grid of other thick slices, so that images and logits are resampled slice by slice.
    "sarcoma_ct": Task(
        601,
        "sarcoma_sts",
        {"tumour": 1},
        {
            "spacing": [4.0, 1.2, 1.2],
            "patch_size": [20, 64, 64],
            "batch_size": 2,
            "architecture": {"arch_kwargs": SMALL | THICK},
        },
        250,
        images="*/CT_image.nii.gz",
        described={"channel_names": {"0": "CT"}},
    ),
    "hippocampus": Task(602, "hippocampus", HIPPOCAMPUS, PATCH, 300),
    "hippocampus_regions": Task(
        603,
        "hippocampus",
        HIPPOCAMPUS,
        PATCH
        | {"spacing": [1.3, 1.1, 0.9]}
        | {"architecture": {"network_class_name": RESENC, "arch_kwargs": SMALL | RESIDUAL}},
        120,
        described={"labels": {"background": 0, "whole": [1, 2], "anterior": 1}, "regions_class_order": [2, 1]},
    ),
    "cxr_lungs": Task(604, "cxr_lungs", {"lung": 255, "ignore": 127}, {}, 60, "2d"),
}


def main() -> None:
    options = _options()
    rows = []
    for name in options.models:
        work = options.work / name
        work.mkdir(parents=True, exist_ok=True)
        raw = work / "nnUNet_raw" / f"Dataset{TASKS[name].number}_{name}"
        model = options.trained.get(name) or work / "nnUNet_results"
        if not model.exists():
            _convert(TASKS[name], options.data, raw, work)
            _train(TASKS[name], work, options)
        images = options.images.get(name) or raw / "imagesTr"
        theirs = options.theirs.get(name) or work / "theirs"
        opened = open_nnunet(model, InferenceSettings(device="cpu", precision="fp32", backend=options.backend))
        if not theirs.exists():
            folder = next(path.parent for path in (model, *model.rglob("plans.json")) if path.name == "plans.json")
            _nnunet(options, "--root", work, "--threads", "2", "--predict", folder, images, theirs)
        rows += _compared(name, opened, images, theirs, work, options.cases)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _options() -> argparse.Namespace:
    def pair(word: str) -> tuple[str, Path]:
        name, _, path = word.partition("=")
        return name, Path(path).resolve()

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(TASKS), help=", ".join(TASKS))
    parser.add_argument("--work", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--nnunet-python", help="python that has nnunetv2")
    parser.add_argument("--cases", type=int, default=12, help="of each model, at most")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    for name in ("trained", "theirs", "images"):
        parser.add_argument(f"--{name}", type=pair, nargs="*", default=[], metavar="NAME=FOLDER")
    where = Path(__file__).parents[3] / "shared" / "data"
    where = Path(os.environ.get("MEDSEG_TEST_DATA", where))
    parser.add_argument("--data", type=Path, default=where, help="default: MEDSEG_TEST_DATA")
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.trained, options.theirs, options.images = map(dict, (options.trained, options.theirs, options.images))
    return options


def _convert(task: Task, data: Path, raw: Path, work: Path) -> None:
    """The data set as nnU-Net wants it; of five cases one watches the training."""
    root = _manifest(data / task.folder, task.images, work) if task.images else data / task.folder
    dataset = medseg.open_dataset(root, labels=Labels.from_config(task.labels))
    done = write_nnunet(dataset, raw)
    if done.failures:
        raise RuntimeError(f"{task.folder}: {done.failures}")
    names = [case.id for case in done.cases if case.labelled]
    splits = [{"train": names[len(names) // 5 :], "val": names[: len(names) // 5]}]
    (raw / "splits_final.json").write_text(json.dumps(splits) + "\n")
    file = raw / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | task.described, indent=1) + "\n")


def _manifest(root: Path, pattern: str, work: Path) -> Path:
    """A manifest of a part of a folder, above a link to its files."""
    folder = work / "manifest"
    folder.mkdir(exist_ok=True)
    if not (folder / "images").exists():
        (folder / "images").symlink_to(root.resolve())
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "patient", "image", "label"])
        for image in sorted(root.glob(pattern)):
            name, mask = image.parent.name, image.name.replace("image", "mask")
            table.writerow([name, name, f"images/{name}/{image.name}", f"images/{name}/{mask}"])
    return folder


def _train(task: Task, work: Path, options: argparse.Namespace) -> None:
    words = ("--dataset", task.number, "--configuration", task.configuration, "--iterations", task.iterations)
    _nnunet(options, "--root", work, *words, "--override", json.dumps(task.override))


def _nnunet(options: argparse.Namespace, *words: Any) -> None:
    if not options.nnunet_python:
        raise SystemExit("--nnunet-python: name a python that has nnunetv2, or give --trained and --theirs")
    subprocess.run([options.nnunet_python, str(SIDE), *map(str, words)], check=True)


def _compared(
    name: str, model: NnUNetSegmenter, images: Path, theirs: Path, work: Path, most: int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for image in sorted(path for path in images.iterdir() if "_0000." in path.name)[:most]:
        case, _, ending = image.name.partition("_0000")
        mask = theirs / f"{case}{ending}"
        if mask.exists():
            rows.append(_case(name, model, read_image(image), read_image(mask).voxels[0], case, work))
            sys.stdout.write(f"{json.dumps(rows[-1])}\n")
            sys.stdout.flush()
    cases = list(rows)
    for label in model.labels.names:
        found = [row["dice"][label] for row in cases if row["dice"][label] is not None]
        mean, worst = (float(np.mean(found)), min(found)) if found else (None, None)
        summary = {"model": name, "label": label, "cases": len(found), "mean_dice": mean, "worst_dice": worst}
        rows.append(summary)
        sys.stdout.write(f"{json.dumps(summary)}\n")
    return rows


def _case(name: str, model: NnUNetSegmenter, image: Image, theirs: np.ndarray, case: str, work: Path) -> dict[str, Any]:
    ours = model.segment(image, probabilities=True)
    labels = model.labels
    channels = [np.isin(theirs, label.values) for label in labels.labels]
    dice = {label: _dice(ours.of(label), own) for label, own in zip(labels.names, channels, strict=True)}
    differs = np.any([ours.of(label) != own for label, own in zip(labels.names, channels, strict=True)], axis=0)
    row = {"model": name, "case": case, "dice": dice, "voxels": int(theirs.astype(bool).sum())}
    row |= {"differing": int(differs.sum()), "margin": _margin(ours, differs)}
    drawn = theirs if labels.exclusive else np.stack(channels).astype(np.uint8)
    write_preview(work / f"{name}_{case}_ours.png", image, ours)
    write_preview(work / f"{name}_{case}_theirs.png", image, Segmentation(drawn, image.geometry, labels))
    return row


def _dice(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    total = int(ours.sum()) + int(theirs.sum())
    return None if total == 0 else 2 * int((ours & theirs).sum()) / total


def _margin(ours: Segmentation, where: np.ndarray) -> float | None:
    """Largest difference of the two likeliest classes' probabilities among voxels; of regions twice that to a half."""
    if ours.probabilities is None or not where.any():
        return None
    shares = ours.probabilities[:, where].astype(np.float64)
    if not ours.labels.exclusive:
        return float(np.abs(2 * shares - 1).min(0).max())
    two = np.sort(np.concatenate([1 - shares.sum(0, keepdims=True), shares]), axis=0)[-2:]
    return float((two[1] - two[0]).max())


if __name__ == "__main__":
    main()

"""Accuracy beside nnU-Net for the same minutes on a CPU, on the same cases:

    python tests/benchmarks/vs_nnunet.py hippocampus cxr_lungs --minutes 10 20 40 --work DIR --nnunet-python PATH

Patients are dealt into five folds. The cases of a fold are judged: neither tool plans from, trains on or chooses
weights by them. All others train nnU-Net; a tenth of their patients chooses our weights.

Minutes are calibrated on the idle machine: start, planning and preprocessing are timed once, then steps while nothing
else computes, and what is left of the budget becomes a number of steps. A training of that many steps gives the same
result on a busy machine as on a quiet one. `--live` gives our side real minutes instead. Predicting is not in the
budget; nnU-Net mirrors, as shipped.

What is finished is kept in DIR and not done again; another name for `--ours` makes another try of ours.
A difference is ours - nnU-Net's of the mean Dice over labels, case by case, with the 95% interval of 10,000 bootstrap
samples of patients. Where a label is in neither the reference nor a mask that Dice is left out; it counts as 1 in a
difference to a mask that has the label.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nnunet_side import QUIET, Others, await_quiet
from rich.console import Console
from rich.table import Table

import medseg
from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets import Dataset
from medseg.datasets.conversion import write_nnunet
from medseg.datasets.splits import Split, k_folds, split_by_patient
from medseg.evaluation import Evaluation
from medseg.labels import Labels, labels_of

REPOSITORY = Path(__file__).parents[2]
MARGIN = 0.005  # of Dice: a loss that does not matter
RESAMPLES = 10_000
COLUMNS = {
    "data": "data set",
    "minutes": "minutes",
    "tool": "tool",
    "samples": "samples seen",
    "n": "n",
    "dice": "Dice, mean ± sd",
    "borders": "means",
    "difference": "Dice, ours - nnU-Net's [95%]",
    "verdict": "verdict",
}


@dataclass(frozen=True)
class Task:
    """A data set and how both tools learn it.

    Args:
        number: The data set's for nnU-Net.
        folder: Below MEDSEG_TEST_DATA.
        labels: What its masks contain.
        config: Ours, below `configs/`.
        configuration: nnU-Net's.
        stratify: A column whose values all folds have alike.
        nsd_tolerance: Millimetres, or pixels where the spacing is unknown.
        images: Which files are the images, where not all; `mask` for `image` in their name gives the masks.
    """

    number: int
    folder: str
    labels: dict[str, Any]
    config: str
    configuration: str
    stratify: str | None = None
    nsd_tolerance: float = 1.0
    images: str = ""


TASKS = {
    "hippocampus": Task(501, "hippocampus", {"anterior": 1, "posterior": 2}, "hippocampus", "3d_fullres"),
    "cxr_lungs": Task(502, "cxr_lungs", {"lung": 255, "ignore": 127}, "chest_xray_lungs", "2d"),
    "busi": Task(503, "busi_ultrasound", {"lesion": ["benign", "malignant"]}, "busi_lesions", "2d", "class"),
    "sarcoma_pet": Task(
        504, "sarcoma_sts", {"tumour": 1}, "sarcoma_pet", "3d_fullres", nsd_tolerance=5.0, images="*/PET_image.nii.gz"
    ),
}


@dataclass
class Trial:
    """One fold of one task, and where its files lie."""

    name: str
    fold: int
    options: argparse.Namespace
    dataset: Dataset = field(init=False)

    def __post_init__(self) -> None:
        self.task = TASKS[self.name]
        self.above: Path = self.options.work / self.name
        self.folder = self.above / f"fold_{self.fold}"
        self.raw = self.folder / "nnUNet_raw" / f"Dataset{self.task.number}_{self.name}"
        self.split_file = self.folder / "split.json"
        self.root = self._root()
        self.dataset = medseg.open_dataset(self.root, labels=Labels.from_config(self.task.labels))

    def _root(self) -> Path:
        root: Path = self.options.data / self.task.folder
        return _manifest(root, self.task.images, self.above) if self.task.images else root

    def prepare(self) -> None:
        """Deal the patients, and convert the data set for nnU-Net: judged cases become `imagesTs`."""
        splits = self.raw / "splits_final.json"
        if splits.exists():
            return
        cases, stratify = self.dataset.cases, self.task.stratify
        judged = set(k_folds(cases, 5, stratify=stratify)[self.fold].validation)
        fixed = tuple(replace(case, split="test" if case.id in judged else "") for case in cases)
        split = split_by_patient(fixed, validation=0.1, stratify=stratify)
        split.save(self.split_file)
        done = write_nnunet(replace(self.dataset, cases=fixed), self.raw)
        if done.failures:
            raise RuntimeError(f"{self.name}: {done.failures}")
        # nnU-Net wants some cases to watch; nothing that it keeps depends on them.
        folds = [{"train": sorted(split.train + split.validation), "val": list(split.validation)}]
        splits.write_text(json.dumps(folds) + "\n")

    @property
    def judged(self) -> tuple[str, ...]:
        return Split.load(self.split_file).test

    def result(self, tool: str, minutes: float) -> Path:
        """The folder of a training."""
        return self.folder / f"{tool}_{minutes:g}min"

    def evaluation(self, masks: Path) -> Evaluation:
        """Scores of masks in nnU-Net's numbers on the native grid."""
        numbers = dict(json.loads((self.raw / "dataset.json").read_text())["labels"])
        del numbers["background"]
        known, tolerance = Labels.from_config(numbers), self.task.nsd_tolerance
        return medseg.evaluate(masks, self.raw / "labelsTs", known, nsd_tolerance=tolerance)


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    trials = [Trial(name, fold, options) for name in options.tasks for fold in options.folds]
    for trial in trials:
        trial.prepare()
        for minutes in options.minutes:
            if options.only != "ours" and options.nnunet_python:
                run_nnunet(trial, minutes)
            if options.only != "nnunet":
                run_ours(trial, minutes)
    rows = [row for name in options.tasks for minutes in options.minutes for row in compared(name, minutes, trials)]
    show(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help=", ".join(TASKS))
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0])
    parser.add_argument("--work", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--nnunet-python", help="python that has nnunetv2; without it only what is finished is shown")
    parser.add_argument("--only", choices=["ours", "nnunet"], help="train this side only")
    parser.add_argument("--folds", type=int, nargs="+", default=[0], help="of five; their cases are judged together")
    parser.add_argument("--ours", default="ours", help="name of our side, for another try")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="over our config")
    parser.add_argument("--live", action="store_true", help="train ours by `minutes=`, on this machine as it is now")
    parser.add_argument("--workers", type=int, default=1, help="of nnU-Net's, that augment")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    where = Path(os.environ.get("MEDSEG_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=where, help="default: MEDSEG_TEST_DATA")
    options = parser.parse_args()
    if unknown := set(options.tasks) - TASKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose of {', '.join(TASKS)}")
    options.work, options.data = options.work.resolve(), options.data.resolve()
    return options


def _manifest(root: Path, pattern: str, folder: Path) -> Path:
    """A manifest of a part of a folder, whose patients are its folders; it lies above a link to the files."""
    folder.mkdir(parents=True, exist_ok=True)
    path, link = folder / "manifest.csv", folder / "images"
    if not link.exists():
        link.symlink_to(root)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "patient", "image", "label"])
        for image in sorted(root.glob(pattern)):
            name, mask = image.parent.name, image.name.replace("image", "mask")
            table.writerow([name, name, f"images/{name}/{image.name}", f"images/{name}/{mask}"])
    return path


def run_nnunet(trial: Trial, minutes: float) -> None:
    """Train nnU-Net for as many iterations as it would do in the time, and predict the judged cases."""
    out = trial.result("nnunet", minutes)
    if (out / "report.json").exists():
        return
    known, tuning = trial.above / "calibration.json", ["--workers", str(trial.options.workers)]
    if not known.exists():
        _nnunet(trial, known, ["--prepare", "--iterations", "80", "--calibrate", "7", *tuning])
    elif not (trial.folder / "nnUNet_preprocessed" / trial.raw.name / "nnUNetPlans.json").exists():
        _nnunet(trial, trial.folder / "prepared.json", ["--prepare"])
    speed = json.loads(known.read_text())
    steps = int((60 * minutes - speed["start_s"] - speed["prepare_s"]) / speed["iteration_s"])
    _nnunet(trial, out / "report.json", ["--iterations", str(steps), "--predict", str(out / "predictions"), *tuning])


def _nnunet(trial: Trial, report: Path, words: Sequence[str]) -> None:
    script, task = Path(__file__).with_name("nnunet_side.py"), trial.task
    given = [str(task.number), "--root", str(trial.folder), "--configuration", task.configuration]
    command = [trial.options.nnunet_python, str(script), *given, "--report", str(report), *words]
    _logged(command, report.with_suffix(".log"))


def run_ours(trial: Trial, minutes: float) -> None:
    """Train medseg for as many steps as it would do in the time, and predict the judged cases."""
    out = trial.result(trial.options.ours, minutes)
    config = REPOSITORY / "configs" / f"{trial.task.config}.yaml"
    if (out / "report.json").exists() or not config.exists():
        return
    seconds = 0.0
    if trial.options.live:
        began = time.perf_counter()
        _train_ours(trial, out / "run", [f"minutes={minutes:g}"])
        seconds = time.perf_counter() - began
    else:
        _train_ours(trial, out / "run", ["minutes=null", f"epochs={_epochs_of_ours(trial, config, minutes)}"])
    command = ["predict", str(out / "run"), str(trial.root), "--part", "test", "--out", str(out / "predictions")]
    _medseg(command, out / "predict.log")
    history = pd.read_csv(out / "run" / "history.csv")
    plan = json.loads((out / "run" / "plan.json").read_text())
    steps, batch = int(history["step"].iloc[-1]), plan["batch_size"]
    report = {"steps": steps, "batch": batch, "patch": plan["patch_size"], "samples": steps * batch, "live_s": seconds}
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def _train_ours(trial: Trial, run: Path, words: Sequence[str]) -> None:
    task = trial.task
    # The split is given, not drawn, so that nothing stratifies it.
    given = [f"dataset={trial.root}", f"split={trial.split_file}", "stratify=null", f"out={run}"]
    command = ["train", str(REPOSITORY / "configs" / f"{task.config}.yaml"), *given, *trial.options.set, *words]
    _medseg(command, run.parent / "train.log")


def _epochs_of_ours(trial: Trial, config: Path, minutes: float) -> int:
    """From what everything but steps, a step, and a validation take on the idle machine."""
    from medseg.training.settings import TrainSettings

    values = apply_overrides(read_yaml(config), trial.options.set) | {"epochs": 1, "minutes": None}
    learning = check(TrainSettings, values, config).learning
    known = trial.above / f"calibration_{trial.options.ours}.json"
    if not known.exists():
        known.write_text(json.dumps(_calibrated(trial), indent=1) + "\n")
    speed = json.loads(known.read_text())
    left = 60 * minutes - speed["start_s"] - (learning.validations - 1) * speed["validation_s"]
    return max(1, int(left / (speed["step_s"] * learning.steps_per_epoch)))


def _calibrated(trial: Trial) -> dict[str, Any]:
    """Three short trainings, from outside: more steps, or one validation more, make the difference."""
    few, many = 10, 50
    short, share = _timed(trial, "few", few, 1)
    long, long_share = _timed(trial, "many", many, 1)
    twice, twice_share = _timed(trial, "twice", few, 2)
    step = (long - short) / (many - few)
    return {
        "start_s": short - few * step,  # with planning, caching, one validation and writing the model
        "step_s": step,
        "validation_s": max(0.0, twice - short - few * step),
        "others": max(share, long_share, twice_share),
    }


def _timed(trial: Trial, name: str, steps: int, epochs: int) -> tuple[float, float]:
    run = trial.folder / f"calibration_{trial.options.ours}" / name / "run"
    await_quiet()
    others, began = Others(), time.perf_counter()
    _train_ours(trial, run, ["minutes=null", f"epochs={epochs}", f"learning.steps_per_epoch={steps}"])
    seconds, share = time.perf_counter() - began, others.share()
    if share > QUIET:
        sys.stderr.write(f"{run}: other processes took {share:.0%} of the machine while this was timed\n")
    return seconds, share


def _medseg(words: Sequence[str], log: Path) -> None:
    _logged([sys.executable, "-m", "medseg", *words], log)


def _logged(command: Sequence[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(" ".join(command) + "\n")
        file.flush()
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{log} ends:\n" + "\n".join(log.read_text().splitlines()[-15:]))


def compared(name: str, minutes: float, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """A row a tool that has finished all folds asked for."""
    mine = [trial for trial in trials if trial.name == name]
    rows, scores = [], {}
    for tool in ("nnunet", mine[0].options.ours):
        folders = [trial.result(tool, minutes) for trial in mine]
        if not all((folder / "report.json").exists() for folder in folders):
            continue
        found = [_scores(trial, folder) for trial, folder in zip(mine, folders, strict=True)]
        scores[tool] = pd.concat(found)
        reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
        samples = round(sum(report["samples"] for report in reports) / len(reports))
        rows.append({"data": name, "minutes": minutes, "tool": tool, "samples": samples, **_summary(scores[tool])})
    if len(rows) == 2:
        patients = {case.id: case.patient for case in mine[0].dataset.cases}
        theirs, ours = (_by_case(scores[row["tool"]]) for row in rows)
        rows[1] |= _difference(ours, theirs, patients)
    return rows


def _scores(trial: Trial, folder: Path) -> pd.DataFrame:
    """Scores of all judged cases; a prediction that is missing is no excuse."""
    masks = folder / "predictions"
    if folder.name.startswith("nnunet"):
        found = trial.evaluation(masks)
    else:
        found = trial.evaluation(_numbered(trial, masks, folder / "masks"))
    missing = set(trial.judged) - set(found.cases["case"])
    if found.failures or missing:
        raise RuntimeError(f"{folder}: {found.failures}, missing {sorted(missing)}")
    return found.cases


def _numbered(trial: Trial, predictions: Path, out: Path) -> Path:
    """Our masks in nnU-Net's numbers: several labels are the same in both; a single one is 1, whatever its value."""
    numbers = json.loads((trial.raw / "dataset.json").read_text())
    single = sum(name not in ("background", "ignore") for name in numbers["labels"]) == 1
    for case in trial.judged:
        (path,) = (predictions / case).glob("mask.*")
        mask, grid = medseg.read_mask(path)
        mask = (mask > 0).astype(np.uint8) if single else mask
        out.mkdir(exist_ok=True)
        medseg.write_mask(out / f"{case}{numbers['file_ending']}", medseg.Segmentation(mask, grid, labels_of(mask)))
    return out


def _summary(scores: pd.DataFrame) -> dict[str, Any]:
    """Mean and sd of Dice for each label and for the mean of labels, and the means of all scores."""
    from medseg.evaluation.summary import ALL_LABELS, summarise

    summary = summarise(scores)
    labels = list(dict.fromkeys(summary["label"]))
    rows = summary.set_index(["metric", "label"])
    whole = ALL_LABELS if ALL_LABELS in labels else labels[0]
    dice = {label: {key: float(rows.loc[("dice", label), key]) for key in ("mean", "sd")} for label in labels}
    means = {str(metric): float(rows.loc[(metric, whole), "mean"]) for metric in dict.fromkeys(summary["metric"])}
    borders = {metric: mean for metric, mean in means.items() if metric.startswith(("nsd", "hd95"))}
    return {"n": int(rows.loc[("dice", whole), "n"]), "dice": dice, "borders": borders, "means": means}


def _by_case(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.pivot(index="case", columns="label", values="dice").sort_index()


def _difference(ours: pd.DataFrame, theirs: pd.DataFrame, patients: dict[str, str]) -> dict[str, Any]:
    """Mean over cases of the difference, the 95% interval over patients, and what that says."""
    one_has = ours.isna() ^ theirs.isna()
    ours, theirs = (table.mask(table.isna() & one_has, 1.0) for table in (ours, theirs))
    differences = (ours.mean(axis=1) - theirs.mean(axis=1)).dropna()
    grouped = differences.groupby(differences.index.map(patients))
    sums, counts = grouped.sum().to_numpy(), grouped.size().to_numpy()
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = (float(bound) for bound in np.quantile(means, [0.025, 0.975]))
    mean, paired = float(differences.mean()), {"cases": len(differences), "patients": len(sums)}
    return {"difference": {"mean": mean, "low": low, "high": high, **paired}, "verdict": _verdict(low, high)}


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return "above"
    if low > -MARGIN:
        return "non-inferior"
    return "below" if high < 0 else "cannot tell"


def show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title="Judged on cases that neither tool saw; minutes are calibrated on the idle machine")
    for name in COLUMNS.values():
        table.add_column(name)
    for row in rows:
        table.add_row(*(_cell(key, row.get(key)) for key in COLUMNS))
    Console(width=170).print(table)


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key == "dice":
        return "\n".join(f"{label} {one['mean']:.4f} ± {one['sd']:.4f}" for label, one in value.items())
    if key == "borders":
        return "\n".join(f"{name} {mean:.3f}" for name, mean in value.items())
    if key == "difference":
        return f"{value['mean']:+.4f} [{value['low']:+.4f}, {value['high']:+.4f}]\n{value['patients']} patients"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()

"""nnU-Net's side of `nnunet_models.py`: trains a small model on a CPU, and predicts with a results folder.

It runs in an environment that has nnU-Net v2 (2.8.1 was measured) and knows nothing of medseg. Plans are nnU-Net's own
but for what `--override` says; the training is one epoch of so many iterations by the trainer as shipped.
"""

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any


def main() -> None:
    options = _options()
    for name in ("raw", "preprocessed", "results"):
        folder = options.root / f"nnUNet_{name}"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{name}"] = str(folder)
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1"}

    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.iterations:
        _train(options)
    if options.adopt:
        _adopt(*options.adopt)
    if options.predict:
        _predict(*options.predict)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="holds nnUNet_raw, _preprocessed, _results")
    parser.add_argument("--dataset", type=int, help="number of the data set to train on")
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--override", type=json.loads, default={}, help="JSON over the configuration in the plans")
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument("--fold", default="0")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--adopt", type=Path, nargs=2, metavar=("FROM", "TO"), help="copy a model of a trainer's kin")
    parser.add_argument("--predict", type=Path, nargs=3, metavar=("MODEL", "IMAGES", "OUT"))
    return parser.parse_args()


def _train(options: argparse.Namespace) -> None:
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.dataset_name_id_conversion import convert_id_to_dataset_name

    dataset = convert_id_to_dataset_name(options.dataset)
    prepared = options.root / "nnUNet_preprocessed" / dataset
    if not (prepared / "prepared.json").exists():
        _prepare(options, prepared)
        (prepared / "prepared.json").write_text("{}\n")
    plans = json.loads((prepared / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    described = json.loads((prepared / "dataset.json").read_text())
    os.environ |= {"nnUNet_n_proc_DA": "0"}  # augment in this process; planning refuses 0
    fold: Any = "all" if options.fold == "all" else int(options.fold)
    trainer = nnUNetTrainer(plans, options.configuration, fold, described, torch.device("cpu"))
    trainer.num_epochs, trainer.num_val_iterations_per_epoch = 1, 1
    trainer.num_iterations_per_epoch = options.iterations
    trainer.run_training()


def _prepare(options: argparse.Namespace, prepared: Path) -> None:
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    extract_fingerprints([options.dataset], num_processes=1, show_progress_bar=False, verbose=False)
    identifier = plan_experiments([options.dataset])
    file = prepared / "nnUNetPlans.json"
    plans = json.loads(file.read_text())
    _merge(plans["configurations"][options.configuration], options.override)
    file.write_text(json.dumps(plans, indent=1))
    chosen = [options.configuration]
    preprocess([options.dataset], identifier, configurations=chosen, num_processes=[1], show_progress_bar=False)
    splits = options.root / "nnUNet_raw" / prepared.name / "splits_final.json"
    shutil.copy(splits, prepared / splits.name)


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """Changes over a nested dictionary; what is null is taken away."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


def _adopt(source: Path, target: Path) -> None:
    """Copy a trainer folder, its checkpoints those of nnU-Net's own trainer, which `nnUNetv2_predict` finds."""
    import torch

    for file in (*source.glob("*.json"), *source.glob("fold_*/checkpoint_final.pth")):
        there = target / file.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".json":
            shutil.copy(file, there)
            continue
        checkpoint = torch.load(file, map_location="cpu", weights_only=False)  # our own training wrote it
        torch.save(checkpoint | {"trainer_name": "nnUNetTrainer"}, there)


def _predict(model: Path, images: Path, out: Path) -> None:
    """As `nnUNetv2_predict` does on a CPU, in one process."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    out.mkdir(parents=True, exist_ok=True)
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), None)
    predictor.predict_from_files_sequential(str(images), str(out))


if __name__ == "__main__":
    main()

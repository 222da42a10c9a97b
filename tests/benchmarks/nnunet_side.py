"""nnU-Net's side of `vs_nnunet.py`: plans, preprocesses, trains a fixed number of iterations and predicts, on a CPU.

It runs in an environment that has nnU-Net v2 (2.8.1 was measured) and knows nothing of medseg. What is not as shipped:
the length of the training, to which the polynomial learning rate is fitted (step by step, not by epochs of 250), one
validation iteration in all, the number of workers, and glibc's allocator (`--allocator shipped` leaves that alone).
The weights are those after the last iteration and predictions mirror along all axes, both as shipped.
"""

import argparse
import ctypes
import json
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

# glibc's <malloc.h>: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD; the values that medseg/device.py sets.
_MALLOPT = ((-3, 2**31 - 1), (-1, 2**31 - 1), (-2, 64 << 20))
_WARM_UP = 2
_KEPT_EVERY = 20
QUIET = 0.05  # of the machine: below this share of other processes a measurement counts
_LONGEST_WAIT_S = 1800.0


def main() -> None:
    began = _process_start()
    options = _options()
    if options.allocator == "tuned":
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOPT:
            libc.mallopt(parameter, value)
    for name in ("raw", "preprocessed", "results"):
        folder = options.root / f"nnUNet_{name}"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{name}"] = str(folder)
    os.environ |= {"nnUNet_n_proc_DA": str(options.workers), "nnUNet_def_n_proc": "2"}

    import torch
    from nnunetv2.utilities.dataset_name_id_conversion import convert_id_to_dataset_name

    torch.set_num_threads(os.cpu_count() or 1)  # as nnUNetv2_train does for a CPU
    torch.manual_seed(0)
    dataset = convert_id_to_dataset_name(options.dataset_id)
    report: dict[str, Any] = {"allocator": options.allocator, "workers": options.workers}
    report["start_s"] = time.time() - began
    if options.calibrate:
        await_quiet()
    if options.prepare:
        others = Others()
        report["prepare_s"] = _prepare(options.dataset_id, options.configuration)
        report["prepare_others"] = others.share()
    _copy_splits(options.root, dataset)
    if options.iterations:
        trainer = _trainer(dataset, options)
        report |= _trained(trainer, options.calibrate)
        if options.predict:
            report["predict_s"] = _predict(trainer, options.root / "nnUNet_raw" / dataset / "imagesTs", options.predict)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    options.report.with_suffix(".pt").unlink(missing_ok=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset_id", type=int)
    parser.add_argument(
        "--root", type=Path, required=True, help="holds nnUNet_raw, nnUNet_preprocessed, nnUNet_results"
    )
    parser.add_argument("--configuration", default="3d_fullres", choices=["2d", "3d_fullres"])
    parser.add_argument("--prepare", action="store_true", help="plan and preprocess first")
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument(
        "--calibrate", type=int, default=0, help="stop after so many quiet iterations, and save nothing"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that augment")
    parser.add_argument("--allocator", default="tuned", choices=["tuned", "shipped"])
    parser.add_argument("--predict", type=Path, help="folder for the predictions of imagesTs")
    parser.add_argument("--report", type=Path, required=True, help="JSON of what was measured")
    return parser.parse_args()


def _process_start() -> float:
    import psutil

    return float(psutil.Process().create_time())


class Others:
    """What other processes take of the machine since the last question."""

    def __init__(self) -> None:
        self._last = self._figures()

    def share(self) -> float:
        """Their share of all processors' time."""
        last, self._last = self._last, self._figures()
        busy, own, wall = (now - before for now, before in zip(self._last, last, strict=True))
        return max(0.0, busy - own) / (wall * (os.cpu_count() or 1))

    @staticmethod
    def _figures() -> tuple[float, float, float]:
        import psutil

        machine, own = psutil.cpu_times(), 0.0
        for process in (me := psutil.Process(), *me.children(recursive=True)):
            with suppress(psutil.Error):
                used = process.cpu_times()
                own += used.user + used.system + (used.children_user + used.children_system if process == me else 0)
        return sum(machine) - machine.idle - machine.iowait - machine.guest, own, time.perf_counter()


def await_quiet() -> None:
    """Wait until nothing else computes, half an hour at most."""
    others, until = Others(), time.monotonic() + _LONGEST_WAIT_S
    while time.monotonic() < until:
        time.sleep(2)
        if others.share() < QUIET:
            return


def _prepare(dataset_id: int, configuration: str) -> float:
    """Seconds that fingerprint, plans and the preprocessing of one configuration take."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    began = time.perf_counter()
    extract_fingerprints([dataset_id], num_processes=2, show_progress_bar=False, verbose=False)
    plans = plan_experiments([dataset_id])
    preprocess([dataset_id], plans, configurations=[configuration], num_processes=[2], show_progress_bar=False)
    return time.perf_counter() - began


def _copy_splits(root: Path, dataset: str) -> None:
    text = (root / "nnUNet_raw" / dataset / "splits_final.json").read_text()
    (root / "nnUNet_preprocessed" / dataset / "splits_final.json").write_text(text)


def _trainer(dataset: str, options: argparse.Namespace) -> Any:
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class FittedTrainer(nnUNetTrainer):
        """One epoch of all iterations; the learning rate falls at each of them to the end of the last."""

        ended: list[float]
        shares: list[float]
        others: Others
        wanted = done = 0

        def configure_optimizers(self) -> tuple[Any, Any]:
            optimizer, _ = super().configure_optimizers()
            return optimizer, PolyLRScheduler(optimizer, self.initial_lr, options.iterations)

        def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
            self.lr_scheduler.step(self.done)
            result: dict[str, Any] = super().train_step(batch)
            self.done += 1
            self.ended.append(time.perf_counter())
            self.shares.append(self.others.share())
            if self.wanted and sum(share < QUIET for share in self.shares[_WARM_UP:]) >= self.wanted:
                raise _EnoughError
            if self.done % _KEPT_EVERY == 0 and self.done < options.iterations and not self.wanted:
                self.print_to_log_file(f"iteration {self.done} of {options.iterations}", result["loss"])
                self.keep()
            return result

        def on_train_start(self) -> None:
            super().on_train_start()
            if checkpoint.exists():
                kept = torch.load(checkpoint, weights_only=True)
                self.network.load_state_dict(kept["network"])
                self.optimizer.load_state_dict(kept["optimizer"])
                self.done = kept["done"]
                self.num_iterations_per_epoch = options.iterations - self.done
                self.print_to_log_file(f"going on after iteration {self.done}")

        def keep(self) -> None:
            """What a training that is killed goes on from; only the random numbers are others then."""
            state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)

    checkpoint = options.report.with_suffix(".pt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    folder = options.root / "nnUNet_preprocessed" / dataset
    plans = json.loads((folder / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    described = json.loads((folder / "dataset.json").read_text())
    trainer = FittedTrainer(plans, options.configuration, 0, described, torch.device("cpu"))
    trainer.num_epochs, trainer.num_val_iterations_per_epoch = 1, 1
    trainer.num_iterations_per_epoch = options.iterations
    trainer.ended, trainer.shares, trainer.others = [], [], Others()
    return trainer


class _EnoughError(Exception):
    """The calibration has its iterations."""


def _trained(trainer: Any, calibrate: int) -> dict[str, Any]:
    trainer.wanted, began = calibrate, time.perf_counter()
    try:
        trainer.run_training()
    except _EnoughError:
        for loader in (trainer.dataloader_train, trainer.dataloader_val):
            loader._finish()
    seconds = [later - earlier for earlier, later in zip(trainer.ended, trainer.ended[1:], strict=False)]
    timed = list(zip(seconds, trainer.shares[1:], strict=True))[_WARM_UP - 1 :]
    quiet = [one for one, share in timed if share < QUIET]
    used = trainer.configuration_manager
    return {
        "iterations": trainer.done,
        "samples": trainer.done * trainer.batch_size,
        "batch": trainer.batch_size,
        "patch": [int(size) for size in used.patch_size],
        "features": list(used.network_arch_init_kwargs["features_per_stage"]),
        "setup_s": trainer.ended[0] - began,
        "iteration_s": statistics.median(quiet) if quiet else None,
        "quiet_iterations": len(quiet),
        "iterations_s": [[round(one, 3), round(share, 3)] for one, share in timed[:50]],
        "train_s": time.perf_counter() - began,
    }


def _predict(trainer: Any, images: Path, out: Path) -> float:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    began = time.perf_counter()
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(device=trainer.device, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    predictor.predict_from_files(
        str(images), str(out), num_processes_preprocessing=1, num_processes_segmentation_export=1
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

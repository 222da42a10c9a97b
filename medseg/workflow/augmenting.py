"""What augmentation makes of a data set's patches, to look at before training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.config import apply_overrides, check, read_yaml
from medseg.datasets.settings import chosen_split
from medseg.reporting import Reporter, Silent
from medseg.workflow.opening import opened_dataset

if TYPE_CHECKING:
    from medseg.outputs.augmentation_sheet import SheetRow
    from medseg.plan import Plan
    from medseg.training.cache import CachedCase
    from medseg.training.settings import TrainSettings

__all__ = ["augment_preview"]


def augment_preview(
    config: str | Path,
    *overrides: str,
    out: str | Path,
    cases: int = 3,
    variations: int = 6,
    reporter: Reporter | None = None,
    **values: Any,
) -> Path:
    """Draw patches of a few training cases as they are and as training would see them, each with what was done to it.

    The plan is the run's, made as `make_plan` does where there is none yet; only the cases shown are prepared, into the
    run's cache.

    Args:
        config: A YAML file; `medseg.training.settings.TrainSettings` says what it may hold.
        *overrides: "key=value" words over it, such as "augment.preset=light".
        out: The PNG file.
        cases: Rows, each a case that shows a label if there are such.
        variations: Columns beside the patch as it is.
        reporter: Told of the progress.
        **values: Top-level keys over both.

    Returns:
        The file.

    Raises:
        MedsegError: A key is misspelt, a case cannot be read, the file cannot be written, ...
    """
    from medseg.training.settings import TrainSettings

    reporter = reporter or Silent()
    settings = check(TrainSettings, apply_overrides(read_yaml(Path(config)), overrides) | values, config)
    dataset, labels = opened_dataset(settings, reporter)
    # Torch is loaded only now, so that a mistake in the config is told at once.
    from medseg.outputs.augmentation_sheet import write_sheet
    from medseg.training.cache import cache_cases
    from medseg.training.plan_run import plan_training

    training = chosen_split(dataset, settings).part("train", dataset.cases)
    plan = plan_training(training, labels, dataset.channels, settings, reporter)
    prepared = cache_cases(_spread(training, cases), plan, settings.folder / "cache", reporter, settings.seed)
    rows = [_row(case, plan, settings, variations) for case in prepared.results]
    write_sheet(Path(out), rows, plan.label_set, plan.spacing_mm or (1.0,) * plan.dims)
    return Path(out)


def _spread(training: Sequence[Case], count: int) -> list[Case]:
    """Cases spread evenly over those that may show a label."""
    labelled = [case for case in training if not case.negative] or list(training)
    return [labelled[i * len(labelled) // count] for i in range(min(count, len(labelled)))]


def _row(case: "CachedCase", plan: "Plan", settings: "TrainSettings", variations: int) -> "SheetRow":
    """The patch round a labelled voxel, and variations of it."""
    import numpy as np
    import torch

    from medseg.outputs.augmentation_sheet import SheetRow, ShownPatch
    from medseg.training.patches import fill_patch
    from medseg.training.sampling import choose_centre
    from medseg.transforms.augmentation.drawing import build_augmentation
    from medseg.transforms.augmentation.settings import AugmentSettings

    rng = np.random.default_rng([settings.seed, *case.id.encode()])
    centre = choose_centre(case, 1.0, rng)
    as_it_is = build_augmentation(plan, AugmentSettings(preset="none")).draw(rng)
    augmentation = build_augmentation(plan, settings.augment)
    leading = case.targets.shape[: case.targets.ndim - plan.dims]
    shown = []
    for variation in [as_it_is, *(augmentation.draw(rng) for _ in range(variations))]:
        image = torch.empty(len(case.voxels), *plan.patch_size)
        targets = torch.empty(*leading, *plan.patch_size, dtype=torch.uint8)
        fill_patch(case, centre, variation, image, targets)
        caption = str(variation) or ("as it is" if variation is as_it_is else "nothing")
        shown.append(ShownPatch(image.numpy(), targets.numpy(), caption))
    return SheetRow(case.id, tuple(shown))

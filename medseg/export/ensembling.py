"""The models of a cross-validation's folds as one model folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medseg.errors import ModelFolderError
from medseg.export.bundle import write_bundle
from medseg.inference.model_folder import read_network
from medseg.networks.ensemble import Ensemble
from medseg.plan import Plan, Postprocessing, model_root, read_plan

__all__ = ["write_ensemble"]

_OF_ITS_OWN = ("reasons", "postprocessing", "batch_size", "step_mib", "air_is_background")  # what folds need not share


def write_ensemble(
    folder: Path,
    model_folders: Sequence[Path],
    card: Mapping[str, Any],
    postprocessing: Postprocessing | None = None,
    *,
    trusted: bool = False,
) -> Plan:
    """Join models of one plan; together they answer with the mean of their logits.

    Args:
        folder: The model folder that is made.
        model_folders: Two or more model folders, such as those of the folds.
        card: What the joined model is, in a few JSON values.
        postprocessing: How its masks are cleaned, where not as the first model's.
        trusted: Their network may be somebody's own code; see `load_model`.

    Returns:
        The plan of the ensemble as it was saved.

    Raises:
        ModelFolderError: There are fewer than two, one is incomplete, itself an ensemble or not trusted, or their plans
            differ.
        OutputError: Something cannot be written.
    """
    roots = [model_root(Path(path)) for path in model_folders]
    if len(roots) < 2:
        raise ModelFolderError(folder, f"{len(roots)} models to join", "Give one for each fold.", "two at least")
    plans = [read_plan(root / "plan.json") for root in roots]
    for root, plan in zip(roots, plans, strict=True):
        _require_joinable(root, plan, plans[0])
    network = Ensemble(read_network(root, plan, trusted=trusted) for root, plan in zip(roots, plans, strict=True))
    changes = {
        "members": len(roots),
        "postprocessing": postprocessing or plans[0].postprocessing,
        # The mean of logits whose largest is the background's has the background's as its largest, too.
        "air_is_background": True if all(plan.air_is_background for plan in plans) else None,
    }
    return write_bundle(folder, plans[0].model_copy(update=changes), network, card)


def _require_joinable(root: Path, plan: Plan, first: Plan) -> None:
    if plan.members > 1:
        raise ModelFolderError(root, f"is an ensemble of {plan.members}", "Join the models that it was made of.")
    ours, theirs = first.model_dump(exclude=set(_OF_ITS_OWN)), plan.model_dump(exclude=set(_OF_ITS_OWN))
    differing = [key for key in ours if ours[key] != theirs[key]]
    if differing:
        found = f"has another {' and '.join(differing)} than the first model"
        raise ModelFolderError(root, found, "Train all folds with one plan.")

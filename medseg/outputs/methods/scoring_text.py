"""How masks were made and scored, in sentences: inference, metrics with their definitions, statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import Citations
from medseg.outputs.methods.wording import counted, joined, number, percent
from medseg.plan import Plan

__all__ = ["METRICS", "inference_paragraph", "metrics_paragraph", "reported_metrics", "statistics_paragraph"]

METRICS = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
    "hd95_px": "HD95 (pixels)",
    "assd_mm": "ASSD (mm)",
    "assd_px": "ASSD (pixels)",
    "nsd": "NSD",
    "nsd_px": "NSD (pixels)",
    "lesion_f1": "lesion F1",
}
_MATCH = {
    "any": "if they had any voxel in common",
    "iou": "one to one if their intersection over union was at least {threshold}",
    "centroid": "one to one if their centres of mass were at most {threshold} mm (or pixels) apart",
}
_TESTS = {"Mann": "mann_whitney", "Kruskal": "kruskal", "Wilcoxon": "wilcoxon"}


def inference_paragraph(run: Recorded, plan: Plan) -> str:
    """How the network was run, and what was done to its masks."""
    settings = run.predictions.get("settings", {})
    overlap = settings.get("overlap", plan.overlap)
    told = [f"Images were predicted in windows of the patch size that overlapped by {percent(overlap)}."]
    mirrored = settings.get("mirrored") or ()
    if mirrored:
        axes = joined(["xyz"[axis] for axis in mirrored])
        told.append(f"Predictions of views mirrored along {axes} were averaged.")
    elif "mirrored" in settings:
        told.append("There was no test-time augmentation.")
    if plan.members > 1:
        told.append(f"The final model averages the logits of {plan.members} networks.")
    if settings.get("backend"):
        told.append(f"The network was run by {settings['backend']} on {settings['device']} in {settings['precision']}.")
    return " ".join([*told, _postprocessing(run, plan)])


def _postprocessing(run: Recorded, plan: Plan) -> str:
    done = plan.postprocessing
    told = [f"voxels of {name} were kept from a probability of {number(p)}" for name, p in done.threshold.items()]
    told += [f"only the largest component of {name} was kept" for name in done.largest]
    unit = "pixels" if plan.dims == 2 or plan.spacing_mm is None else "ml"
    told += [f"components of {name} below {number(size)} {unit} were removed" for name, size in done.min_size.items()]
    if not told:
        return "Masks were not post-processed."
    chosen = ", as chosen on the out-of-fold predictions" if run.folds else ""
    return f"In the masks {joined(told)}{chosen}."


def reported_metrics(run: Recorded) -> list[str]:
    """Those of `METRICS` that the evaluation has figures of."""
    labels = (run.evaluation or {}).get("labels", {})
    return [name for name in METRICS if any(one.get(name, {}).get("n") for one in labels.values())]


def metrics_paragraph(run: Recorded, cite: Citations) -> str:
    """Each metric reported, as it was scored."""
    scoring, metrics = (run.evaluation or {})["scoring"], reported_metrics(run)
    told = [
        "Masks were scored on the grid of the original image, case by case and label by label "
        f"{cite('metrics_reloaded')}."
    ]
    said: Mapping[str, Any] = {
        "dice": lambda: (
            f"the Dice coefficient, twice the voxels of both masks over the sum of the voxels of each {cite('dice')}"
        ),
        "hd95": lambda: (
            "HD95, the greater of the two directed 95th percentiles of the distances between the borders "
            f"{cite('hausdorff')}"
        ),
        "assd": lambda: "ASSD, the mean of the distances from each border to the other, of both directions together",
        "nsd": lambda: (
            f"NSD, the share of both borders within {_tolerance(scoring, metrics)} of the other {cite('nsd')}"
        ),
        "lesion_f1": lambda: "lesion F1, the harmonic mean of lesion sensitivity and precision",
    }
    families = dict.fromkeys(name.removesuffix("_mm").removesuffix("_px") for name in metrics)
    told.append(f"The metrics were {'; '.join(said[name]() for name in families)}.")
    if {"hd95", "assd", "nsd"} & families.keys():
        told.append(_border(scoring["definition"]))
    if "lesion_f1" in families:
        match = _MATCH[scoring["match"]].format(threshold=number(scoring["match_threshold"]))
        told.append(f"Lesions were connected components; a predicted and a reference lesion matched {match}.")
    told.append(
        "A label absent from both masks was left out of the mean; absent from one of them, its Dice coefficient, NSD "
        "and lesion F1 were 0 and its distances undefined."
    )
    return " ".join(told)


def _tolerance(scoring: Mapping[str, Any], metrics: Sequence[str]) -> str:
    unit = joined([unit for name, unit in (("nsd", "mm"), ("nsd_px", "pixels")) if name in metrics], "or")
    own = [f"{number(mm)} {unit} for {label}" for label, mm in scoring["tolerances"].items()]
    first = f"{number(scoring['nsd_tolerance'])} {unit}"
    return f"{first}, {joined(own)}," if own else first


def _border(definition: str) -> str:
    if definition == "border-voxels":
        return "Borders were voxels with a background neighbour across a face, and distances those of their centres."
    return "Borders were surfaces between voxels, weighted by their area."


def statistics_paragraph(run: Recorded, cite: Citations) -> str:
    """Means, intervals and tests, as the tables have them."""
    evaluation, told = run.evaluation or {}, []
    if _has_intervals(evaluation):
        scoring = evaluation["scoring"]
        draws = f" ({scoring['resamples']} resamples, seed {scoring['seed']})" if "resamples" in scoring else ""
        told.append(
            f"Scores are means over cases with 95% confidence intervals from a bootstrap that draws patients{draws} "
            f"{cite('bootstrap')}, by expanded percentiles {cite('expanded')}."
        )
    elif evaluation:
        told.append("Scores are means over cases.")
    if run.subgroups:
        columns = joined(list(dict.fromkeys(row["column"] for row in run.subgroups)))
        tests = dict.fromkeys(row["test"] for row in run.subgroups if row.get("test"))
        named = [test + "".join(f" {cite(key)}" for word, key in _TESTS.items() if word in test) for test in tests]
        how = f", on one value a patient: {joined(named)}, with p-values adjusted by Holm's method {cite('holm')}"
        told.append(f"Scores were also taken by {columns}{how if tests else ', without a test'}.")
    if run.leaderboard is not None:
        told.append(_comparisons(run.leaderboard, cite))
    return " ".join(told)


def _comparisons(board: Mapping[str, Any], cite: Citations) -> str:
    settings = board["settings"]
    draws = f"{percent(settings['level'])}, {settings['resamples']} resamples, seed {settings['seed']}"
    return (
        f"{counted(len(board['models']), 'model')} ({joined(board['models'])}) were compared on the cases that all of "
        f"them had, by one difference a patient: bootstrap intervals ({draws}), the Wilcoxon signed-rank test "
        f"{cite('wilcoxon')} and a sign-flip permutation test, each adjusted for all pairs of models by Holm's method "
        f"{cite('holm')}."
    )


def _has_intervals(evaluation: Mapping[str, Any]) -> bool:
    figures = [figure for label in evaluation.get("labels", {}).values() for figure in label.values()]
    return any(figure.get("low") is not None for figure in figures)

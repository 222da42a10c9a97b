"""The results of an evaluation as a table and sentences, and whether its cases were unseen."""

from collections.abc import Mapping
from typing import Any

from medseg.outputs.methods.data_text import part_name
from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.scoring_text import METRICS, reported_metrics
from medseg.outputs.methods.wording import counted, interval, joined, number, percent

__all__ = ["comparison_table", "failure_sentence", "results_sentences", "results_table", "scored_parts", "seen"]


def scored_parts(run: Recorded) -> dict[str, int]:
    """How many scored cases come from each part of the run; "elsewhere" are cases that it does not know."""
    part_of = {name: part for part, names in run.parts.items() for name in names}
    found: dict[str, int] = {}
    for name in dict.fromkeys(row["case"] for row in run.scored):
        part = part_of.get(name, "elsewhere")
        found[part] = found.get(part, 0) + 1
    return found


def seen(run: Recorded) -> int:
    """How many scored cases had taught the model or chosen its weights; out-of-fold cases had not."""
    own = run.folds and run.predictions == {}
    return 0 if own else sum(count for part, count in scored_parts(run).items() if part not in ("test", "elsewhere"))


def results_sentences(run: Recorded) -> str:
    """On which cases the scores are, and what could not be scored."""
    evaluation = run.evaluation or {}
    parts = scored_parts(run)
    count = evaluation["cases_scored"]
    told = []
    if run.folds and not run.predictions and set(parts) <= {name for name in run.parts if name.startswith("fold ")}:
        told.append(
            f"Scores are of {counted(count, 'case')}, each predicted by the network of the fold that held it "
            "out, before any post-processing."
        )
    else:
        whose = [
            f"{number} from the {part_name(part)} part"
            if part != "elsewhere"
            else f"{number} from outside the data set"
            for part, number in parts.items()
        ]
        told.append(
            f"Scores are of the {counted(count, 'case')} {whose[0].split(' ', 1)[1]}."
            if len(parts) == 1 and count == sum(parts.values())
            else f"Scores are of {counted(count, 'case')}; of those in the table of cases, {joined(whose)}."
        )
    if seen(run):
        told.append(
            f"**{counted(seen(run), 'case')} of them had been used in training or for choosing the weights, so that "
            "these scores are too good.**"
        )
    told.append(_patients(run))
    told.append(failure_sentence(run))
    return " ".join(filter(None, told))


def _patients(run: Recorded) -> str:
    """A warning where the evaluation takes cases of one patient for several, which makes intervals too narrow."""
    whose = {row["case"]: row.get("patient", "") for row in run.scored}
    ours = {run.patient_of[name] for name in whose if name in run.patient_of}
    theirs = {patient for name, patient in whose.items() if name in run.patient_of}
    if not ours or len(theirs) <= len(ours):
        return ""
    return (
        f"**The evaluation took these cases for {len(theirs)} patients, but the run knows {len(ours)}: its intervals "
        "are too narrow.**"
    )


def failure_sentence(run: Recorded) -> str:
    """Cases without a score."""
    failures = (run.evaluation or {}).get("failures", [])
    if not failures:
        return "No case failed to be scored."
    return f"{counted(len(failures), 'case')} could not be scored: {joined([one['case'] for one in failures])}."


def results_table(run: Recorded) -> list[list[str]]:
    """A header, and a row a label and metric: mean with interval, standard deviation, cases, patients, undefined."""
    rows = [["label", "metric", "mean (95% interval)", "sd", "cases", "patients", "undefined"]]
    labels = (run.evaluation or {})["labels"]
    order = {name: place for place, name in enumerate(run.plan.label_set.names if run.plan else ())}
    for label, scores in sorted(labels.items(), key=lambda item: (order.get(item[0], len(order)), item[0][0] == "(")):
        for name in reported_metrics(run):
            one = scores.get(name)
            if one is None or not one["n"]:
                continue
            sd = "" if one["sd"] is None else f"{one['sd']:.3f}"
            patients = "" if one.get("patients") is None else str(one["patients"])
            undefined = str(one["n_empty"] + one["n_one_empty"])
            mean = interval(one["mean"], one.get("low"), one.get("high"))
            rows.append([label, METRICS[name], mean, sd, str(one["n"]), patients, undefined])
    return rows


def comparison_table(board: Mapping[str, Any]) -> list[list[str]]:
    """A header, and a row a pair of models of the leaderboard."""
    difference = f"difference ({percent(board['settings']['level'])} interval)"
    rows = [["metric", "label", "models", difference, "Wilcoxon p", "permutation p", "patients"]]
    for one in board["comparisons"]:
        difference = "" if one["difference"] is None else interval(one["difference"], one["low"], one["high"])
        ps = [_p(one[f"{test}_p_holm"]) for test in ("wilcoxon", "permutation")]
        models = f"{one['model']} less {one['other']}"
        rows.append(
            [METRICS.get(one["metric"], one["metric"]), one["label"], models, difference, *ps, str(one["patients"])]
        )
    return rows


def _p(value: float | None) -> str:
    if value is None:
        return "not tested"
    return "< 0.001" if value < 0.001 else number(value, 2)

"""The methods section of a paper in Markdown, and the facts that it was written from."""

from collections.abc import Sequence
from typing import Any

from medseg.io.dicom.headers import RADIOGRAPHS
from medseg.outputs.methods.classical_text import classical_paragraphs, tried_settings
from medseg.outputs.methods.data_text import (
    characteristics,
    data_paragraphs,
    disjoint_patients,
    part_counts,
    present_in,
    scanners,
)
from medseg.outputs.methods.model_text import halvings_of, network_paragraph, preprocessing_paragraph
from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import Citations
from medseg.outputs.methods.results_text import comparison_table, results_sentences, results_table, scored_parts, seen
from medseg.outputs.methods.scoring_text import (
    inference_paragraph,
    metrics_paragraph,
    reported_metrics,
    statistics_paragraph,
)
from medseg.outputs.methods.training_text import computing_paragraph, minutes_of, training_paragraphs
from medseg.training.learning_settings import LearningSettings
from medseg.transforms.augmentation.settings import AugmentSettings

__all__ = ["facts_of_run", "methods_text", "not_recorded", "table"]

_HEAD = """# Methods

*Written by medseg from the records of the run; every figure is from there. It says what was done, not why: edit it,
and add what the checklist names as yours.*"""


def methods_text(run: Recorded) -> str:
    """The whole document."""
    cite = Citations()
    parts = [_HEAD, "## Data", *data_paragraphs(run)]
    if rows := characteristics(run):
        parts += ["Table 1. What the data set says of the patients, by part.", table(rows)]
    parts += _learning(run, cite)
    if computing := computing_paragraph(run, cite):
        parts += ["## Computing", computing]
    if run.evaluation is not None:
        parts += ["## Evaluation", metrics_paragraph(run, cite)]
    if statistics := statistics_paragraph(run, cite):
        parts += ["## Statistics", statistics]
    if run.evaluation is not None or run.leaderboard is not None:
        parts += ["## Results", *_results(run)]
    parts += ["## References", cite.section()]
    if missing := not_recorded(run):
        parts += ["## What the records do not say", "\n".join(f"- {one}" for one in missing)]
    return "\n\n".join(parts) + "\n"


def _learning(run: Recorded, cite: Citations) -> list[str]:
    plan = run.plan
    if plan is None:
        return ["## Segmentation", *classical_paragraphs(run, cite)]
    return [
        *("## Preprocessing", preprocessing_paragraph(plan, cite)),
        *("## Network", network_paragraph(run, plan, cite)),
        *("## Training", *training_paragraphs(run, plan, cite)),
        *("## Inference", inference_paragraph(run, plan)),
    ]


def _results(run: Recorded) -> list[str]:
    parts = []
    if run.evaluation is not None:
        parts += [results_sentences(run), "Table 2. Scores.", table(results_table(run))]
    if run.leaderboard is not None:
        parts += ["Table 3. Models compared; p-values are adjusted.", table(comparison_table(run.leaderboard))]
    return parts


def not_recorded(run: Recorded) -> list[str]:
    """What belongs into a methods section and this run has no record of, a phrase each."""
    missing = {
        "whose the cases are, so that patients could not be counted": not run.cases,
        "how the cases were divided": not run.asked or not (run.cases or run.asked.get("split")),
        "the machine": not any(one.sessions for one in run.trainings),
        "the sizes and spacings of the images": run.grid is None,
        "the modality": not (run.plan.modality if run.plan else run.asked.get("modality")),
        "scanners": not any(row.get("scanner") for row in (*run.cases, *run.predicted)),
        "scores: pass --predictions or --evaluation": run.evaluation is None,
    }
    return [what for what, absent in missing.items() if absent]


def facts_of_run(run: Recorded) -> dict[str, Any]:
    """The records themselves, and what was counted of them."""
    grid = None if run.grid is None else {"cases": run.grid.cases, "shape": run.grid.shape, "mm": run.grid.spacing_mm}
    return {
        "folder": run.folder,
        "counted": _counted(run),
        "parts": part_counts(run),
        "folds": run.folds,
        "no_patient_in_two_parts": disjoint_patients(run),
        "characteristics": characteristics(run),
        "plan": None if run.plan is None else run.plan.model_dump(mode="json"),
        "classical": run.classical,
        "tried": tried_settings(run),
        "settings": run.asked or run.settings,
        "trainings": [{"settings": t.settings, "summary": t.summary, "sessions": t.sessions} for t in run.trainings],
        "images": {"fingerprint": run.fingerprint, "grid": grid},
        "predictions": {key: value for key, value in run.predictions.items() if key != "plan"},
        "evaluation": run.evaluation,
        "scored_parts": scored_parts(run),
        "scored_but_seen": seen(run),
        "leaderboard": run.leaderboard,
        "not_recorded": not_recorded(run),
    }


def _counted(run: Recorded) -> dict[str, Any]:
    """What the text says and no record holds as such: sums, and defaults that the settings leave open."""
    found: dict[str, Any] = {
        "cases": sum(len(names) for names in run.parts.values()),
        "patients": len(set(run.patient_of.values())) or None,
        "parts": len(run.parts),
        "fixed_by_the_data_set": sum(1 for row in run.cases if row.get("split")),
        "label_in_cases": {name: present_in(one) for name, one in run.fingerprint.get("labels", {}).items()},
        "scanners": scanners(run)[0],
        "metrics": reported_metrics(run),
    }
    if run.plan is None:
        return found | {"labels": len((run.classical or {})["parts"]), "methods": len(tried_settings(run))}
    learning = LearningSettings.model_validate(run.settings["learning"])
    augment = AugmentSettings.model_validate(run.settings["augment"])
    return found | {
        "labels": len(run.plan.label_set.names),
        "levels": len(run.plan.network.features),
        "halvings": halvings_of(run.plan),
        "learning_rate": learning.peak_rate,
        "weight_decay": learning.decay,
        "rotation_degrees": augment.degrees(run.plan.modality in RADIOGRAPHS),
        "training_minutes": minutes_of(run),
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its header."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])

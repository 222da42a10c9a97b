"""A checklist after CLAIM (Mongan 2020, Tejani 2024): what a run answers filled in, the rest named as the authors'.

The topics are in our own words; a journal wants its own form, and the numbers are those of the update of 2024.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medseg.outputs.methods.classical_text import classical_sentence, fitting_paragraph
from medseg.outputs.methods.data_text import characteristics, data_paragraphs, disjoint_patients, split_sentence
from medseg.outputs.methods.document import table
from medseg.outputs.methods.model_text import first_weights, network_paragraph, preprocessing_paragraph
from medseg.outputs.methods.recorded import Recorded
from medseg.outputs.methods.references import REFERENCES, Citations
from medseg.outputs.methods.results_text import failure_sentence, results_sentences, scored_parts
from medseg.outputs.methods.scoring_text import inference_paragraph, metrics_paragraph, statistics_paragraph
from medseg.outputs.methods.training_text import computing_paragraph, selection_sentence, training_paragraphs

__all__ = ["ITEMS", "Item", "checklist_text", "open_items"]

_AUTHORS = "To be written by the authors"


@dataclass(frozen=True)
class Item:
    """One item.

    Args:
        number: In the update of 2024.
        section: Of the paper.
        topic: What is to be reported.
        theirs: What no run can know; empty where the run answers all of it.
    """

    number: int
    section: str
    topic: str
    theirs: str = ""


ITEMS = (
    Item(1, "Title", "The title or abstract says that the study is of AI, and of which kind", "the title"),
    Item(2, "Abstract", "Structured summary of design, methods, results and conclusions", "the abstract"),
    Item(3, "Introduction", "Background, intended use and clinical role", "the clinical background and role"),
    Item(4, "Introduction", "Aims, objectives and hypotheses", "the aims and hypotheses"),
    Item(5, "Design", "Prospective or retrospective", "whether data were collected for this study or before it"),
    Item(6, "Design", "Goal of the study", "what the study was to show (feasibility, non-inferiority ...)"),
    Item(7, "Data", "Sources of the data", "where, when and by whom the images were collected, and ethical approval"),
    Item(8, "Data", "Criteria of inclusion and exclusion", "who was eligible, and who was excluded and why"),
    Item(9, "Data", "Preprocessing"),
    Item(
        10, "Data", "Selection of subsets of the data", "how images were chosen from whole examinations, if they were"
    ),
    Item(11, "Data", "De-identification", "how the data were de-identified, and by what standard"),
    Item(12, "Data", "Missing data", "how much was missing, and what was done about it"),
    Item(13, "Data", "Acquisition of the images", "protocols, contrast agents, reconstruction"),
    Item(14, "Reference standard", "Definition of the reference", "by what rules and tools the reference was drawn"),
    Item(15, "Reference standard", "Reason for that reference", "why this reference, and its known errors"),
    Item(16, "Reference standard", "Who annotated", "how many readers, with what qualification and training"),
    Item(17, "Reference standard", "Annotation of the test part", "how its reference was made, if in another way"),
    Item(
        18, "Reference standard", "Variability of the readers", "inter- and intra-reader agreement, how discord ended"
    ),
    Item(19, "Partitions", "How data were assigned to the parts"),
    Item(20, "Partitions", "Level at which the parts are disjoint"),
    Item(21, "Testing data", "Intended size of the sample", "how the size was determined, and a power analysis"),
    Item(22, "Model", "Description of the model: inputs, layers, outputs"),
    Item(23, "Model", "Software libraries, frameworks and packages"),
    Item(24, "Model", "Initial parameters"),
    Item(25, "Training", "Details of training: augmentation, hyperparameters, number of models"),
    Item(26, "Training", "How the final model was chosen"),
    Item(27, "Training", "Ensembles"),
    Item(28, "Evaluation", "Metrics of performance"),
    Item(29, "Evaluation", "Significance and uncertainty"),
    Item(30, "Evaluation", "Robustness or sensitivity", "what was varied, and what came of it"),
    Item(31, "Evaluation", "Explainability", "how the model's decisions were looked into, if they were"),
    Item(32, "Evaluation", "Performance on internal data"),
    Item(
        33, "Evaluation", "Performance on external data", "tests on data of other institutions, or that there were none"
    ),
    Item(34, "Evaluation", "Registration of a clinical trial", "registry and number, where it is a trial"),
    Item(35, "Results", "Patients and examinations included and excluded", "a flow diagram with those excluded"),
    Item(36, "Results", "Demographic and clinical characteristics of each part", "what the data set does not say"),
    Item(37, "Results", "Performance with its uncertainty"),
    Item(
        38, "Results", "Diagnostic performance and its precision", "sensitivity and specificity for the clinical task"
    ),
    Item(39, "Results", "Analysis of failures", "what the wrong cases have in common"),
    Item(40, "Discussion", "Limitations", "limitations, potential bias, generalisability"),
    Item(41, "Discussion", "Implications for practice", "intended use and clinical role after these results"),
    Item(42, "Other", "Full study protocol", "where it can be found"),
    Item(43, "Other", "Availability of software, model and data", "where code, weights and data can be had"),
    Item(44, "Other", "Funding", "sources of funding, and the role of the funders"),
)


def checklist_text(run: Recorded) -> str:
    """The checklist in Markdown: a section an item."""
    answers = {number: answer for number, of in _ANSWERS.items() if (answer := of(run))}
    whole = [item for item in ITEMS if item.number in answers and not item.theirs]
    count = f"The run answers {len(whole)} of {len(ITEMS)} items, and some of the others in part."
    lines = [
        "# Checklist for an AI study in medical imaging",
        f"After CLAIM: {REFERENCES['claim_2020']}; {REFERENCES['claim_2024']}. Topics are in medseg's words, numbers "
        f"are of the 2024 update. {count} References are in methods.md.",
    ]
    section = ""
    for item in ITEMS:
        if item.section != section:
            section = item.section
            lines.append(f"## {section}")
        lines.append(f"**{item.number}. {item.topic}.** {_answer(item, answers.get(item.number, ''))}")
    return "\n\n".join(lines) + "\n"


def open_items(run: Recorded) -> list[int]:
    """Numbers of the items that the authors have to answer, wholly or in part."""
    return [item.number for item in ITEMS if item.theirs or not _ANSWERS[item.number](run)]


def _answer(item: Item, found: str) -> str:
    theirs = item.theirs or ("" if found else f"the run has no record of it: {item.topic[0].lower()}{item.topic[1:]}")
    return " ".join(filter(None, [found, f"*{_AUTHORS}: {theirs}.*" if theirs else ""]))


def _uncited(text: str) -> str:
    """Without the numbers of references, which are those of another document."""
    return re.sub(r" \[[\d, ]+\](?=[\s,.;:)])", "", text)


def _scored(of: Callable[[Recorded, Citations], str]) -> Callable[[Recorded], str]:
    return lambda run: "" if run.evaluation is None else _uncited(of(run, Citations()))


def _model(run: Recorded) -> str:
    if run.plan is None:
        return " ".join(_uncited(classical_sentence(part, Citations())) for part in (run.classical or {})["parts"])
    return _uncited(network_paragraph(run, run.plan, Citations()))


def _training(run: Recorded) -> str:
    if run.plan is None:
        return fitting_paragraph(run)
    return _uncited(" ".join(training_paragraphs(run, run.plan, Citations())[:2]))


def _ensemble(run: Recorded) -> str:
    if run.plan is None or run.plan.members == 1:
        return "None: a single model."
    return inference_paragraph(run, run.plan)


def _internal(run: Recorded) -> str:
    if run.evaluation is None or set(scored_parts(run)) <= {"elsewhere"}:
        return ""
    return results_sentences(run) + " The scores are in methods.md, table 2."


def _external(run: Recorded) -> str:
    count = scored_parts(run).get("elsewhere", 0) if run.evaluation else 0
    return f"{count} of the scored cases are not of this data set." if count else ""


def _table_1(run: Recorded) -> str:
    rows = characteristics(run)
    return f"By part:\n\n{table(rows)}\n\n" if rows else ""


def _title(run: Recorded) -> str:
    return (
        "Segmentation by deep learning."
        if run.plan
        else "Segmentation by a fitted classical method, without a neural network."
    )


def _level(run: Recorded) -> str:
    apart = disjoint_patients(run)
    if apart is None:
        return ""
    return "The patient: none was in more than one part." if apart else "The case: some patients were in two parts."


def _left_out(run: Recorded) -> str:
    return data_paragraphs(run)[0].split(". ", 1)[0] + "."


_ANSWERS: Mapping[int, Callable[[Recorded], str]] = dict.fromkeys((item.number for item in ITEMS), lambda run: "") | {
    1: _title,
    9: lambda run: _uncited(preprocessing_paragraph(run.plan, Citations())) if run.plan else "",
    13: lambda run: " ".join(data_paragraphs(run)[2:]),
    19: split_sentence,
    20: _level,
    22: _model,
    23: lambda run: _uncited(computing_paragraph(run, Citations())),
    24: lambda run: first_weights(run) if run.plan else "None: the method has no weights.",
    25: _training,
    26: lambda run: _uncited(selection_sentence(run, Citations())) if run.plan else fitting_paragraph(run),
    27: _ensemble,
    28: _scored(metrics_paragraph),
    29: _scored(statistics_paragraph),
    32: _internal,
    33: _external,
    35: _left_out,
    36: _table_1,
    37: _internal,
    39: _scored(lambda run, cite: failure_sentence(run)),
}

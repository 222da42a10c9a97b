"""Scores predicted against reference masks on the native grid, case by case; a bad case never stops the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from medseg.case import Case
from medseg.errors import ConfigError, DatasetError
from medseg.evaluation.calibration import Reliability
from medseg.evaluation.evaluation import Evaluation
from medseg.evaluation.facts import facts_table
from medseg.evaluation.in_turn import Failed, in_turn
from medseg.evaluation.lesion_rows import lesions_table
from medseg.evaluation.one_case import CaseScores, scores_of_case
from medseg.evaluation.pairs import Pair
from medseg.evaluation.placed import probabilities_beside, read_placed
from medseg.evaluation.scoring import Scoring, Tolerance, scoring_of
from medseg.evaluation.source import Source
from medseg.evaluation.statistics.grouping import group_cases
from medseg.evaluation.summary import scores_table, summarise
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent

__all__ = ["evaluate_pairs"]


@dataclass(frozen=True)
class _How:
    """How each case is read and scored; goes to other processes."""

    known: Labels
    declared: Labels | None
    options: ReadOptions | None
    scoring: Scoring
    resample: bool


def evaluate_pairs(
    pairs: Iterable[Pair],
    labels: Labels | None = None,
    reporter: Reporter | None = None,
    options: ReadOptions | None = None,
    *,
    nsd_tolerance: Tolerance = 1.0,
    scoring: Mapping[str, Any] | None = None,
    resample: bool = False,
    jobs: int | None = None,
    recorded: Mapping[str, Mapping[str, str]] | None = None,
    group_by: Sequence[str] = (),
) -> Evaluation:
    """Score every pair of masks.

    A label that nobody looked for in a case of a data set (`Case.annotated`) has no score there, and is counted.
    Probabilities are scored too where `medseg predict --probabilities` wrote them beside a mask.

    Args:
        pairs: Case id, predicted mask, and the reference's file or case, as `find_pairs` gives.
        labels: What the values mean. Without it every structure that the references name is a label, or else every
            value above 0 that occurs, and nothing is ignored.
        reporter: Shows the progress.
        options: How references are read; of several readers' masks, what becomes of them.
        nsd_tolerance: How far apart borders may be for the normalised surface Dice, in mm; in pixels where the
            spacing of a case is unknown. One number, or one for each label that is not to have 1.
        scoring: Further fields of `Scoring`.
        resample: Bring a prediction on another grid onto its reference's, instead of refusing it.
        jobs: Cases scored at a time, each in memory; one a processor where left out. The result is the same for any
            number.
        recorded: What the predictions' `cases.csv` says of each case, as `recorded_cases` reads it.
        group_by: Columns of `Evaluation.facts` by whose values the cases are also scored in subgroups.

    Returns:
        Scores, summary, and the cases that could not be scored (unreadable, another grid, undeclared values).

    Raises:
        DatasetError: There is no pair, or no pair at all could be read while the labels were unknown.
        ConfigError: A tolerance is negative or no number, or of a label that there is not.
        InputError: Nothing is known of the cases by the name of a column to group by, or it makes no groups.
    """
    rules = scoring_of(nsd_tolerance, scoring)
    pairs, reporter = list(pairs), reporter or Silent()
    if not pairs:
        raise DatasetError("pairs", "nothing to evaluate", "Give at least one predicted mask and its reference.")
    facts = facts_table(pairs, recorded)
    for column in group_by:
        group_cases(facts, column)  # refuses now what could not be done after all the work
    structures = _structures_in(pairs)
    if labels is not None:
        _require_shown(labels, structures)
    labels = labels or (Labels.of_structures(structures) if structures else None)
    known = labels or _labels_in(pairs, reporter, options, resample, jobs)
    rules.require_labels(known)
    how = _How(known, labels, options, rules, resample)
    scored: list[CaseScores] = []
    failures: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    outcomes = in_turn(partial(_scored, how), pairs, jobs, reporter, "scoring")
    for (case, *_), outcome in zip(pairs, outcomes, strict=True):
        if isinstance(outcome, Failed):
            failures.append((case, outcome.reason))
            continue
        scored.append(outcome)
        notes += [(case, outcome.note)] if outcome.note else []
    cases = scores_table([row for one in scored for row in one.rows])
    return Evaluation(
        cases,
        summarise(cases, dict(zip(facts["case"], facts["patient"], strict=True)), rules),
        tuple(failures),
        rules,
        lesions_table([row for one in scored for row in one.lesions]),
        _together(scored),
        tuple(notes),
        facts,
        tuple(group_by),
        Source({pair[0]: pair for pair in pairs}, known, labels, options, resample, recorded or {}),
    )


def _scored(how: _How, pair: Pair) -> CaseScores:
    """One case.

    Raises:
        MedsegError: It cannot be scored.
    """
    case, prediction, reference = pair
    judged = how.known.judged(reference.annotated) if isinstance(reference, Case) else None
    placed = read_placed(prediction, reference, how.declared, how.options, how.resample)
    shares = placed.moved(probabilities_beside(prediction, how.known))
    return scores_of_case(
        placed.predicted, placed.true, how.known, case, judged, placed.grid, how.scoring, shares, placed.note
    )


def _together(scored: Sequence[CaseScores]) -> dict[tuple[str, str], Reliability]:
    keys = dict.fromkeys(key for one in scored for key in one.reliability)
    parts = {key: [one.reliability[key] for one in scored if key in one.reliability] for key in keys}
    return {key: reduce(Reliability.__add__, found) for key, found in parts.items()}


def _structures_in(pairs: Sequence[Pair]) -> list[str]:
    """Names of the structures that references name; none where they hold values."""
    references = [reference for _, _, reference in pairs if isinstance(reference, Case)]
    return sorted({name for reference in references for name in reference.structures})


def _require_shown(labels: Labels, structures: Sequence[str]) -> None:
    """Refuse labels of which the references name none, as they call them otherwise: all would score 0.

    Raises:
        ConfigError: None of the structures is a label.
    """
    if structures and not any(labels.value_of(name) for name in structures):
        mend = f"Say what a label is made of, such as --label {labels.names[0]}=[{','.join(structures)}]."
        raise ConfigError("labels", f"the references name {', '.join(structures)}, and no label of them", mend)


def _labels_in(
    pairs: Sequence[Pair], reporter: Reporter, options: ReadOptions | None, resample: bool, jobs: int | None
) -> Labels:
    """Labels for all values in all masks that can be read; those that cannot become failures later.

    So do masks with negative values, which could be labels, an ignore value or an image.
    """
    outcomes = in_turn(partial(_values, options, resample), pairs, jobs, reporter, "looking for labels")
    found = {value for values in outcomes if not isinstance(values, Failed) for value in values if value >= 0}
    return labels_of(np.array(sorted(found), dtype=np.int64), where="masks")


def _values(options: ReadOptions | None, resample: bool, pair: Pair) -> set[int]:
    placed = read_placed(pair[1], pair[2], None, options, resample)
    return {int(value) for mask in (placed.predicted, placed.true) for value in np.unique(mask)}

"""The page that `medseg evaluate` writes: what the scores are, how sure they are, and how the worst cases look."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from medseg.atomic import write_text
from medseg.evaluation.evaluation import Evaluation
from medseg.evaluation.scoring import Scoring
from medseg.outputs.evaluation_words import in_words
from medseg.outputs.inspection_look import html_page
from medseg.outputs.page_tables import between, figure, header, image, p_value, row_of, text
from medseg.outputs.worst_cases import PREDICTED, REFERENCE, worst_pictures

__all__ = ["METRIC_NAMES", "write_evaluation_page"]

METRIC_NAMES = {
    "dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall", "hd95_mm": "HD95 (mm)",
    "assd_mm": "ASSD (mm)", "nsd": "NSD", "hd95_px": "HD95 (pixels)", "assd_px": "ASSD (pixels)",
    "nsd_px": "NSD (pixels)", "relative_volume_difference": "relative volume difference",
    "lesion_sensitivity": "lesion sensitivity", "lesion_precision": "lesion precision", "lesion_f1": "lesion F1",
    "false_lesions": "false lesions a case",
}  # fmt: skip
_MOST_ROWS = 1000  # of the table of cases; a browser sorts no more with pleasure
_MOST_TOLD = 200  # different failures, and notes
_MOST_NAMED = 40  # cases of one of them
_PLOTS = {
    "scores.png": "Scores: a point a case, bars from quartile to quartile, median; diamond: mean with 95% interval",
    "bland_altman.png": "Volumes: predicted minus reference over their mean (Bland–Altman)",
    "froc.png": "Lesions: sensitivity over false positives (FROC)",
    "reliability.png": "Probabilities: observed share over mean probability",
}
_WIDE = ("scores.png", "bland_altman.png")


def write_evaluation_page(
    path: str | Path, evaluation: Evaluation, plots: Sequence[Path] = (), worst: int = 6, title: str = "Evaluation"
) -> None:
    """Write the page: one file, which asks for nothing over the network.

    Args:
        path: The file.
        evaluation: What is shown.
        plots: The files that `write_plots` wrote; they go into the page.
        worst: How many of the worst cases are drawn.
        title: Stands above.

    Raises:
        OutputError: The file cannot be written.
    """
    parts = [
        *_head(evaluation, title),
        *_told("Not scored", "problem", evaluation.failures),
        *_summary(evaluation),
        *_plots(evaluation, plots),
        *_worst(evaluation, worst),
        *_subgroups(evaluation),
        *_told("Notes", "note", evaluation.notes),
        *_cases(evaluation),
    ]
    write_text(path, html_page(title, parts))


def _head(evaluation: Evaluation, title: str) -> Iterator[str]:
    scored, failed = evaluation.cases["case"].nunique(), len(evaluation.failures)
    yield f"<h1>{text(title)}</h1>"
    if failed:
        cases = "1 case" if failed == 1 else f"{failed:,} cases"
        yield f'<p class="verdict bad">{cases} could not be scored; the figures below are of the others.</p>'
    counts = {"cases scored": scored, "patients": _patients(evaluation), "labels": evaluation.cases["label"].nunique()}
    counts |= {"not scored": failed, "notes": len(evaluation.notes)}
    yield '<ul class="counts">'
    yield "".join(f"<li><b>{n:,}</b>{text(name)}</li>" for name, n in counts.items() if n or name == "cases scored")
    yield f"</ul>{_settings(evaluation.scoring)}"


def _patients(evaluation: Evaluation) -> int:
    facts = evaluation.facts
    return int(facts["patient"][facts["case"].isin(evaluation.cases["case"])].nunique())


def _settings(scoring: Scoring) -> str:
    own = "".join(f", {label} {distance:g}" for label, distance in scoring.tolerances.items())
    match = scoring.match if scoring.match == "any" else f"{scoring.match}, threshold {scoring.threshold:g}"
    return (
        f'<p class="small pale">Distances: {text(scoring.definition)}; tolerance of the NSD {scoring.nsd_tolerance:g}'
        f"{text(own)}; lesions matched by {text(match)}. Intervals are 95%, of the mean over cases, from"
        f" {scoring.resamples:,} bootstrap draws of patients (seed {scoring.seed}); there is none of fewer than five"
        " patients.</p>"
    )


def _told(title: str, kind: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Failures, or notes; what is the same but for the name of the case is said once."""
    if not rows:
        return
    alike: dict[str, list[tuple[str, str]]] = {}
    for case, words in rows:
        alike.setdefault(words.replace(case, "\0"), []).append((case, words))
    yield f'<h2>{title}</h2><section class="card {kind}">'
    for told in list(alike.values())[:_MOST_TOLD]:
        cases = ", ".join(case for case, _ in told[:_MOST_NAMED])
        more = f" and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
        of_first = " (the first of them)" if len(told) > 1 else ""
        yield f"<p><b>{text(cases)}{more}</b>: {text(told[0][1])}{of_first}</p>"
    if len(alike) > _MOST_TOLD:
        file = "failures.csv" if kind == "problem" else "summary.json"
        yield f"<p class=pale>and {len(alike) - _MOST_TOLD} more in {file}</p>"
    yield "</section>"


def _summary(evaluation: Evaluation) -> Iterator[str]:
    summary = evaluation.summary
    shown = summary[summary["metric"].isin(list(METRIC_NAMES)) & ((summary["n"] > 0) | (summary["metric"] == "dice"))]
    yield '<h2>Summary</h2><p class="small pale">n: cases that the mean is of. Empty in both masks: nothing to score.'
    yield " Empty in one: overlaps are 0, distances do not exist. summary.csv has every score.</p>"
    counts = {"n": "n", "patients": "patients", "n_empty": "empty in both", "n_one_empty": "empty in one"}
    counts |= {"n_unjudged": "nobody looked"}
    counts = {name: said for name, said in counts.items() if shown[name].any()}
    yield header(["label", "score"], ["mean", "95% interval", "sd", "median", "range", *counts.values()])
    for row in shown.to_dict("records"):
        figures = [figure(row["mean"]), between(row["low"], row["high"]), figure(row["sd"]), figure(row["median"])]
        figures += [between(row["min"], row["max"]), *(f"{row[name]:,}" if row[name] else "" for name in counts)]
        yield row_of([row["label"], METRIC_NAMES[row["metric"]]], figures)
    yield "</tbody></table></div>"


def _plots(evaluation: Evaluation, plots: Sequence[Path]) -> Iterator[str]:
    if not plots:
        return
    yield '<h2>Distributions</h2><div class="charts">'
    for path in plots:
        wide = ' class="wide"' if path.name in _WIDE else ""
        yield f"<figure{wide}><figcaption>{text(_PLOTS[path.name])}</figcaption>"
        yield image(path.read_bytes(), in_words(path.name, evaluation)) + "</figure>"
    yield "</div>"


def _subgroups(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.group_by:
        return
    yield '<h2>Subgroups</h2><p class="small pale">p: whether the groups differ, of one value a patient; adjusted by'
    yield " Holm over all tests of the column.</p>"
    for column, rows in evaluation.subgroups.groupby("column", sort=False):
        yield f"<h3>{text(column)}</h3>"
        heads = ["mean", "95% interval", "n", "patients", "p", "p adjusted"]
        yield header(["label", "score", "group"], heads, ["test and notes"])
        for row in rows.to_dict("records"):
            figures = [figure(row["mean"]), between(row["low"], row["high"]), f"{row['n']:,}", f"{row['patients']:,}"]
            figures += [p_value(row["p"]), p_value(row["p_holm"])]
            words = "; ".join(word for word in (row["test"], row["note"]) if word)
            yield row_of([row["label"], METRIC_NAMES[row["metric"]], row["value"]], figures, [words])
        yield "</tbody></table></div>"


def _worst(evaluation: Evaluation, most: int) -> Iterator[str]:
    drawn = list(worst_pictures(evaluation, most))
    if not drawn:
        return
    swatches = "".join(
        f'<span><i style="background:{colour}"></i>{name}</span>'
        for name, colour in (("predicted", PREDICTED), ("reference", REFERENCE))
    )
    yield '<h2>Worst cases</h2><p class="small pale">The lowest Dice of any label, each case once, in the slice with'
    yield f' the most voxels that are in one mask only.</p><p class="legend small">{swatches}</p><div class="charts">'
    for one in drawn:
        alt = f"Outlines of {one.label} in {one.case}, predicted and reference: {one.caption}"
        picture = image(one.png, alt) if one.png else ""
        note = f'<p class="small bad">{text(one.note)}</p>' if one.note else ""
        yield f"<figure><figcaption>{text(one.case)}, {text(one.label)}</figcaption>{picture}"
        yield f'<p class="small">{text(one.caption)}</p>{note}</figure>'
    yield "</div>"


def _cases(evaluation: Evaluation) -> Iterator[str]:
    """Every scored case and label, the worst first; as many as a page can bear."""
    worst = evaluation.worst
    shown = worst.sort_values("dice", kind="stable").head(_MOST_ROWS)
    unit = [name for name in ("hd95_mm", "hd95_px") if worst[name].notna().any()]
    of_patients = bool((worst["patient"] != worst["case"]).any())
    more = f" The {_MOST_ROWS:,} worst of {len(worst):,} rows; worst.csv has all." if len(worst) > _MOST_ROWS else ""
    yield f'<h2>Cases</h2><p class="small pale">The worst first.{more}</p>'
    yield '<p hidden><label>Filter <input id="filter" type="search"></label></p>'
    words = ["case", *(["patient"] if of_patients else []), "label"]
    heads = ["Dice", *(METRIC_NAMES[name] for name in unit), "predicted voxels", "reference voxels"]
    yield header(words, heads, ["what stands out"], 'id="cases"', "<button>{}</button>")
    for row in shown.to_dict("records"):
        sizes = [f"{row['predicted_voxels']:,}", f"{row['reference_voxels']:,}"]
        yield row_of([row[name] for name in words], [*(figure(row[name]) for name in ("dice", *unit)), *sizes],
                   [row["reason"]])  # fmt: skip
    yield "</tbody></table></div>"

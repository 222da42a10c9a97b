"""The page that `medseg leaderboard` writes: who is best, how sure that is, and on which cases it was found."""

import io
from collections.abc import Iterator
from pathlib import Path

from medseg.atomic import write_text
from medseg.evaluation.leaderboard import Leaderboard
from medseg.outputs.evaluation_page import METRIC_NAMES
from medseg.outputs.inspection_look import html_page
from medseg.outputs.leaderboard_plot import draw_leaderboard
from medseg.outputs.page_tables import between, figure, header, image, p_value, row_of, said_once, text

__all__ = ["verdicts", "write_leaderboard_page"]

_SIGNIFICANT = 0.05
_MOST_PAIRS = 1000  # in the page; a browser sorts no more with pleasure
_MOST_LEFT_OUT = 200


def write_leaderboard_page(path: str | Path, board: Leaderboard, title: str = "Leaderboard") -> None:
    """Write the page: one file, which asks for nothing over the network.

    Raises:
        OutputError: The file cannot be written.
    """
    parts = [*_head(board, title), *_tables(board), *_picture(board), *_left_out(board), *_pairs(board)]
    write_text(path, html_page(title, parts))


def _head(board: Leaderboard, title: str) -> Iterator[str]:
    yield f"<h1>{text(title)}</h1>"
    yield from (f'<p class="verdict">{text(words)}</p>' for words in verdicts(board))
    counts = {"models": len(board.models), "cases compared": board.values["case"].nunique()}
    counts |= {"patients": board.values["patient"].nunique(), "cases left out": board.left_out["case"].nunique()}
    yield '<ul class="counts">'
    yield "".join(f"<li><b>{n:,}</b>{text(name)}</li>" for name, n in counts.items() if n)
    yield "</ul>"
    yield from (f'<p class="small">Note: {text(note)}</p>' for note in board.notes)
    level, resamples, seed = (board.settings[name] for name in ("level", "resamples", "seed"))
    yield (
        f'<p class="small pale">Intervals are {100 * level:g}%, of the mean over cases, from {resamples:,} bootstrap'
        f" draws of patients (seed {seed}). Differences and both tests (Wilcoxon's signed-rank, sign-flip permutation)"
        " are of one value a patient. Adjusted p: Holm, over all pairs of models of the label and score, as the best"
        " is itself chosen by these cases. Intervals are not adjusted.</p>"
    )


def verdicts(board: Leaderboard) -> Iterator[str]:
    """For each metric, of the mean of labels or the one label: which model is best, and against how many that holds."""
    for metric, rows in board.table.groupby("metric", sort=False):
        label = rows["label"].iloc[0]
        own = rows[rows["label"] == label]
        best = own.iloc[0]
        said = f"{METRIC_NAMES.get(str(metric), str(metric))}, {label}: {best['model']} {figure(best['mean'])}"
        said += f" [{between(best['low'], best['high'])}]" if best["low"] == best["low"] else ""
        others = own.iloc[1:]
        surely = int((others["permutation_p_holm"] < _SIGNIFICANT).sum())
        if len(others):
            said += f"; differs significantly from {surely} of {len(others)} other{'s' * (len(others) != 1)}"
            said += " (permutation, adjusted p < 0.05)"
        yield said


def _tables(board: Leaderboard) -> Iterator[str]:
    for metric, of_metric in board.table.groupby("metric", sort=False):
        yield f"<h2>{text(METRIC_NAMES.get(str(metric), metric))}</h2>"
        for label, rows in of_metric.groupby("label", sort=False):
            yield f"<h3>{text(label)}</h3>"
            counts = [name for name in ("missed", "false") if rows[name].any()]
            heads = ["mean", "interval", "n", "patients", *counts, "to the best", "interval"]
            heads += ["Wilcoxon p", "adjusted", "permutation p", "adjusted"]
            common, notes = said_once(rows["note"].tolist())
            noted = any(notes)
            yield header(["rank", "model"], heads, ["notes"] * noted)
            for row, note in zip(rows.to_dict("records"), notes, strict=True):
                figures = [figure(row["mean"]), between(row["low"], row["high"]), f"{row['n']:,}"]
                figures += [f"{row['patients']:,}", *(f"{row[name]:,}" for name in counts)]
                figures += [figure(row["difference"]), between(row["difference_low"], row["difference_high"])]
                figures += [p_value(row[name]) for name in
                            ("wilcoxon_p", "wilcoxon_p_holm", "permutation_p", "permutation_p_holm")]  # fmt: skip
                yield row_of([row["rank"], row["model"]], figures, [note] * noted)
            yield "</tbody></table></div>"
            yield from (f'<p class="small">Note: {text(note)}</p>' for note in common)
    if board.table[["missed", "false"]].to_numpy().any():
        yield '<p class="small pale">missed: cases in which the model found nothing of a label that is there. false:'
        yield " cases in which it found a label that is not there.</p>"


def _picture(board: Leaderboard) -> Iterator[str]:
    png = io.BytesIO()
    draw_leaderboard(board).savefig(png, format="png", dpi=110, metadata={"Software": None})
    said = "A row a model, the best above. " + " ".join(f"{words}." for words in verdicts(board))
    yield "<h2>Patients</h2><p class='small pale'>A point a patient; diamond and bar: mean and interval.</p>"
    yield f'<div class="charts"><figure class="wide">{image(png.getvalue(), said)}</figure></div>'


def _left_out(board: Leaderboard) -> Iterator[str]:
    rows = board.left_out
    if rows.empty:
        return
    yield '<h2>Cases left out</h2><p class="small pale">Only cases that every model has are compared.</p>'
    yield header(["case", "patient", "missing in"], [], ["reason"])
    for row in rows.head(_MOST_LEFT_OUT).to_dict("records"):
        yield row_of([row["case"], row["patient"], row["model"]], [], [row["reason"]])
    yield "</tbody></table></div>"
    if len(rows) > _MOST_LEFT_OUT:
        yield f"<p class=pale>and {len(rows) - _MOST_LEFT_OUT:,} more in leaderboard.json</p>"


def _pairs(board: Leaderboard) -> Iterator[str]:
    pairs = board.comparisons
    more = f" The first {_MOST_PAIRS:,} of {len(pairs):,}; comparisons.csv has all." if len(pairs) > _MOST_PAIRS else ""
    yield f'<h2>Every two models</h2><p class="small pale">Difference: first minus second, the better first.{more}</p>'
    yield '<p hidden><label>Filter <input id="filter" type="search"></label></p>'
    heads = ["difference", "interval", "Wilcoxon p", "adjusted", "permutation p", "adjusted", "patients"]
    yield header(["score", "label", "first", "second"], heads, ["notes"], 'id="cases"', "<button>{}</button>")
    for row in pairs.head(_MOST_PAIRS).to_dict("records"):
        words = [METRIC_NAMES.get(row["metric"], row["metric"]), row["label"], row["model"], row["other"]]
        figures = [figure(row["difference"]), between(row["low"], row["high"])]
        figures += [p_value(row[name]) for name in
                    ("wilcoxon_p", "wilcoxon_p_holm", "permutation_p", "permutation_p_holm")]  # fmt: skip
        yield row_of(words, [*figures, f"{row['patients']:,}"], [row["note"]])
    yield "</tbody></table></div>"

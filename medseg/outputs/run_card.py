"""The run card of a batch: `run.json` made whole when it ends, and `run.html`, which also tells when and on what.

`run.json` is the same bytes for equal runs, however they went; times and machines are in the ledger, and from it in
`run.html`, alone.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from medseg.atomic import write_json, write_text
from medseg.errors import InputError
from medseg.ledger import Ledger, digest, summary
from medseg.ledger.entries import STATES
from medseg.outputs.durations import duration
from medseg.outputs.failure_groups import failure_groups
from medseg.outputs.inspection_look import html_page
from medseg.outputs.page_tables import header, row_of, text

__all__ = ["CARD", "RECORD", "card_page", "completed", "read_record", "write_card"]

RECORD, CARD = "run.json", "run.html"
_LONG = 4000  # characters of a value; run.json has all
_GROUPS = 20


def write_card(out: Path, ledger: Ledger) -> None:
    """Write what is known of a run when it has ended: counts and inputs into `run.json`, and the page `run.html`.

    Nothing is written where `run.json` is missing or of another model: then nobody began a record of this run.

    Raises:
        OutputError: A file cannot be written.
    """
    run = ledger.last_run()
    try:
        record = read_record(out)
    except InputError:
        return
    if run is None or record.get("model_sha256") != run.model:
        return
    record = completed(record, ledger)
    write_json(out / RECORD, record)
    write_text(out / CARD, card_page(record, ledger))


def read_record(out: Path) -> dict[str, Any]:
    """`run.json`.

    Raises:
        InputError: It is missing or broken.
    """
    path = out / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", "The same `medseg predict` command writes it.") from error
    if not isinstance(record, dict):
        raise InputError(path, "is no record of a run", "The same `medseg predict` command writes it.")
    return record


def completed(record: Mapping[str, Any], ledger: Ledger) -> dict[str, Any]:
    """A record with its cases by their states, and the hash of the list of inputs.

    The hash is over id and fingerprint of each case (names, sizes and times of its files, no folder above them), in
    the order of the tables.
    """
    listed, counts = summary.inputs(ledger), ledger.counts()
    return {
        **record,
        "inputs": {"cases": len(listed), "sha256": digest([list(one) for one in listed])},
        "counts": dict(_in_order(counts)),
    }


def card_page(record: Mapping[str, Any], ledger: Ledger) -> str:
    """The page: one file that asks for nothing over the network; no case is named on it."""
    runs = ledger.runs()
    parts = [
        *_head(record, runs),
        *_runs(runs, summary.work(ledger)),
        *_failures(ledger),
        *_table("Model", _model(record)),
        *_table("Settings", record.get("settings", {})),
        *_table("Seeds", record.get("seeds", {})),
        *_table("Machine", runs[-1]["machine"] if runs else {}),
        *_table("Versions", record.get("versions", {})),
        *_table("Plan", record.get("plan", {})),
    ]
    return html_page("Run card", parts)


def _head(record: Mapping[str, Any], runs: list[dict[str, Any]]) -> Iterator[str]:
    counts = record.get("counts", {})
    total, done = sum(counts.values()), counts.get("done", 0)
    failed, skipped = counts.get("failed", 0), counts.get("skipped", 0)
    rest = total - done - failed - skipped
    said = f"{failed:,} failed" + f", {rest:,} not done" * bool(rest)
    if not failed and not rest:
        said = "Every case is done." if not skipped else "Every case is done, but for those that were left out."
    yield f'<h1>Run card</h1><p class="verdict {"bad" if failed or rest else "good"}">{said}</p>'
    yield '<ul class="counts">'
    yield f"<li><b>{total:,}</b>cases</li>"
    yield "".join(f"<li><b>{n:,}</b>{text(state)}</li>" for state, n in _in_order(counts))
    yield "</ul>"
    if record.get("command"):
        yield f"<p><code>{text(record['command'])}</code></p>"
    inputs = record.get("inputs", {})
    yield f'<p class="small">SHA-256 of the list of inputs <code>{text(inputs.get("sha256", ""))}</code>'
    yield f" · of the model <code>{text(record.get('model_sha256') or 'unknown')}</code></p>"
    yield '<p class="small pale">Times and machine are told by this page and ledger.sqlite alone: run.json, which has'
    yield " all the rest, is the same bytes for equal runs. <code>medseg verify</code> compares every file with the"
    yield " ledger.</p>" if runs else "</p>"


def _in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """A file has them by the alphabet."""
    return [(state, counts[state]) for state in STATES if state in counts]


def _runs(runs: list[dict[str, Any]], work: Mapping[str, float]) -> Iterator[str]:
    yield "<h2>Times</h2>"
    told = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in work.items())
    yield f'<p class="small">Work on all cases, of all processes: {text(told)}</p>' if told else ""
    yield '<p hidden><label>Filter <input id="filter" type="search"></label></p>'
    yield header(["began (UTC)", "ended", "command"], ["took"], ["machine"], 'id="cases"', "<button>{}</button>")
    for run in runs:
        ended = run["ended"] or "never: killed, or stopped by an error"
        yield row_of([run["began"], ended, run["command"]], [_took(run)], [_short(run["machine"])])
    yield "</tbody></table></div>"


def _took(run: Mapping[str, Any]) -> str:
    if not run["ended"]:
        return ""
    return duration((datetime.fromisoformat(run["ended"]) - datetime.fromisoformat(run["began"])).total_seconds())


def _short(machine: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in machine.items() if value not in (None, ""))


def _failures(ledger: Ledger) -> Iterator[str]:
    groups = failure_groups(summary.failures(ledger))
    if not groups:
        return
    yield "<h2>Failures</h2>"
    yield header(["because", "advice"], ["cases"])
    for group in groups[:_GROUPS]:
        yield row_of([group.reason, group.advice], [f"{len(group.cases):,}"])
    yield "</tbody></table></div>"
    if len(groups) > _GROUPS:
        yield f'<p class="pale">and {len(groups) - _GROUPS:,} reasons more: <code>medseg status OUT --json</code></p>'


def _model(record: Mapping[str, Any]) -> dict[str, Any]:
    said = dict(record.get("model_card", {}))
    learnt = said.pop("card", None)
    return {**said, **(learnt if isinstance(learnt, Mapping) else {})}


def _table(title: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Names and values; none where there is nothing to say."""
    rows = [(name, _said(value)) for name, value in values.items()]
    if not any(value for _name, value in rows):
        return
    yield f"<h2>{text(title)}</h2>"
    yield '<div class="scroll"><table><tbody>'
    yield from (f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in rows if value)
    yield "</tbody></table></div>"


def _said(value: Any) -> str:
    """A value in words; of a long one the beginning."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        told = " ".join(value) if any(one.endswith(".") for one in value) else ", ".join(value)
    else:
        told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told if len(told) <= _LONG else f"{told[:_LONG]} … (all of it: run.json)"

"""Pieces of the pages about scores: tables, figures as they are printed, pictures."""

import base64
import html
from collections.abc import Sequence
from typing import Any

__all__ = ["between", "figure", "header", "image", "p_value", "row_of", "said_once", "text"]

_ONE_LINE = 28  # characters


def header(
    words: Sequence[str], figures: Sequence[str], after: Sequence[str] = (), more: str = "", inside: str = "{}"
) -> str:
    """The beginning of a table, up to its rows."""
    cells = [f"<th>{inside.format(text(name))}</th>" for name in words]
    cells += [f'<th class="number">{inside.format(text(name))}</th>' for name in figures]
    cells += [f"<th>{inside.format(text(name))}</th>" for name in after]
    return f'<div class="scroll"><table {more}><thead><tr>{"".join(cells)}</tr></thead><tbody>'


def row_of(words: Sequence[Any], figures: Sequence[str], after: Sequence[str] = ()) -> str:
    """A row of such a table."""
    cells = [_cell(word) for word in words]
    cells += [f'<td class="number">{text(figure)}</td>' for figure in figures]
    cells += [f'<td style="min-width:16rem">{text(word)}</td>' for word in after]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(word: object) -> str:
    """A short word or two stay on one line."""
    shown = text(word)
    return f'<td style="white-space:nowrap">{shown}</td>' if len(shown) <= _ONE_LINE else f"<td>{shown}</td>"


def figure(value: float) -> str:
    """Three decimals of a share, three digits of what is larger; nothing where there is no figure."""
    if value != value:
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def between(low: float, high: float) -> str:
    """An interval; nothing where there is none."""
    return f"{figure(low)} to {figure(high)}" if low == low else ""


def p_value(value: float) -> str:
    """Three decimals; nothing where it is undefined."""
    if value != value:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def said_once(notes: Sequence[str]) -> tuple[list[str], list[str]]:
    """What the notes of all rows have in common, and the rest of each; parts of a note stand between semicolons."""
    parts = [[part for part in note.split("; ") if part] for note in notes]
    common = [part for part in (parts[0] if len(parts) > 1 else []) if all(part in own for own in parts)]
    return common, ["; ".join(part for part in own if part not in common) for own in parts]


def image(png: bytes, said: str) -> str:
    """A picture inside the page.

    Args:
        png: The file.
        said: The same in words.
    """
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<img style="width:auto;margin:auto" alt="{text(said)}" src="{source}">'


def text(value: object) -> str:
    """Plain text as HTML."""
    return html.escape(str(value))

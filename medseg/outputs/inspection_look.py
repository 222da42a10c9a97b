"""Style, script and frame of the pages with tables that commands write (inspect, evaluate): one look for all."""

import base64
import hashlib
import html
from collections.abc import Iterable

__all__ = ["SCRIPT", "STYLE", "html_page"]

STYLE = """
:root { color-scheme: light; --ink: #23262d; --pale: #667; --line: #dfe2e8; --red: #b3261e; --amber: #8a5a00 }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; background: #f5f6f8; color: var(--ink) }
main { max-width: 84rem; margin: 0 auto; padding: 1.5rem clamp(.8rem, 3vw, 2.5rem) 4rem }
h1 { font-size: 1.6rem; margin: .2rem 0; overflow-wrap: anywhere } h2 { font-size: 1.2rem; margin: 2.2rem 0 .7rem }
h3 { font-size: 1rem; margin: 0 } p { margin: .25rem 0 } a { color: #2453b3 } code { overflow-wrap: anywhere }
.pale { color: var(--pale) } .small { font-size: .87rem }
.counts { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none }
.counts li { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: .45rem .9rem }
.counts b { display: block; font-size: 1.35rem; line-height: 1.3 }
.verdict { font-size: 1.05rem; font-weight: 600 } .bad { color: var(--red) } .good { color: #1c6b35 }
.card { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: .8rem 0 }
.problem { border-left: 5px solid var(--red) } .note { border-left: 5px solid #d9a21b }
.card h3 span { font-weight: 400; color: var(--pale) }
.mend::before { content: "→ "; color: var(--pale) }
.finding { border-top: 1px solid var(--line); margin-top: .6rem; padding-top: .5rem; overflow-wrap: anywhere }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0 }
figure { margin: 0 } figcaption { font-size: .82rem; color: var(--pale); overflow-wrap: anywhere }
.pictures figcaption { max-width: 16rem } img { max-width: 100%; display: block } .shot { background: #000 }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: .8rem }
.charts figure { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem }
.charts .wide { grid-column: span 2 } @media (max-width: 56rem) { .charts .wide { grid-column: auto } }
.charts figcaption { color: var(--ink); font-weight: 600; margin-bottom: .3rem } .charts img { width: 100% }
.legend span { display: inline-block; margin: 0 1rem .2rem 0 }
.legend i { display: inline-block; width: .85em; height: .85em; border-radius: 2px; border: 1px solid #0003;
  margin-right: .35em; vertical-align: -.05em }
.scroll { overflow-x: auto; background: #fff; border: 1px solid var(--line); border-radius: 8px }
table { border-collapse: collapse; font-size: .87rem; width: 100% } td { overflow-wrap: anywhere }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }
th { background: #f0f2f5; white-space: nowrap } th[data-sorted] { color: #2453b3 }
th button { all: unset; cursor: pointer } th button:focus-visible { outline: 2px solid #2453b3 }
td.number, th.number { text-align: right; white-space: nowrap } td img { width: max-content }
tr:target td { background: #fff6d6 } .tag { color: var(--red); white-space: nowrap }
input { font: inherit; padding: .3rem .6rem; border: 1px solid #aab; border-radius: 6px; background: #fff }
"""

# Sorts the table by a clicked column and hides rows without the typed words; the page is complete without it.
SCRIPT = """
const table = document.getElementById("cases"), body = table.tBodies[0], box = document.getElementById("filter");
box.closest("[hidden]")?.removeAttribute("hidden");
box.addEventListener("input", () => { const words = box.value.toLowerCase().split(/\\s+/);
  for (const row of body.rows) { const text = row.textContent.toLowerCase();
    row.hidden = !words.every(word => text.includes(word)); } });
[...table.tHead.rows[0].cells].forEach((head, i) => head.querySelector("button")?.addEventListener("click", () => {
  const down = head.dataset.sorted === "up", key = row => row.cells[i].dataset.value ?? row.cells[i].textContent;
  for (const other of table.tHead.rows[0].cells) delete other.dataset.sorted;
  head.dataset.sorted = down ? "down" : "up";
  body.append(...[...body.rows].sort((a, b) =>
    (down ? -1 : 1) * key(a).localeCompare(key(b), undefined, { numeric: true }))); }));
"""


def html_page(title: str, parts: Iterable[str]) -> str:
    """A page that asks for nothing over the network, and says so itself, in a policy that browsers keep to.

    Args:
        title: Plain text.
        parts: HTML of the body. It has the table with the id "cases" that the script sorts, and before it, hidden,
            the box "filter" inside its label.
    """
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main><script>{SCRIPT}</script></body></html>\n"
    )

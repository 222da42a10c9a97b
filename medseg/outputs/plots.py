"""Plots as SVG with the same in words: points, bars and histograms, in one look."""

import base64
import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "INK", "MANY", "MOST_BARS", "Chart", "bars", "extent", "histogram", "rounded", "strips", "svg"]

COLOURS = ("#4269d0", "#ff725c", "#3ca951", "#a463f2", "#efb118", "#6cc5b0", "#9c6b4e", "#97bbf5")
INK = "#334"
MOST_BARS = 12
MANY = 150  # cases from which on points and lines are drawn as pixels, so that the picture stays small
Draw = Callable[["Axes"], None]


@dataclass(frozen=True)
class Chart:
    """A picture of a distribution.

    Args:
        title: What is distributed.
        svg: The picture, complete in itself.
        said: The same in words, for those who do not see it.
        wide: Whether it takes two columns.
    """

    title: str
    svg: bytes
    said: str
    wide: bool = False

    @property
    def html(self) -> str:
        """A figure that holds the picture itself, with its words for those who do not see it."""
        kind = ' class="wide"' if self.wide else ""
        source = base64.b64encode(self.svg).decode()
        return (
            f"<figure{kind}><figcaption>{html.escape(self.title)}</figcaption>"
            f'<img alt="{html.escape(self.said)}" src="data:image/svg+xml;base64,{source}"></figure>'
        )


def strips(rows: Mapping[str, Sequence[float]], title: str, unit: str, log: bool = False) -> Iterator[Chart]:
    """A line of points for each name: a case each, with median and quartiles marked; nothing where all are alike."""
    if not any(min(values) < max(values) for values in rows.values()):
        return

    def draw(axes: "Axes") -> None:
        rng = np.random.default_rng(0)
        for place, (name, values) in enumerate(rows.items()):
            colour = COLOURS[place % len(COLOURS)]
            across = -place + rng.uniform(-0.28, 0.28, len(values))
            axes.plot(values, across, ".", color=colour, alpha=0.6 if len(values) < MANY else 0.4, markersize=6,
                      markeredgewidth=0, label=name, rasterized=len(values) > MANY)  # fmt: skip
            low, middle, high = np.percentile(values, [25, 50, 75])
            axes.plot([low, high], [-place, -place], color=INK, linewidth=1.4, solid_capstyle="butt")
            axes.plot([middle], [-place], marker="|", color=INK, markersize=13, markeredgewidth=2)
        axes.set_yticks([-place for place in range(len(rows))], [_short(name) for name in rows])
        axes.set_ylim(0.6 - len(rows), 0.6)
        axes.set_xlabel(unit)
        if log:
            axes.set_xscale("log")
        axes.grid(axis="x", alpha=0.25)

    said = "; ".join(f"{name}: {extent(values)} {unit}" for name, values in rows.items())
    yield Chart(title, svg([draw], 0.8 + 0.42 * len(rows)), said)


def histogram(values: Sequence[float], title: str) -> Iterator[Chart]:
    """How many cases have which number."""

    def draw(axes: "Axes") -> None:
        axes.hist(values, bins=min(24, max(6, len(set(values)))), color=COLOURS[0], alpha=0.85, rwidth=0.94)
        axes.set_ylabel("cases")

    yield Chart(title, svg([draw], 2.0), extent(values))


def bars(counts: Mapping[str, int], title: str, unit: str = "cases") -> Iterator[Chart]:
    """A bar for each name with its count; nothing where there is one name only."""
    if len(counts) < 2:
        return
    shown = dict(list(counts.items())[:MOST_BARS])
    if len(counts) > len(shown):
        shown[f"{len(counts) - len(shown)} others"] = sum(counts.values()) - sum(shown.values())

    def draw(axes: "Axes") -> None:
        drawn = axes.barh([-i for i in range(len(shown))], list(shown.values()), color=COLOURS[0], alpha=0.85)
        axes.bar_label(drawn, padding=3, color=INK, fontsize=8)
        axes.set_yticks([-i for i in range(len(shown))], [_short(name) for name in shown])
        axes.set(xlabel=unit)
        axes.margins(x=0.12)

    yield Chart(title, svg([draw], 0.7 + 0.26 * len(shown)), ", ".join(f"{k}: {v}" for k, v in shown.items()))


def svg(draws: Sequence[Draw], height: float, width: float = 4.7) -> bytes:
    """Plots side by side; the same data gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "medseg", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
        "axes.edgecolor": "#99a", "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, max(1.4, height)), layout="constrained")
        FigureCanvasSVG(figure)
        for axes, draw in zip(np.ravel(figure.subplots(1, len(draws))), draws, strict=True):
            draw(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _short(name: str) -> str:
    # a dollar sign would begin a formula
    return (name if len(name) <= 24 else name[:23] + "…").replace("$", r"\$")


def extent(values: Sequence[float]) -> str:
    """Least, median and greatest."""
    return f"{rounded(min(values))} / {rounded(float(np.median(values)))} / {rounded(max(values))}"


def rounded(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"

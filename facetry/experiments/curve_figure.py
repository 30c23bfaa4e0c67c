"""The figure of a learning curve."""

import io
from statistics import fmean
from typing import TYPE_CHECKING

from facetry.experiments.curve import METRICS, LearningCurve
from facetry.reporting import ACCENT, QUIET, WARNING, dress_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (ACCENT, WARNING, "#3d8b5f", "#7d55a8", "#a3811a", "#4c97a8")
DOTS_PER_INCH = 160


def draw_curve(curve: LearningCurve) -> "Figure":
    """Accuracy and macro F1 against the number of labels: the mean, the range and every single repeat."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    panels = figure.subplots(1, len(METRICS), sharey=True)
    for axes, (metric, title) in zip(panels, METRICS.items(), strict=True):
        dress_axes(axes, title)
        for place, facet in enumerate(curve.facets):
            _draw_facet(axes, curve, facet, metric=metric, colour=COLOURS[place % len(COLOURS)])
        _draw_scales(axes, curve)
    for place, facet in enumerate(curve.facets):
        commonest = curve.commonest[facet]
        panels[0].axhline(commonest, color=COLOURS[place % len(COLOURS)], linewidth=1, linestyle=(0, (2, 3)))
    legend = panels[-1].legend(loc="lower right", frameon=False, fontsize=10)
    for text in legend.get_texts():
        text.set_color("#1d2733")
    figure.supxlabel(
        "labelled listings (shade: the repeats; dotted: always saying the commonest value)", fontsize=9, color=QUIET
    )
    return figure


def as_files(figure: "Figure") -> dict[str, bytes]:
    """The figure's content by the ending of the file's name; the same figure gives the same bytes."""
    import matplotlib as mpl

    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    with mpl.rc_context({"svg.hashsalt": "facetry", "svg.fonttype": "path"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def _draw_facet(axes: "Axes", curve: LearningCurve, facet: str, *, metric: str, colour: str) -> None:
    columns = [curve.values(facet, metric=metric, num_labels=number) for number in curve.numbers]
    means = [fmean(values) for values in columns]
    lows, highs = [min(values) for values in columns], [max(values) for values in columns]
    axes.fill_between(curve.numbers, lows, highs, color=colour, alpha=0.13, linewidth=0)
    axes.plot(curve.numbers, means, color=colour, linewidth=2, marker="o", markersize=4.5, label=facet)
    for number, values in zip(curve.numbers, columns, strict=True):
        axes.scatter([number] * len(values), values, color=colour, s=9, alpha=0.45, linewidths=0, zorder=3)


def _draw_scales(axes: "Axes", curve: LearningCurve) -> None:
    axes.set_xscale("log")
    axes.set_xticks(curve.numbers, [f"{number:,}" for number in curve.numbers])
    axes.minorticks_off()
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
    axes.set_axisbelow(True)

"""The page that shows what `clean` found: how much of what, where the thresholds fall, and examples of each."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetry.cleaning.examples import Examples
from facetry.cleaning.findings import Findings
from facetry.cleaning.verdicts import Verdicts
from facetry.config import CleanParams
from facetry.reporting import ACCENT, QUIET, WARNING, inline_figure, new_axes, render_page, render_template

THUMBNAIL_SIDE_PIXELS = 120
NUM_BINS = 48
LEAST_SHARPNESS = 0.1
"""Where a logarithmic axis has to begin."""

Numbers = NDArray[np.float32] | NDArray[np.int64]


def render_report(
    verdicts: Verdicts,
    *,
    examples: Examples,
    thumbnails: Mapping[int, str],
    params: CleanParams,
    title: str,
) -> str:
    """The whole page; `thumbnails` holds the picture of each example by index."""
    findings, rejected = verdicts.findings, verdicts.count_rejected()
    body = render_template(
        Path(__file__).with_name("report.html"),
        findings=findings,
        verdicts=verdicts,
        examples=examples,
        thumbnails=thumbnails,
        rejected=rejected,
        params=params,
        title=title,
        figures=[
            _counts_figure(rejected, num_kept=len(verdicts.kept)),
            _sharpness_figure(findings.sharpnesses, threshold=params.min_sharpness),
            _sides_figure(findings, threshold=params.min_side_pixels),
            _contrast_figure(findings.contrasts, threshold=params.min_contrast),
        ],
    )
    return render_page("What cleaning found", body)


def _counts_figure(rejected: Mapping[str, int], *, num_kept: int) -> str:
    figure, axes = new_axes("Images by what was found")
    fewest_first = sorted(rejected.items(), key=lambda item: item[1])
    reasons, counts = [reason for reason, _ in fewest_first], [count for _, count in fewest_first]
    bars = axes.barh([*reasons, "kept"], [*counts, num_kept], color=[WARNING] * len(rejected) + [ACCENT])
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=9)
    axes.margins(x=0.15)
    axes.get_xaxis().set_visible(False)
    axes.spines["bottom"].set_visible(False)
    return inline_figure(figure)


def _sharpness_figure(sharpnesses: NDArray[np.float32], *, threshold: float) -> str:
    measured = np.maximum(sharpnesses[~np.isnan(sharpnesses)], LEAST_SHARPNESS)
    shown = max(threshold, LEAST_SHARPNESS)
    low, high = measured.min(initial=shown) * 0.9, measured.max(initial=shown) * 1.1
    return _histogram(
        measured,
        title="Sharpness (variance of the Laplacian)",
        edges=np.geomspace(low, high, NUM_BINS),
        threshold=shown,
        label=f"min_sharpness {threshold:g}",
        log_axis="x",
    )


def _sides_figure(findings: Findings, *, threshold: int) -> str:
    sides = np.minimum(findings.widths, findings.heights)
    return _histogram(
        sides[sides > 0],
        title="Short side in pixels",
        edges=np.linspace(0, sides.max(initial=threshold) * 1.1, NUM_BINS),
        threshold=threshold,
        label=f"min_side_pixels {threshold}",
        log_axis="y",
    )


def _contrast_figure(contrasts: NDArray[np.float32], *, threshold: float) -> str:
    measured = contrasts[~np.isnan(contrasts)]
    return _histogram(
        measured,
        title="Contrast (deviation of the grey levels)",
        edges=np.linspace(0, measured.max(initial=threshold) * 1.1, NUM_BINS),
        threshold=threshold,
        label=f"min_contrast {threshold:g}",
        log_axis=None,
    )


def _histogram(
    values: Numbers, *, title: str, edges: NDArray[np.float64], threshold: float, label: str, log_axis: str | None
) -> str:
    """What is under the threshold, and what is not, in colours of their own with a line between them."""
    figure, axes = new_axes(title)
    under = values < threshold
    axes.hist([values[under], values[~under]], bins=edges.tolist(), stacked=True, color=[WARNING, ACCENT])
    if log_axis == "x":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    if log_axis == "y" and len(values):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.yaxis.set_major_formatter("{x:g}")
    axes.axvline(threshold, color=WARNING, linewidth=1.5)
    place = axes.transAxes.inverted().transform(axes.transData.transform((threshold, 1)))[0]
    axes.annotate(
        label,
        (threshold, 1),
        xycoords=("data", "axes fraction"),
        xytext=(5 if place < 0.5 else -5, 0),
        textcoords="offset points",
        horizontalalignment="left" if place < 0.5 else "right",
        verticalalignment="top",
        fontsize=9,
        color=WARNING,
    )
    axes.set_ylabel("images", fontsize=9, color=QUIET)
    return inline_figure(figure)

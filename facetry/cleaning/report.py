"""The page that shows what `clean` found: how much of what, where the thresholds fall, and examples of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetry.cleaning.findings import Finding
from facetry.config import CleanParams
from facetry.reporting import ACCENT, QUIET, WARNING, inline_figure, new_axes, render_page, render_template

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THUMBNAIL_SIDE_PIXELS = 120
EXAMPLES_PER_ROW = 7
PAIRS_SHOWN = 9


@dataclass(frozen=True, slots=True)
class Examples:
    """Indices of findings worth a look: rejected and kept ones by reason, and duplicates beside their survivors."""

    rejected: Mapping[str, Sequence[int]]
    just_sharp_enough: Sequence[int]
    pairs: Sequence[tuple[int, int]]
    kept: Sequence[int]

    @property
    def indices(self) -> frozenset[int]:
        rows = [*self.rejected.values(), self.just_sharp_enough, self.kept, *self.pairs]
        return frozenset(index for row in rows for index in row)


def choose_examples(findings: Sequence[Finding]) -> Examples:
    """The images nearest to the sharpness threshold on both sides, and evenly spread ones of every other kind."""
    by_reason: dict[str | None, list[int]] = {}
    for index, finding in enumerate(findings):
        by_reason.setdefault(finding.reason, []).append(index)
    kept, blurred = by_reason.get(None, []), by_reason.get("blurred", [])
    rejected = {reason: _spread(by_reason.get(reason, []), EXAMPLES_PER_ROW) for reason in ("small", "corrupt")}
    duplicates = _spread(by_reason.get("duplicate", []), PAIRS_SHOWN)
    return Examples(
        rejected={"blurred": sorted(blurred, key=lambda index: -_sharpness(findings[index]))[:EXAMPLES_PER_ROW]}
        | rejected,
        just_sharp_enough=sorted(kept, key=lambda index: _sharpness(findings[index]))[:EXAMPLES_PER_ROW],
        pairs=[(index, survivor) for index in duplicates if (survivor := findings[index].duplicate_of) is not None],
        kept=_spread(kept, EXAMPLES_PER_ROW),
    )


def render_report(
    findings: Sequence[Finding],
    *,
    examples: Examples,
    thumbnails: Mapping[int, str],
    params: CleanParams,
    title: str,
) -> str:
    """The whole page; `thumbnails` holds the picture of each example by index."""
    reasons = Counter(finding.reason for finding in findings)
    num_exact = sum(_is_exact_copy(finding, findings=findings) for finding in findings)
    body = render_template(
        Path(__file__).with_name("report.html"),
        findings=findings,
        examples=examples,
        thumbnails=thumbnails,
        params=params,
        title=title,
        reasons=reasons,
        num_exact=num_exact,
        figures=[
            _reasons_figure(reasons),
            _sharpness_figure(findings, threshold=params.min_sharpness),
            _sides_figure(findings, threshold=params.min_side_pixels),
        ],
    )
    return render_page("What cleaning found", body)


def _reasons_figure(reasons: Mapping[str | None, int]) -> str:
    figure, axes = new_axes("Images by what was found")
    rejected = sorted((count, reason) for reason, count in reasons.items() if reason is not None)
    labels = [reason for _, reason in rejected] + ["kept"]
    counts = [count for count, _ in rejected] + [reasons.get(None, 0)]
    bars = axes.barh(labels, counts, color=[WARNING] * len(rejected) + [ACCENT])
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=9)
    axes.margins(x=0.15)
    axes.get_xaxis().set_visible(False)
    axes.spines["bottom"].set_visible(False)
    return inline_figure(figure)


def _sharpness_figure(findings: Sequence[Finding], *, threshold: float) -> str:
    figure, axes = new_axes("Sharpness (variance of the Laplacian)")
    measured = [max(_sharpness(finding), 0.1) for finding in findings if finding.appearance.sharpness is not None]
    bounds = [*measured, max(threshold, 0.1)]
    edges = np.geomspace(min(bounds) * 0.9, max(bounds) * 1.1, 50)
    axes.hist(measured, bins=[float(edge) for edge in edges], color=ACCENT)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    _draw_threshold(axes, threshold, label=f"min_sharpness {threshold:g}")
    return inline_figure(figure)


def _sides_figure(findings: Sequence[Finding], *, threshold: int) -> str:
    figure, axes = new_axes("Short side in pixels")
    looks = [finding.appearance for finding in findings]
    sides = [min(look.width, look.height) for look in looks if look.width is not None and look.height is not None]
    axes.hist(sides, bins=40, range=(0, max([*sides, threshold]) * 1.1), color=ACCENT)
    axes.set_yscale("log" if sides else "linear")
    axes.yaxis.set_major_formatter("{x:g}")
    _draw_threshold(axes, threshold, label=f"min_side_pixels {threshold}")
    return inline_figure(figure)


def _draw_threshold(axes: "Axes", threshold: float, *, label: str) -> None:
    axes.axvline(max(threshold, 0.1), color=WARNING, linewidth=1.5)
    axes.annotate(
        label,
        (max(threshold, 0.1), 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5, 0),
        textcoords="offset points",
        horizontalalignment="right",
        verticalalignment="top",
        fontsize=9,
        color=WARNING,
    )
    axes.set_ylabel("images", fontsize=9, color=QUIET)


def _sharpness(finding: Finding) -> float:
    return finding.appearance.sharpness or 0.0


def _is_exact_copy(finding: Finding, *, findings: Sequence[Finding]) -> bool:
    if finding.duplicate_of is None:
        return False
    return finding.appearance.digest == findings[finding.duplicate_of].appearance.digest


def _spread(indices: Sequence[int], most: int) -> list[int]:
    """At most `most` of `indices`, evenly spread over all of them."""
    step = max(1, -(-len(indices) // most))
    return list(indices[::step])

"""The figures of the report."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from facetry.evaluation.baselines import Baselines
from facetry.evaluation.calibration import Calibration
from facetry.evaluation.metrics import Confusion, Scores
from facetry.reporting import ACCENT, QUIET, WARNING, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALE = "#b9c4cf"
MAX_CONFUSED_CATEGORIES = 30


def draw_accuracies(scores: Scores, *, baselines: Baselines | None) -> "Figure":
    """The checkpoint's accuracy with its interval, beside the baselines'."""
    bars = [("this checkpoint", scores.accuracy, ACCENT)]
    if baselines is not None:
        bars.append(("nearest neighbours", baselines.neighbours_accuracy, PALE))
        bars.append(("majority class", baselines.majority_accuracy, PALE))
    names, values, colours = zip(*reversed(bars), strict=True)
    figure, axes = new_axes("Whole category path right", width_inches=5.4, height_inches=0.9 + 0.5 * len(bars))
    axes.barh(names, values, color=colours, height=0.6)
    low, high = scores.interval.low, scores.interval.high
    axes.plot([low, high], [len(bars) - 1] * 2, color="#1d2733", linewidth=1.5, marker="|", markersize=9)
    for row, value in enumerate(values):
        end = high if row == len(bars) - 1 else value
        axes.text(max(end, value) + 0.015, row, f"{value:.1%}", va="center", fontsize=10)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.tick_params(axis="y", length=0, labelsize=10, labelcolor="black")
    return figure


def draw_reliability(calibration: Calibration) -> "Figure":
    """How often answers were right, by the probability they were given with."""
    figure, axes = new_axes("Right, by the probability given", width_inches=4.6, height_inches=3.4)
    axes.plot([0, 1], [0, 1], color="#1d2733", linewidth=1, linestyle=(0, (4, 3)), zorder=3)
    axes.bar(
        [part.low for part in calibration.bins],
        [part.accuracy for part in calibration.bins],
        width=0.092,
        align="edge",
        color=ACCENT,
    )
    for part in calibration.bins:
        axes.text(part.low + 0.046, part.accuracy + 0.02, str(part.num_answers), ha="center", fontsize=8, color=QUIET)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_xlabel("probability of the answer", fontsize=9, color=QUIET)
    return figure


def draw_confusion(confusion: Confusion, *, short_names: Mapping[str, str]) -> "Figure":
    """Where each true category's listings went, as shares of its row; the numbers are listings."""
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion.counts]
    side = 0.29 * max(len(confusion.truths), len(confusion.answers))
    figure, axes = new_axes(
        "Answers (columns) for each true category (rows)", width_inches=side + 2.4, height_inches=side + 1.9
    )
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="#eef1f4", linewidth=0.6)
    for row, counts in enumerate(confusion.counts):
        for column, count in enumerate(counts):
            if count:
                missed = confusion.truths[row] != confusion.answers[column]
                colour = "white" if shares[row][column] > 0.55 else (WARNING if missed else "#1d2733")
                axes.text(column + 0.5, row + 0.53, str(count), ha="center", va="center", fontsize=8, color=colour)
    columns = [_label(path, short_names=short_names) for path in confusion.answers]
    rows = [_label(path, short_names=short_names) for path in confusion.truths]
    axes.set_xticks([place + 0.5 for place in range(len(columns))], columns, rotation=55, ha="right", fontsize=9)
    axes.set_yticks([place + 0.5 for place in range(len(rows))], rows, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    return figure


def most_confused(confusion: Confusion, *, limit: int = MAX_CONFUSED_CATEGORIES) -> Confusion:
    """The part of `confusion` that fits on a page: the `limit` categories with the most mistakes, in their order."""
    kept_truths = _keep(confusion.truths, mistakes=_missed_by_truth(confusion), limit=limit)
    kept_answers = _keep(confusion.answers, mistakes=_missed_by_answer(confusion), limit=limit)
    rows = [confusion.truths.index(path) for path in kept_truths]
    columns = [confusion.answers.index(path) for path in kept_answers]
    counts = tuple(tuple(confusion.counts[row][column] for column in columns) for row in rows)
    return Confusion(truths=kept_truths, answers=kept_answers, counts=counts)


def _label(path: str, *, short_names: Mapping[str, str]) -> str:
    """A category on an axis, where a dollar sign would begin a formula."""
    return short_names.get(path, path).replace("$", r"\$")


def _keep(paths: Sequence[str], *, mistakes: Mapping[str, int], limit: int) -> tuple[str, ...]:
    if len(paths) <= limit:
        return tuple(paths)
    kept = sorted(paths, key=lambda path: -mistakes[path])[:limit]
    return tuple(path for path in paths if path in kept)


def _missed_by_truth(confusion: Confusion) -> dict[str, int]:
    return {
        truth: sum(count for answer, count in zip(confusion.answers, row, strict=True) if answer != truth)
        for truth, row in zip(confusion.truths, confusion.counts, strict=True)
    }


def _missed_by_answer(confusion: Confusion) -> dict[str, int]:
    return {
        answer: sum(
            row[column] for truth, row in zip(confusion.truths, confusion.counts, strict=True) if truth != answer
        )
        for column, answer in enumerate(confusion.answers)
    }

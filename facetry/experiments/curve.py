"""A learning curve: what was measured with how many labels."""

from collections.abc import Mapping
from statistics import fmean

from pydantic import BaseModel, ConfigDict
from rich.table import Table

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro F1"}


class FacetScore(BaseModel):
    """How well one facet, `category` or an attribute, was told of the listings whose label tells it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_listings: int
    accuracy: float
    macro_f1: float


class Point(BaseModel):
    """What one training came to, facet by facet. `key` changes with all that it follows from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    num_labels: int
    seed: int
    scores: Mapping[str, FacetScore]


class LearningCurve(BaseModel):
    """All points; `commonest` says how often each facet's commonest value is true of the listings that are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_model: str
    commonest: Mapping[str, float]
    points: tuple[Point, ...]

    @property
    def facets(self) -> tuple[str, ...]:
        return tuple(self.commonest)

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(sorted({point.num_labels for point in self.points}))

    def values(self, facet: str, *, metric: str, num_labels: int) -> list[float]:
        """What the repeats with so many labels measured."""
        of_number = (point for point in self.points if point.num_labels == num_labels)
        return [float(getattr(point.scores[facet], metric)) for point in of_number]

    def as_table(self) -> Table:
        """Mean and range over the repeats, for people."""
        table = Table("labels", *(f"{facet}: {title}" for facet in self.facets for title in METRICS.values()))
        for number in self.numbers:
            cells = [
                _mean_and_range(self.values(facet, metric=metric, num_labels=number))
                for facet in self.facets
                for metric in METRICS
            ]
            table.add_row(str(number), *cells)
        return table


def _mean_and_range(values: list[float]) -> str:
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{spread}"

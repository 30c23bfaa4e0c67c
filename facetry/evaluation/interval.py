"""How far an accuracy could be off, given that listings of one brand resemble each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facetry.evaluation.case import Case

NUM_DRAWS = 500


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the accuracy of 95 of 100 such sets of brands would lie."""

    low: float
    high: float


def accuracy_interval(cases: Sequence[Case], *, seed: int = 0) -> Interval:
    """The bootstrap interval of the accuracy over whole brands, or over listings when there is only one brand."""
    groups: dict[str, list[bool]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case.is_right)
    outcomes = list(groups.values()) if len(groups) > 1 else [[case.is_right] for case in cases]
    num_right = np.array([sum(group) for group in outcomes])
    num_listings = np.array([len(group) for group in outcomes])
    draws = np.random.default_rng(seed).integers(len(outcomes), size=(NUM_DRAWS, len(outcomes)))
    accuracies = num_right[draws].sum(axis=1) / num_listings[draws].sum(axis=1)
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return Interval(low=float(low), high=float(high))

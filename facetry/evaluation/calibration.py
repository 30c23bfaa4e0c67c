"""Whether answers given with a probability of 0.8 are right 8 times in 10."""

from collections.abc import Sequence
from dataclasses import dataclass

from facetry.evaluation.case import Case

NUM_BINS = 10


@dataclass(frozen=True, slots=True)
class ProbabilityBin:
    """The answers whose probability lies between two tenths."""

    low: float
    high: float
    num_answers: int
    mean_probability: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The expected calibration error over the bins that hold answers, and the mean probability of all answers."""

    mean_probability: float
    error: float
    bins: tuple[ProbabilityBin, ...]


def calibrate(cases: Sequence[Case]) -> Calibration | None:
    """Probabilities against outcomes, over the listings that were answered; None when there are none."""
    answered = [case for case in cases if case.answer is not None]
    if not answered:
        return None
    binned: dict[int, list[Case]] = {}
    for case in answered:
        binned.setdefault(min(int(case.probability * NUM_BINS), NUM_BINS - 1), []).append(case)
    bins = tuple(_bin(index, binned[index]) for index in sorted(binned))
    gaps = sum(part.num_answers * abs(part.mean_probability - part.accuracy) for part in bins)
    return Calibration(mean_probability=_mean_probability(answered), error=gaps / len(answered), bins=bins)


def _bin(index: int, cases: Sequence[Case]) -> ProbabilityBin:
    return ProbabilityBin(
        low=index / NUM_BINS,
        high=(index + 1) / NUM_BINS,
        num_answers=len(cases),
        mean_probability=_mean_probability(cases),
        accuracy=sum(case.is_right for case in cases) / len(cases),
    )


def _mean_probability(cases: Sequence[Case]) -> float:
    return sum(case.probability for case in cases) / len(cases)

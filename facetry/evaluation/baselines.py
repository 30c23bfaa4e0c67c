"""What could be had without a model: the commonest category, and the category of the most similar pictures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from facetry.evaluation.appearance import Vector, describe
from facetry.listing import Listing


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the baselines know of a listing: its category and the look of its first picture, if it has one."""

    category: str
    appearance: Vector | None


@dataclass(frozen=True, slots=True)
class Baselines:
    """What learning from `num_train_listings` without a model scores on the listings that were asked."""

    num_train_listings: int
    num_neighbours: int
    majority_category: str
    majority_accuracy: float
    neighbours_accuracy: float


def see(listings: Iterable[Listing]) -> list[Sight]:
    """What the baselines know of the labelled ones of `listings`."""
    return [
        Sight(category=listing.label.category, appearance=_appearance(listing))
        for listing in listings
        if listing.label is not None
    ]


def score_baselines(asked: Sequence[Sight], *, train: Sequence[Sight], num_neighbours: int) -> Baselines | None:
    """How many of `asked` the baselines that learnt from `train` get right; None when there is nothing to learn from.

    A listing without a picture is given the commonest category by both.
    """
    if not train:
        return None
    majority = Counter(sight.category for sight in train).most_common(1)[0][0]
    guesses = _guess_by_neighbours(asked, train=train, num_neighbours=num_neighbours, otherwise=majority)
    return Baselines(
        num_train_listings=len(train),
        num_neighbours=num_neighbours,
        majority_category=majority,
        majority_accuracy=_accuracy([majority] * len(asked), asked),
        neighbours_accuracy=_accuracy(guesses, asked),
    )


def _appearance(listing: Listing) -> Vector | None:
    return describe(listing.usable_images[0].data) if listing.usable_images else None


def _guess_by_neighbours(
    asked: Sequence[Sight], *, train: Sequence[Sight], num_neighbours: int, otherwise: str
) -> list[str]:
    from sklearn.neighbors import KNeighborsClassifier

    guesses = [otherwise] * len(asked)
    known = [(sight.appearance, sight.category) for sight in train if sight.appearance is not None]
    pictured = [(row, sight.appearance) for row, sight in enumerate(asked) if sight.appearance is not None]
    if not known or not pictured:
        return guesses
    neighbours = KNeighborsClassifier(n_neighbors=min(num_neighbours, len(known)), algorithm="brute")
    neighbours.fit(np.stack([appearance for appearance, _ in known]), [category for _, category in known])
    found = neighbours.predict(np.stack([appearance for _, appearance in pictured]))
    for (row, _), category in zip(pictured, found, strict=True):
        guesses[row] = str(category)
    return guesses


def _accuracy(guesses: Sequence[str], asked: Sequence[Sight]) -> float:
    return sum(guess == sight.category for guess, sight in zip(guesses, asked, strict=True)) / len(asked)

"""What the answers were worth: every number of the report that does not need the pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facetry.evaluation.calibration import Calibration, calibrate
from facetry.evaluation.case import Case, Offer
from facetry.evaluation.interval import Interval, accuracy_interval
from facetry.listing import LabelSource
from facetry.taxonomy import SEPARATOR, Taxonomy

NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the listings called `name` were right."""

    name: str
    num_listings: int
    num_right: int

    @property
    def accuracy(self) -> float:
        return self.num_right / self.num_listings


@dataclass(frozen=True, slots=True)
class CategoryScore:
    category: str
    precision: float
    recall: float
    f1: float
    num_listings: int


@dataclass(frozen=True, slots=True)
class Average:
    """Precision, recall and F1 over the categories that the listings have."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of listings: a row for each true category, a column for each answer (the last may be `no answer`)."""

    truths: tuple[str, ...]
    answers: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class AttributeScore:
    """Over the listings whose label has the attribute: right in all, and right among those whose category was right.

    A listing whose answer lacks the attribute, because its category was missed or nothing was answered, is a mistake.
    `macro_f1` is the mean over the values that the listings have.
    """

    name: str
    num_listings: int
    num_right: int
    macro_f1: float
    num_category_right: int
    num_right_of_category_right: int

    @property
    def accuracy(self) -> float:
        return self.num_right / self.num_listings

    @property
    def accuracy_where_category_right(self) -> float | None:
        return self.num_right_of_category_right / self.num_category_right if self.num_category_right else None


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that was counted. `levels` has a share for each depth of the tree, from the top down."""

    num_listings: int
    num_right: int
    num_unanswered: int
    interval: Interval
    levels: tuple[Share, ...]
    categories: tuple[CategoryScore, ...]
    macro: Average
    weighted: Average
    confusion: Confusion
    attributes: tuple[AttributeScore, ...]
    offers: tuple[Share, ...]
    label_sources: tuple[Share, ...]
    brands: tuple[Share, ...]
    calibration: Calibration | None

    @property
    def accuracy(self) -> float:
        return self.num_right / self.num_listings


def score(cases: Sequence[Case], *, taxonomy: Taxonomy) -> Scores:
    """Count `cases`, of which there is at least one; categories come in the order of `taxonomy`."""
    assert cases
    categories = _score_categories(cases, taxonomy=taxonomy)
    brands = _shares(cases, name_of=lambda case: (case.brand or "").strip() or "no brand")
    return Scores(
        num_listings=len(cases),
        num_right=sum(case.is_right for case in cases),
        num_unanswered=sum(case.answer is None for case in cases),
        interval=accuracy_interval(cases),
        levels=_score_levels(cases),
        categories=categories,
        macro=_average(categories, weights=[1.0] * len(categories)),
        weighted=_average(categories, weights=[float(of_one.num_listings) for of_one in categories]),
        confusion=_confuse(cases, taxonomy=taxonomy),
        attributes=_score_attributes(cases, taxonomy=taxonomy),
        offers=_shares(cases, name_of=lambda case: case.offer, order=list(Offer)),
        label_sources=_shares(cases, name_of=lambda case: case.label.source, order=list(LabelSource)),
        brands=tuple(sorted(brands, key=lambda brand: (-brand.num_listings, brand.name))),
        calibration=calibrate(cases),
    )


def deepest_shared_category(truth: str, answer: str) -> str | None:
    """The longest path that both paths begin with; None when they differ at the top."""
    shared: list[str] = []
    for of_truth, of_answer in zip(truth.split(SEPARATOR), answer.split(SEPARATOR), strict=False):
        if of_truth != of_answer:
            break
        shared.append(of_truth)
    return SEPARATOR.join(shared) or None


def _score_levels(cases: Sequence[Case]) -> tuple[Share, ...]:
    """For each level, over the listings whose true path reaches it, those answered rightly down to it."""
    num_levels = [_depth(case.label.category) for case in cases]
    num_shared = [
        _depth(deepest_shared_category(case.label.category, case.answer.category)) if case.answer else 0
        for case in cases
    ]
    return tuple(
        Share(
            name=f"level {level}",
            num_listings=sum(depth >= level for depth in num_levels),
            num_right=sum(shared >= level for shared in num_shared),
        )
        for level in range(1, max(num_levels) + 1)
    )


def _depth(path: str | None) -> int:
    return len(path.split(SEPARATOR)) if path else 0


def _score_categories(cases: Sequence[Case], *, taxonomy: Taxonomy) -> tuple[CategoryScore, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    names = _in_order({case.label.category for case in cases}, taxonomy=taxonomy)
    columns = precision_recall_fscore_support(
        [case.label.category for case in cases], [_said(case) for case in cases], labels=names, zero_division=0
    )
    return tuple(
        CategoryScore(name, float(precision), float(recall), float(f1), int(support))
        for name, precision, recall, f1, support in zip(names, *columns, strict=True)
    )


def _average(categories: Sequence[CategoryScore], *, weights: Sequence[float]) -> Average:
    def mean(values: Sequence[float]) -> float:
        return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)

    return Average(
        precision=mean([category.precision for category in categories]),
        recall=mean([category.recall for category in categories]),
        f1=mean([category.f1 for category in categories]),
    )


def _confuse(cases: Sequence[Case], *, taxonomy: Taxonomy) -> Confusion:
    from sklearn.metrics import confusion_matrix

    truths = _in_order({case.label.category for case in cases}, taxonomy=taxonomy)
    said = {case.answer.category for case in cases if case.answer is not None}
    names = _in_order(said | set(truths), taxonomy=taxonomy)
    if any(case.answer is None for case in cases):
        names = [*names, NO_ANSWER]
    counts = confusion_matrix(
        [case.label.category for case in cases], [_said(case) for case in cases], labels=names
    ).tolist()
    rows = [tuple(row) for name, row in zip(names, counts, strict=True) if name in truths]
    return Confusion(truths=tuple(truths), answers=tuple(names), counts=tuple(rows))


def _said(case: Case) -> str:
    return case.answer.category if case.answer is not None else NO_ANSWER


def _in_order(paths: set[str], *, taxonomy: Taxonomy) -> list[str]:
    known = [category.path for category in taxonomy.categories if category.path in paths]
    return known + sorted(paths.difference(known))


def _score_attributes(cases: Sequence[Case], *, taxonomy: Taxonomy) -> tuple[AttributeScore, ...]:
    asked = {attribute.name for category in taxonomy.categories for attribute in category.attributes}
    unanswered = asked.difference(choice.name for category in taxonomy.categories for choice in category.choices)
    names = dict.fromkeys(name for case in cases for name in case.label.attributes if name not in unanswered)
    return tuple(_score_attribute(name, [case for case in cases if name in case.label.attributes]) for name in names)


def _score_attribute(name: str, cases: Sequence[Case]) -> AttributeScore:
    from sklearn.metrics import f1_score

    truths = [case.label.attributes[name] for case in cases]
    said = [case.answer.attributes.get(name, NO_ANSWER) if case.answer is not None else NO_ANSWER for case in cases]
    right = [case for case, truth, value in zip(cases, truths, said, strict=True) if value == truth]
    return AttributeScore(
        name=name,
        num_listings=len(cases),
        num_right=len(right),
        macro_f1=float(f1_score(truths, said, labels=sorted(set(truths)), average="macro", zero_division=0)),
        num_category_right=sum(case.is_right for case in cases),
        num_right_of_category_right=sum(case.is_right for case in right),
    )


def _shares(
    cases: Sequence[Case], *, name_of: Callable[[Case], str], order: Sequence[str] | None = None
) -> tuple[Share, ...]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(str(name_of(case)), []).append(case)
    names = [name for name in order if name in groups] if order is not None else list(groups)
    return tuple(
        Share(str(name), num_listings=len(groups[name]), num_right=sum(case.is_right for case in groups[name]))
        for name in names
    )

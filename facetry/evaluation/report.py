"""The report as one page: the headline first, then where it is right and wrong, then the mistakes themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facetry.evaluation.baselines import Baselines
from facetry.evaluation.case import Case
from facetry.evaluation.figures import draw_accuracies, draw_confusion, draw_reliability, most_confused
from facetry.evaluation.interval import NUM_DRAWS
from facetry.evaluation.metrics import Scores
from facetry.listing import Listing, Split
from facetry.reporting import inline_figure, inline_image, render_page, render_template
from facetry.taxonomy import SEPARATOR

MAX_ROWS = 60
PICTURE_SIDE_PIXELS = 160


@dataclass(frozen=True, slots=True)
class Origin:
    """Who was asked about what."""

    checkpoint: str
    checkpoint_digest: str
    base_model: str
    catalogue: str
    catalogue_digest: str
    split: Split


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A case as the page shows it; `picture` is HTML."""

    case: Case
    truth: str
    answer: str
    picture: str


def choose_mistakes(cases: Sequence[Case], *, limit: int) -> list[Case]:
    """The wrong answers that were given with the most confidence."""
    mistakes = [case for case in cases if case.answer is not None and not case.is_right]
    return sorted(mistakes, key=lambda case: (-case.probability, case.id))[:limit]


def choose_right_answers(cases: Sequence[Case], *, limit: int) -> list[Case]:
    """One right answer of each category while there is room, then a second of each, and so on."""
    num_of_category: dict[str, int] = {}
    turns = []
    for place, case in enumerate(cases):
        if case.is_right:
            turn = num_of_category[case.label.category] = num_of_category.get(case.label.category, 0) + 1
            turns.append((turn, place))
    return [cases[place] for _, place in sorted(turns)[:limit]]


def render_report(
    cases: Sequence[Case],
    *,
    scores: Scores,
    baselines: Baselines | None,
    origin: Origin,
    mistakes: Sequence[Case],
    right_answers: Sequence[Case],
    listings: Mapping[str, Listing],
) -> str:
    """The page; `listings` holds, by id, those whose pictures it shows."""
    short_names = shorten({*scores.confusion.truths, *scores.confusion.answers})
    shown_confusion = most_confused(scores.confusion)
    body = render_template(
        Path(__file__).with_name("report.html"),
        scores=scores,
        baselines=baselines,
        origin=origin,
        accuracies=inline_figure(draw_accuracies(scores, baselines=baselines)),
        confusion=inline_figure(draw_confusion(shown_confusion, short_names=short_names)),
        confusion_is_whole=shown_confusion == scores.confusion,
        reliability=inline_figure(draw_reliability(scores.calibration)) if scores.calibration else None,
        mistakes=[_exhibit(case, short_names=short_names, listings=listings) for case in mistakes],
        right_answers=[_exhibit(case, short_names=short_names, listings=listings) for case in right_answers],
        unanswered=[case for case in cases if case.answer is None],
        num_draws=NUM_DRAWS,
        max_rows=MAX_ROWS,
    )
    return render_page(f"Evaluation of {origin.checkpoint} on the {origin.split} split", body)


def shorten(paths: set[str]) -> dict[str, str]:
    """Each path's last name, or the whole path where two of them end alike."""
    last_names = [path.rsplit(SEPARATOR, maxsplit=1)[-1] for path in paths]
    names = zip(paths, last_names, strict=True)
    return {path: name if last_names.count(name) == 1 else path for path, name in names}


def _exhibit(case: Case, *, short_names: Mapping[str, str], listings: Mapping[str, Listing]) -> Exhibit:
    assert case.answer is not None
    images = listings[case.id].usable_images if case.id in listings else ()
    return Exhibit(
        case=case,
        truth=short_names[case.label.category],
        answer=short_names[case.answer.category],
        picture=inline_image(images[0].data, alt=case.title or case.id, side_pixels=PICTURE_SIDE_PIXELS)
        if images
        else '<span class="blank">no picture</span>',
    )

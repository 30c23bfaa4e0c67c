"""The page that a person reads."""

import io

from PIL import Image

from facetry.decoding import Answer
from facetry.errors import RequestError
from facetry.evaluation.baselines import Baselines
from facetry.evaluation.case import Case
from facetry.evaluation.figures import most_confused
from facetry.evaluation.metrics import Confusion, score
from facetry.evaluation.report import Origin, choose_mistakes, choose_right_answers, render_report, shorten
from facetry.listing import Label, Listing, ListingImage, Split
from facetry.taxonomy import load_yaml

TAXONOMY = load_yaml("Pan: {attributes: {lid: ['yes', 'no']}}\nPot:\n$ Wok $:\n", origin="test")
ORIGIN = Origin("checkpoint", "c" * 64, "tiny", "catalogue", "d" * 64, Split.TEST)
BASELINES = Baselines(10, 5, "Pan", majority_accuracy=0.125, neighbours_accuracy=0.25)


def jpeg() -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (400, 320), "teal").save(encoded, format="JPEG")
    return encoded.getvalue()


def listing(listing_id: str, truth: str, *, title: str | None = None, images: tuple[ListingImage, ...] = ()) -> Listing:
    return Listing(id=listing_id, title=title, images=images, label=Label(truth, {"lid": "yes"}))


def case(listing_id: str, truth: str, answer: str, *, probability: float = 0.5) -> Case:
    return Case.of(listing(listing_id, truth), Answer(answer, probability))


def page_of(listings: list[Listing], answers: list[Answer | RequestError], *, baselines: Baselines | None) -> str:
    cases = [Case.of(one, answer) for one, answer in zip(listings, answers, strict=True)]
    return render_report(
        cases,
        scores=score(cases, taxonomy=TAXONOMY),
        baselines=baselines,
        origin=ORIGIN,
        mistakes=choose_mistakes(cases, limit=9),
        right_answers=choose_right_answers(cases, limit=9),
        listings={one.id: one for one in listings},
    )


def test_the_page_tells_the_headline_the_baselines_and_shows_mistakes_with_their_pictures() -> None:
    listings = [
        listing("a", "Pan", title="Round pan"),
        listing("b", "$ Wok $", title="Deep wok", images=(ListingImage(jpeg(), "b.jpg"),)),
        listing("c", "Pot", images=(ListingImage(b"broken", "c.jpg"),)),
    ]
    answers: list[Answer | RequestError] = [
        Answer("Pan", 0.9, {"lid": "yes"}),
        Answer("Pot", 0.8),
        RequestError("image 1 is no picture"),
    ]
    page = page_of(listings, answers, baselines=BASELINES)
    for promised in ("1 of 3", "33.3%", "25.0%", "12.5%", "Deep wok", "data:image/jpeg", "image 1 is no picture"):
        assert promised in page


def test_titles_and_reasons_cannot_write_html() -> None:
    attack = "<script>alert(1)</script>"
    listings = [listing(attack, "Pan", title=attack), listing("b", "Pan", title=attack)]
    page = page_of(listings, [Answer("Pot", 0.9), RequestError(attack)], baselines=BASELINES)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_page_without_baselines_mistakes_or_answers_is_still_a_page() -> None:
    page = page_of([listing("a", "Pan")], [RequestError("nothing to show")], baselines=None)
    assert "no baselines" in page
    assert "0 of 1" in page


def test_the_worst_mistakes_come_first_and_right_answers_are_none_of_them() -> None:
    cases = [
        case("a", "Pan", "Pot", probability=0.4),
        case("b", "Pan", "Pot", probability=0.9),
        case("c", "Pan", "Pan", probability=1.0),
        Case.of(listing("d", "Pan"), RequestError("no picture")),
    ]
    assert [mistake.id for mistake in choose_mistakes(cases, limit=9)] == ["b", "a"]
    assert [mistake.id for mistake in choose_mistakes(cases, limit=1)] == ["b"]


def test_right_answers_show_every_category_before_showing_one_twice() -> None:
    cases = [case("a", "Pan", "Pan"), case("b", "Pan", "Pan"), case("c", "Pot", "Pot"), case("d", "Pot", "Pan")]
    assert [right.id for right in choose_right_answers(cases, limit=2)] == ["a", "c"]
    assert [right.id for right in choose_right_answers(cases, limit=9)] == ["a", "c", "b"]


def test_names_that_end_alike_stay_whole() -> None:
    assert shorten({"A > Oil", "B > Oil", "B > Balm"}) == {
        "A > Oil": "A > Oil",
        "B > Oil": "B > Oil",
        "B > Balm": "Balm",
    }


def test_a_matrix_too_large_for_a_page_keeps_its_most_missed_categories() -> None:
    confusion = Confusion(("A", "B", "C"), ("A", "B", "C"), ((5, 0, 0), (0, 1, 4), (0, 2, 3)))
    kept = most_confused(confusion, limit=2)
    assert (kept.truths, kept.answers, kept.counts) == (("B", "C"), ("B", "C"), ((1, 4), (2, 3)))
    assert most_confused(confusion, limit=3) == confusion

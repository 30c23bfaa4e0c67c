"""What answers are worth, counted by hand."""

import pytest

from facetry.decoding import Answer
from facetry.errors import RequestError
from facetry.evaluation.case import Case, Offer
from facetry.evaluation.interval import accuracy_interval
from facetry.evaluation.metrics import NO_ANSWER, Share, deepest_shared_category, score
from facetry.listing import Label, LabelSource, Listing, ListingImage
from facetry.taxonomy import load_yaml

PAN, WOK, SHIRT = "Home > Cookware > Pan", "Home > Cookware > Wok", "Clothing > Shirt"
TAXONOMY = load_yaml(
    "Clothing: {categories: {Shirt: }}\n"
    "Home: {categories: {Cookware: {attributes: {lid: ['yes', 'no']}, categories: {Pan: , Wok: }}}}\n",
    origin="test",
)
IMAGE = ListingImage(b"jpeg", "a.jpg")


def ask(
    truth: str,
    answer: str | None,
    *,
    probability: float = 0.5,
    lid: str | None = None,
    said_lid: str | None = None,
    listing_id: str = "1",
    brand: str | None = "Orla",
    source: LabelSource = LabelSource.UNAUDITED,
    images: tuple[ListingImage, ...] = (IMAGE,),
) -> Case:
    label = Label(truth, {"lid": lid} if lid else {}, source)
    listing = Listing(id=listing_id, title="24 cm", brand=brand, images=images, label=label)
    if answer is None:
        return Case.of(listing, RequestError("no picture"))
    return Case.of(listing, Answer(answer, probability, {"lid": said_lid} if said_lid else {}))


def test_an_unanswered_listing_is_a_mistake_and_counts_add_up() -> None:
    scores = score([ask(PAN, PAN), ask(PAN, WOK), ask(WOK, None)], taxonomy=TAXONOMY)
    assert (scores.num_listings, scores.num_right, scores.num_unanswered) == (3, 1, 1)
    assert scores.accuracy == pytest.approx(1 / 3)
    assert sum(map(sum, scores.confusion.counts)) == 3


def test_the_deepest_shared_category_ends_where_paths_part() -> None:
    assert deepest_shared_category(PAN, PAN) == PAN
    assert deepest_shared_category(PAN, WOK) == "Home > Cookware"
    assert deepest_shared_category(PAN, "Home > Cook") == "Home"
    assert deepest_shared_category(PAN, SHIRT) is None


def test_a_level_counts_only_the_listings_whose_path_reaches_it() -> None:
    scores = score([ask(PAN, PAN), ask(PAN, WOK), ask(PAN, SHIRT), ask(SHIRT, SHIRT)], taxonomy=TAXONOMY)
    assert scores.levels == (Share("level 1", 4, 3), Share("level 2", 4, 3), Share("level 3", 3, 1))


def test_precision_recall_and_f1_are_those_of_the_true_categories() -> None:
    scores = score([ask(PAN, PAN), ask(PAN, PAN), ask(PAN, WOK), ask(WOK, PAN)], taxonomy=TAXONOMY)
    pan, wok = scores.categories
    assert (pan.category, pan.num_listings) == (PAN, 3)
    assert (pan.precision, pan.recall, pan.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (wok.precision, wok.recall, wok.f1) == (0, 0, 0)
    assert scores.macro.f1 == pytest.approx(1 / 3)
    assert scores.weighted.f1 == pytest.approx(1 / 2)


def test_the_confusion_matrix_shows_answers_that_are_nobodys_truth() -> None:
    confusion = score([ask(PAN, SHIRT), ask(PAN, None), ask(PAN, PAN)], taxonomy=TAXONOMY).confusion
    assert confusion.truths == (PAN,)
    assert confusion.answers == (SHIRT, PAN, NO_ANSWER)
    assert confusion.counts == ((1, 1, 1),)


def test_a_category_that_the_taxonomy_lacks_is_scored_all_the_same() -> None:
    scores = score([ask("Garden > Spade", PAN), ask(PAN, PAN)], taxonomy=TAXONOMY)
    assert [row.category for row in scores.categories] == [PAN, "Garden > Spade"]


def test_an_attribute_that_was_not_answered_is_a_mistake_in_the_first_share_only() -> None:
    cases = [
        ask(PAN, PAN, lid="yes", said_lid="yes"),
        ask(PAN, PAN, lid="yes", said_lid="no"),
        ask(PAN, WOK, lid="no", said_lid="no"),
        ask(PAN, SHIRT, lid="no"),
        ask(PAN, None, lid="no"),
        ask(SHIRT, SHIRT),
    ]
    (lid,) = score(cases, taxonomy=TAXONOMY).attributes
    assert (lid.name, lid.num_listings, lid.num_right) == ("lid", 5, 2)
    assert lid.accuracy_where_category_right == pytest.approx(1 / 2)
    assert lid.macro_f1 == pytest.approx((2 / 3 + 2 / 5) / 2)


def test_an_attribute_that_models_do_not_answer_yet_is_not_scored() -> None:
    texts = load_yaml("Pan: {attributes: {lid: {kind: text}}}", origin="test")
    assert score([ask("Pan", "Pan", lid="a glass one")], taxonomy=texts).attributes == ()


def test_listings_are_counted_by_offer_label_source_and_brand() -> None:
    rejected = (ListingImage(b"jpeg", "b.jpg", "blurred"),)
    cases = [
        ask(PAN, PAN, source=LabelSource.AUDITED),
        ask(PAN, WOK, images=rejected),
        ask(PAN, PAN, brand=None),
    ]
    scores = score(cases, taxonomy=TAXONOMY)
    assert scores.offers == (Share(Offer.TEXT_AND_IMAGE, 2, 2), Share(Offer.TEXT_ONLY, 1, 0))
    assert scores.label_sources == (Share("unaudited", 2, 1), Share("audited", 1, 1))
    assert scores.brands == (Share("Orla", 2, 1), Share("no brand", 1, 1))


def test_honest_probabilities_have_no_calibration_error() -> None:
    cases = [ask(PAN, PAN if index < 3 else WOK, probability=0.75) for index in range(4)]
    calibration = score(cases, taxonomy=TAXONOMY).calibration
    assert calibration is not None
    assert calibration.error == pytest.approx(0)


def test_confident_mistakes_have_all_of_it_and_certainty_has_a_bin() -> None:
    calibration = score([ask(PAN, WOK, probability=1.0)] * 2, taxonomy=TAXONOMY).calibration
    assert calibration is not None
    assert calibration.error == pytest.approx(1)
    assert [(part.low, part.num_answers) for part in calibration.bins] == [(0.9, 2)]


def test_nothing_answered_means_no_calibration() -> None:
    assert score([ask(PAN, None)], taxonomy=TAXONOMY).calibration is None


def test_the_interval_is_wider_when_listings_come_from_fewer_brands() -> None:
    def spread(num_brands: int) -> float:
        cases = [
            ask(PAN, PAN if index % num_brands % 2 else WOK, brand=str(index % num_brands), listing_id=str(index))
            for index in range(120)
        ]
        interval = accuracy_interval(cases)
        assert interval == accuracy_interval(cases)
        assert interval.low <= 0.5 <= interval.high
        return interval.high - interval.low

    assert spread(6) > 2 * spread(60)


def test_one_brand_still_has_an_interval() -> None:
    interval = accuracy_interval([ask(PAN, PAN if index % 2 else WOK, listing_id=str(index)) for index in range(40)])
    assert interval.low < 0.5 < interval.high

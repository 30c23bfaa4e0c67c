from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from facetry.decoding import Answer
from facetry.errors import RequestError
from facetry.listing import Listing, ListingImage
from facetry.triton.tensors import answer_requests, encode_listing, read_listings


class Echo:
    """Answers with the title, and counts how often it is asked."""

    def __init__(self) -> None:
        self.num_calls = 0

    def answer(self, listings: Sequence[Listing]) -> list[Answer | RequestError]:
        self.num_calls += 1
        return [
            RequestError("an image is broken")
            if listing.images
            else Answer(listing.title or "?", 0.5, {"lid": "naïve"})
            for listing in listings
        ]


def column(*values: bytes) -> NDArray[np.generic]:
    return np.array([[value] for value in values], dtype=np.object_)


def test_a_listing_comes_out_as_it_went_in() -> None:
    listing = Listing(
        id="0", title="Crème", brand="Ora", images=(ListingImage(b"one", "IMAGE[0]"), ListingImage(b"two", "IMAGE[1]"))
    )
    assert read_listings(encode_listing(listing)) == [listing]


def test_an_image_rejected_by_clean_is_not_sent() -> None:
    listing = Listing(id="0", title="jar", images=(ListingImage(b"one", "a", rejection="blurred"),))
    assert read_listings(encode_listing(listing)) == [replace(listing, images=())]


def test_all_requests_share_one_call_and_each_gets_its_own_answers() -> None:
    engine = Echo()
    requests = [
        {"TITLE": column(b"a", b"b")},
        {"TITLE": column(b"")},
        {"IMAGE": column(b"\xff\xd8")},
        {"TITLE": column(b"c")},
    ]
    two, nothing, broken, one = answer_requests(engine, requests)
    assert engine.num_calls == 1
    assert isinstance(two, dict)
    assert two["CATEGORY_PATH"].tolist() == [[b"a"], [b"b"]]
    assert two["PROBABILITY"].dtype == np.float32
    assert str(nothing) == "the request holds no image and no text: send at least one"
    assert str(broken) == "an image is broken"
    assert isinstance(one, dict)
    assert one["ATTRIBUTES"].item().decode() == '{"lid": "naïve"}'


def test_a_bad_row_of_several_is_named() -> None:
    (refused,) = answer_requests(Echo(), [{"TITLE": column(b"a", b"b"), "IMAGE": column(b"", b"x")}])
    assert str(refused) == "listing 1: an image is broken"


@pytest.mark.parametrize("name", ["TITLE", "DESCRIPTION", "BRAND", "BRAND_DESCRIPTION"])
def test_text_that_is_not_utf8_is_named(name: str) -> None:
    with pytest.raises(RequestError, match=f"^{name} is not UTF-8 text: encode it as UTF-8$"):
        read_listings({name: column(b"\xe8")})


def test_a_request_without_any_tensor_says_what_to_send() -> None:
    with pytest.raises(RequestError, match="no image and no text: send at least one"):
        read_listings({})

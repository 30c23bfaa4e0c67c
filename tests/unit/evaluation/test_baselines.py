"""What can be had without a model."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from facetry.evaluation.appearance import describe
from facetry.evaluation.baselines import Sight, score_baselines, see
from facetry.listing import Label, Listing, ListingImage

COLOURS = ("red", "blue", "gold")


def picture(*, shape: str, shift: int = 0, colour: str = "red") -> bytes:
    image = Image.new("RGB", (320, 320), "white")
    draw = ImageDraw.Draw(image)
    box = (60 + shift, 60, 240 + shift, 240)
    (draw.ellipse if shape == "round" else draw.rectangle)(box, fill=colour)
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG")
    return encoded.getvalue()


def listing(category: str | None, *images: ListingImage) -> Listing:
    return Listing(id="1", images=images, label=Label(category) if category else None)


def shaped(category: str, *, shift: int) -> Listing:
    return listing(category, ListingImage(picture(shape=category, shift=shift), "a.jpg"))


def test_neighbours_tell_shapes_apart_and_the_majority_does_not() -> None:
    train = see([shaped(shape, shift=shift) for shape in ("round", "square", "round") for shift in (0, 10, 20)])
    asked = see([shaped(shape, shift=5) for shape in ("round", "square")])
    baselines = score_baselines(asked, train=train, num_neighbours=3)
    assert baselines is not None
    assert baselines.majority_category == "round"
    assert baselines.majority_accuracy == pytest.approx(0.5)
    assert baselines.neighbours_accuracy == pytest.approx(1.0)


def test_colour_tells_apart_what_has_the_same_shape() -> None:
    train = see([listing(colour, ListingImage(picture(shape="round", colour=colour), "a.jpg")) for colour in COLOURS])
    asked = see(
        [listing(colour, ListingImage(picture(shape="round", colour=colour, shift=2), "b.jpg")) for colour in COLOURS]
    )
    baselines = score_baselines(asked, train=train, num_neighbours=1)
    assert baselines is not None
    assert baselines.neighbours_accuracy == pytest.approx(1.0)


def test_edges_and_colours_weigh_the_same() -> None:
    appearance = describe(picture(shape="round"))
    assert appearance is not None
    assert np.linalg.norm(appearance) == pytest.approx(np.sqrt(2), rel=1e-3)


def test_without_a_usable_picture_the_majority_is_guessed() -> None:
    train = [*see([shaped("square", shift=0)]), Sight("round", None), Sight("round", None)]
    asked = see(
        [
            listing("round"),
            listing("round", ListingImage(b"no picture", "a.jpg")),
            listing("round", ListingImage(picture(shape="square"), "b.jpg", "blurred")),
        ]
    )
    baselines = score_baselines(asked, train=train, num_neighbours=1)
    assert baselines is not None
    assert baselines.neighbours_accuracy == pytest.approx(1.0)


def test_more_neighbours_than_listings_is_no_error() -> None:
    train = see([shaped("round", shift=0)])
    baselines = score_baselines(train, train=train, num_neighbours=50)
    assert baselines is not None
    assert baselines.neighbours_accuracy == pytest.approx(1.0)


def test_nothing_to_learn_from_means_no_baselines() -> None:
    assert score_baselines([Sight("round", None)], train=see([listing(None)]), num_neighbours=5) is None


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_what_is_no_picture_has_no_appearance(data: bytes) -> None:
    assert describe(data) is None

"""Listings as training examples: what is shown of them, and what is to be answered."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from facetry.config import FieldMasks, TrainParams
from facetry.errors import RequestError, TrainingError
from facetry.listing import TEXT_FIELDS, Listing
from facetry.prompting import AnswerPart, Prompt, Resizing, answer_parts, compose, decode_image, message, title_part
from facetry.taxonomy import Taxonomy
from facetry.training.feed import Feed
from facetry.training.sampling import Draw

IMAGES = "images"
TITLE_QUESTION = "Title?"
CLASS_WEIGHT_POWERS = {"none": 0.0, "inverse_root": -0.5, "inverse": -1.0}


@dataclass(frozen=True, slots=True)
class Example:
    """One look at a listing. `image_keys` name the content of each image shown.

    `num_broken_images` were left out, because they cannot be decoded.
    """

    listing_id: str
    prompt: Prompt
    answer: tuple[AnswerPart, ...]
    weight: float
    image_keys: tuple[str, ...]
    num_broken_images: int = 0


class ListingDataset(Dataset[Example]):
    """The listings of a feed as examples, the same for the same draw in every process.

    With `varied`, fields are left out now and then, as `params.mask` says; without, a listing looks as it does when
    served. Images are decoded for the sizes that `encoder_resized_to` tells, and not at all in an example of which
    `knows_images` is true.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        taxonomy: Taxonomy,
        params: TrainParams,
        encoder_resized_to: Resizing | None = None,
        varied: bool,
        knows_images: Callable[[Example], bool] | None = None,
    ) -> None:
        self._feed = feed
        self._taxonomy = taxonomy
        self._params = params
        self._prompt = params.prompt
        if params.learn == "title":
            self._prompt = params.prompt.model_copy(update={"question": TITLE_QUESTION})
        self._resized_to = encoder_resized_to
        self._varied = varied
        self._knows_images = knows_images
        self._weights = class_weights(feed.categories, params=params)

    def __len__(self) -> int:
        return len(self._feed)

    def __getitem__(self, draw: Draw) -> Example:
        listing, weight = self._feed[draw.index], float(self._weights[draw.index])
        try:
            return self._look_at(listing, epoch=draw.epoch, weight=weight)
        except RequestError:
            sound = without_broken_images(listing)
        try:
            example = self._look_at(sound, epoch=draw.epoch, weight=weight)
        except RequestError as error:
            raise TrainingError(
                f"listing '{listing.id}' has nothing to show but images that cannot be decoded: "
                "run `facetry clean` on the catalogue, then split it again"
            ) from error
        return replace(example, num_broken_images=len(listing.usable_images) - len(sound.usable_images))

    def _look_at(self, listing: Listing, *, epoch: int, weight: float) -> Example:
        shown = self._shown(listing, epoch=epoch)
        images = shown.usable_images[: self._prompt.max_images]
        example = Example(
            listing_id=listing.id,
            prompt=Prompt((message(shown, params=self._prompt),), images=()),
            answer=self._answer(listing),
            weight=weight,
            image_keys=tuple(content_key(image.data) for image in images),
        )
        if self._knows_images is not None and self._knows_images(example):
            return example
        return replace(example, prompt=compose(shown, params=self._prompt, resized_to=self._resized_to))

    def _shown(self, listing: Listing, *, epoch: int) -> Listing:
        """What of `listing` is seen this time."""
        if self._params.learn == "title":
            return replace(listing, title=None, description=None, brand=None, brand_description=None)
        if not self._varied:
            return listing
        return masked(listing, masks=self._params.mask, seed=self._params.seed, epoch=epoch)

    def _answer(self, listing: Listing) -> tuple[AnswerPart, ...]:
        if self._params.learn == "title":
            assert listing.title is not None
            return (title_part(listing.title, params=self._prompt),)
        assert listing.label is not None
        return tuple(answer_parts(listing.label, category=self._taxonomy.category(listing.label.category)))


def masked(listing: Listing, *, masks: FieldMasks, seed: int, epoch: int) -> Listing:
    """`listing` without the fields whose turn it is; when that would be all that it has, one of them stays."""
    random = Random(f"{seed} {epoch} {listing.id}")
    gone = [name for name in (*TEXT_FIELDS, IMAGES) if random.random() < getattr(masks, name)]
    present = [*listing.texts, *([IMAGES] if listing.usable_images else [])]
    if present and set(present) <= set(gone):
        gone.remove(random.choice(present))
    for name in gone:
        listing = listing.without(name)
    return listing


def without_broken_images(listing: Listing) -> Listing:
    """`listing` with only those of its images that can be decoded."""
    return replace(listing, images=tuple(image for image in listing.usable_images if _can_be_decoded(image.data)))


def class_weights(categories: Sequence[str | None], *, params: TrainParams) -> NDArray[np.float64]:
    """How much each listing counts: the rarer its category, the more, as `params.class_weights` says; 1 on average."""
    sizes = Counter(categories)
    power = CLASS_WEIGHT_POWERS["none" if params.learn == "title" else params.class_weights]
    weights = np.array([float(sizes[category]) for category in categories]) ** power
    return weights / weights.mean() if len(weights) else weights


def content_key(data: bytes) -> str:
    """Names the content of an image, so that equal ones are looked at once."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _can_be_decoded(data: bytes) -> bool:
    try:
        decode_image(data)
    except RequestError:
        return False
    return True

"""Listings as pictures and what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from facetry.backbones.dual_encoder import PairEncoder
from facetry.config import TrainParams
from facetry.decoding.captions import CATEGORY
from facetry.errors import RequestError, TrainingError
from facetry.listing import Listing
from facetry.prompting import decode_image
from facetry.training.contrastive.captions import CaptionTable
from facetry.training.contrastive.losses import UNKNOWN
from facetry.training.dataset import class_weights
from facetry.training.feed import Feed
from facetry.training.sampling import Draw


@dataclass(frozen=True, slots=True)
class Picture:
    """The first picture of a listing, the number of the caption that is true of it for each facet, and its weight."""

    listing_id: str
    pixels: torch.Tensor
    values: NDArray[np.int64]
    weights: NDArray[np.float32]
    num_broken_images: int = 0


class PictureDataset(Dataset[Picture]):
    """The listings of a feed as pictures, each of them as it looks when served."""

    def __init__(self, feed: Feed, *, captions: CaptionTable, encoder: PairEncoder, params: TrainParams) -> None:
        self._feed = feed
        self._encoder = encoder
        columns = [_known_values(feed, captions, facet) for facet in range(len(captions.facets))]
        self.values = np.stack(columns, axis=1)
        weights = [_weights(self.values[:, facet], captions, facet, params=params) for facet in range(len(columns))]
        self._weights = np.stack(weights, axis=1).astype(np.float32)

    def __len__(self) -> int:
        return len(self._feed)

    def __getitem__(self, draw: Draw) -> Picture:
        listing = self._feed[draw.index]
        pixels, num_broken = self._look_at(listing)
        return Picture(listing.id, pixels, self.values[draw.index], self._weights[draw.index], num_broken)

    def _look_at(self, listing: Listing) -> tuple[torch.Tensor, int]:
        """The first picture that can be decoded, and how many before it cannot."""
        for number, image in enumerate(listing.usable_images):
            try:
                picture = decode_image(image.data, resized_to=self._encoder.resized_to)
                return self._encoder.encode_image(picture), number
            except RequestError:
                continue
        raise TrainingError(
            f"listing '{listing.id}' has no picture that can be decoded: run `facetry clean` on the catalogue, then "
            "split it again"
        )


class PictureCollator:
    """Puts pictures together; where there are none, a blank one of which nothing is known.

    What ranks exchange of the vision tower, they exchange in every step.
    """

    def __init__(self, encoder: PairEncoder, *, num_facets: int) -> None:
        self._blank = encoder.blank_image()
        self._num_facets = num_facets
        self._tokens_per_image = encoder.num_image_tokens

    def __call__(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        nothing = np.full((1, self._num_facets), UNKNOWN)
        values = np.stack([picture.values for picture in pictures]) if pictures else nothing
        weights = np.stack([picture.weights for picture in pictures]) if pictures else np.zeros_like(nothing)
        return {
            "pixel_values": torch.stack([picture.pixels for picture in pictures] or [self._blank]),
            "values": torch.from_numpy(values),
            "weights": torch.from_numpy(weights).float(),
            "listing_ids": [picture.listing_id for picture in pictures],
            "num_prompt_tokens": len(pictures) * self._tokens_per_image,
            "broken": [picture.listing_id for picture in pictures if picture.num_broken_images],
        }


def _known_values(feed: Feed, captions: CaptionTable, facet: int) -> NDArray[np.int64]:
    """The number of the true caption of each listing."""
    said = feed.values(captions.facets[facet].name)
    numbers = {value: captions.number(facet, value) for value in set(said)}
    return np.array([UNKNOWN if numbers[value] is None else numbers[value] for value in said], dtype=np.int64)


def _weights(
    values: NDArray[np.int64], captions: CaptionTable, facet: int, *, params: TrainParams
) -> NDArray[np.float64]:
    """How much each listing counts: nothing where the facet is unknown; the category as much as `params` says."""
    weights = np.zeros(len(values))
    known = np.flatnonzero(values != UNKNOWN)
    weights[known] = class_weights([str(value) for value in values[known]], params=params)
    is_category = captions.facets[facet].name == CATEGORY
    return weights * (params.category_weight if is_category else 1.0)

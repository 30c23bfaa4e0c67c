"""Which listing is what, decided before anything is drawn, so that any process can draw any part of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from facetry.config import DrawParams
from facetry.synthetic.brands import Brand, make_brand

IMAGE_COUNT_DECAY = 0.35
WITHOUT_IMAGES_SHARE = 0.01
AUDITED_SHARE = 0.5
ASSORTMENT_SKEW = 0.6

NOT_A_COPY = -1


class Defect(StrEnum):
    BLURRED = "blurred"
    TINY = "tiny"
    CORRUPT = "corrupt"


_DEFECTS = tuple(Defect)


@dataclass(frozen=True, slots=True)
class ListingPlan:
    """A listing to be made. `copies` is the listing whose product and hero image it takes over, if it does."""

    index: int
    brand: Brand
    category: str
    defects: tuple[Defect | None, ...]
    copies: int | None
    copy_is_exact: bool
    label_is_wrong: bool
    is_audited: bool
    title_misleads: bool

    @property
    def product_index(self) -> int:
        return self.index if self.copies is None else self.copies


@dataclass(frozen=True)
class Plan:
    """All listings as columns: small enough for millions of them."""

    brands: tuple[Brand, ...]
    brand_of: NDArray[np.int32]
    category_rank: NDArray[np.int8]
    image_starts: NDArray[np.int64]
    defects: NDArray[np.int8]
    copies: NDArray[np.int64]
    copy_is_exact: NDArray[np.bool_]
    label_is_wrong: NDArray[np.bool_]
    is_audited: NDArray[np.bool_]
    title_misleads: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.brand_of)

    def listings(self, start: int, stop: int) -> Iterator[ListingPlan]:
        """The listings from `start` up to `stop`."""
        for index in range(start, min(stop, len(self))):
            brand = self.brands[self.brand_of[index]]
            defects = self.defects[self.image_starts[index] : self.image_starts[index + 1]]
            copies = int(self.copies[index])
            yield ListingPlan(
                index=index,
                brand=brand,
                category=brand.categories[self.category_rank[index]],
                defects=tuple(_DEFECTS[code - 1] if code else None for code in defects),
                copies=None if copies == NOT_A_COPY else copies,
                copy_is_exact=bool(self.copy_is_exact[index]),
                label_is_wrong=bool(self.label_is_wrong[index]),
                is_audited=bool(self.is_audited[index]),
                title_misleads=bool(self.title_misleads[index]),
            )


def make_plan(params: DrawParams) -> Plan:
    """The plan that `params` asks for; the same for the same seed."""
    random = np.random.default_rng(params.seed)
    count = params.num_listings
    brands = tuple(make_brand(index, seed=params.seed) for index in range(params.num_brands))
    brand_of = _choose_brands(brands, count=count, random=random)
    category_rank = _choose_categories(brands, brand_of, random=random)
    num_images = _choose_image_counts(count, most=params.max_images_per_listing, random=random)
    copies = _choose_copies(brand_of, num_images, share=params.duplicate_share, random=random)
    is_copy = copies != NOT_A_COPY
    category_rank[is_copy] = category_rank[copies[is_copy]]
    image_starts = np.concatenate([[0], np.cumsum(num_images)])
    label_is_wrong = _choose(count, share=params.wrong_label_share, random=random)
    return Plan(
        brands=brands,
        brand_of=brand_of,
        category_rank=category_rank,
        image_starts=image_starts,
        defects=_choose_defects(params, image_starts, copies, random=random),
        copies=copies,
        copy_is_exact=is_copy & (np.cumsum(is_copy) % 2 == 1),
        label_is_wrong=label_is_wrong,
        is_audited=~label_is_wrong & (random.random(count) < AUDITED_SHARE),
        title_misleads=_choose(count, share=params.misleading_title_share, random=random) & (num_images > 0),
    )


def _choose(count: int, *, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """A mask with exactly `share` of `count` set, rounded."""
    mask = np.zeros(count, dtype=np.bool_)
    mask[random.permutation(count)[: round(share * count)]] = True
    return mask


def _choose_brands(brands: tuple[Brand, ...], *, count: int, random: np.random.Generator) -> NDArray[np.int32]:
    weights = random.uniform(0.6, 1.6, len(brands))
    return random.choice(len(brands), count, p=weights / weights.sum()).astype(np.int32)


def _choose_categories(
    brands: tuple[Brand, ...], brand_of: NDArray[np.int32], *, random: np.random.Generator
) -> NDArray[np.int8]:
    """The place of each listing's category in its brand's assortment: best sellers come more often."""
    ranks = np.zeros(len(brand_of), dtype=np.int8)
    for number, brand in enumerate(brands):
        weights = 1 / np.arange(1, len(brand.categories) + 1) ** ASSORTMENT_SKEW
        chosen = np.flatnonzero(brand_of == number)
        ranks[chosen] = random.choice(len(weights), len(chosen), p=weights / weights.sum())
    return ranks


def _choose_image_counts(count: int, *, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    weights = IMAGE_COUNT_DECAY ** np.arange(most)
    counts = random.choice(np.arange(1, most + 1), count, p=weights / weights.sum())
    counts[_choose(count, share=WITHOUT_IMAGES_SHARE, random=random)] = 0
    return counts.astype(np.int64)


def _choose_copies(
    brand_of: NDArray[np.int32], num_images: NDArray[np.int64], *, share: float, random: np.random.Generator
) -> NDArray[np.int64]:
    """For each listing the one of its brand whose hero it reuses, or `NOT_A_COPY`; nothing is a copy of a copy."""
    copies = np.full(len(brand_of), NOT_A_COPY, dtype=np.int64)
    with_images = random.permutation(np.flatnonzero(num_images > 0))
    wanted = round(share * len(brand_of))
    copying, sources = with_images[:wanted], with_images[wanted:]
    for number in np.unique(brand_of[copying]):
        own_copying, own_sources = copying[brand_of[copying] == number], sources[brand_of[sources] == number]
        if len(own_sources):
            copies[own_copying] = random.choice(own_sources, len(own_copying))
    return copies


def _choose_defects(
    params: DrawParams, image_starts: NDArray[np.int64], copies: NDArray[np.int64], *, random: np.random.Generator
) -> NDArray[np.int8]:
    """A code per image: 0 for sound, else one more than the defect's place. Copies and their sources stay sound."""
    defects = np.zeros(image_starts[-1], dtype=np.int8)
    kept_sound = np.zeros(len(defects), dtype=np.bool_)
    is_copy = copies != NOT_A_COPY
    kept_sound[image_starts[:-1][is_copy]] = True
    kept_sound[image_starts[copies[is_copy]]] = True
    free = random.permutation(np.flatnonzero(~kept_sound))
    start = 0
    for code, share in enumerate((params.blurred_share, params.tiny_share, params.corrupt_share), start=1):
        stop = start + round(share * len(defects))
        defects[free[start:stop]] = code
        start = stop
    return defects

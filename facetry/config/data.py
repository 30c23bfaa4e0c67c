"""The sections of the stages that make and change catalogues."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, field_validator, model_validator

from facetry.config.section import Name, Section, Share


class DrawParams(Section):
    """The drawn catalogue: a shop that does not exist, for trying everything out."""

    num_listings: int = Field(default=8000, ge=1)
    num_brands: int = Field(default=240, ge=1)
    seed: int = 7
    image_side_pixels: int = Field(default=336, ge=64, le=4096)
    max_images_per_listing: int = Field(default=2, ge=1)
    wrong_label_share: Share = 0.15
    misleading_title_share: Share = 0.1
    blurred_share: Share = 0.03
    tiny_share: Share = 0.02
    corrupt_share: Share = 0.01
    duplicate_share: Share = 0.04
    num_workers: int | None = Field(default=None, ge=1)


LISTING_FIELDS = (
    "id",
    "title",
    "description",
    "brand",
    "brand_description",
    "images",
    "category",
    "candidates",
    "attributes",
    "label_source",
)


def missing_fields(names: Collection[str]) -> Sequence[str]:
    """What a listing made of these fields lacks, its id aside."""
    return () if {"title", "images"} & set(names) else ("title or images",)


def check_fields(names: Collection[str]) -> None:
    """Raise a `ValueError` unless these are fields of a listing, and enough to make one, its id aside."""
    unknown = [name for name in names if name not in LISTING_FIELDS]
    if unknown:
        raise ValueError(f"no field of a listing is called {', '.join(unknown)}: use {', '.join(LISTING_FIELDS)}")
    if missing := missing_fields(names):
        raise ValueError(f"must have {', '.join(missing)}")


class FetchParams(Section):
    """How pages and pictures are fetched from the web.

    `timeout_seconds` bounds a whole fetch, stalls included. Addresses inside this machine or a private network are
    refused but for those in `allowed_networks` (as `10.0.0.0/8`).
    """

    user_agent: str = Field(default="facetry", pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
    num_parallel: int = Field(default=16, ge=1, le=256)
    num_parallel_per_host: int = Field(default=4, ge=1)
    min_seconds_between_requests: float = Field(default=0.05, ge=0)
    num_tries: int = Field(default=5, ge=1)
    first_wait_seconds: float = Field(default=1.0, ge=0)
    longest_wait_seconds: float = Field(default=10.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)
    max_redirects: int = Field(default=5, ge=0)
    max_page_megabytes: float = Field(default=10.0, gt=0, le=1024)
    allowed_networks: tuple[IPvAnyNetwork, ...] = ()


class IngestParams(Section):
    """How a table of listings becomes a catalogue.

    `columns` maps a field of a listing to the source's column for it, and every column it names must be there.
    Without it the columns named like the fields, or like those of a known dataset, are read, as many of them as
    there are. Either way `title` or `images` is needed, and `id` unless `id_from_content` makes one of the row's
    content. `attribute_columns` maps further attributes to columns. `taxonomy` is a file of any known format;
    without it, `taxonomy.yaml` beside the listings. Shards have `shard_megabytes` on average.
    """

    columns: Mapping[str, str] | None = None
    attribute_columns: Mapping[str, str] = {}
    id_from_content: bool = False
    image_separator: str = Field(default=";", min_length=1)
    taxonomy: str | None = None
    max_image_megabytes: float = Field(default=20.0, gt=0, le=1024)
    max_cell_megabytes: float = Field(default=1.0, gt=0, le=1024)
    shard_megabytes: float = Field(default=1.5, gt=0, le=1024)
    fetch: FetchParams = FetchParams()

    @field_validator("columns")
    @classmethod
    def _columns_make_a_listing(cls, columns: Mapping[str, str] | None) -> Mapping[str, str] | None:
        if columns is not None:
            check_fields(columns)
        return columns

    @model_validator(mode="after")
    def _listings_have_an_id(self) -> Self:
        if self.columns is not None and ("id" in self.columns) == self.id_from_content:
            raise ValueError("columns must name one for id, or else id_from_content must be true")
        return self


class CleanParams(Section):
    """Which images are fit to learn from.

    Sharpness is the variance of the Laplacian of the grey picture, its long side at most `sharpness_side_pixels`;
    contrast is the standard deviation of its grey levels.
    """

    min_side_pixels: int = Field(default=300, ge=1)
    max_megapixels: float = Field(default=50.0, gt=0)
    min_contrast: float = Field(default=4.0, ge=0)
    min_sharpness: float = Field(default=60.0, ge=0)
    sharpness_side_pixels: int = Field(default=400, ge=32)
    duplicate_radius: int = Field(default=4, ge=0, le=12)


class SplitRatios(Section):
    train: Share = 0.7
    validation: Share = 0.1
    test: Share = 0.2

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"sum to {total:g}, must sum to 1")
        return self


class SplitParams(Section):
    """Who learns and who is asked: whole groups stay on one side.

    `keep` is an earlier catalogue of `split`: every listing that it has keeps its side, unless a brand or a
    near-duplicate links it to more listings of another side.
    """

    group_by: Literal["brand", "listing"] = "brand"
    ratios: SplitRatios = SplitRatios()
    seed: int = 7
    keep: str | None = None


ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]+:")
UNFIT_IN_REMOTE = re.compile(r"[#,%{}\"'\[\]\x00-\x1f\x7f]|^\s|\s$")
"""What DVC does not read in its settings as it is written there."""


class VersionParams(Section):
    """Where versions of a catalogue are kept: tags in a git `repository`, shards in a DVC `remote`.

    Both may be a folder, which is made when it is missing; the repository may also be an address that git takes, and
    the remote s3://bucket/prefix. `catalogue` names the line of versions, so that a repository can hold several.
    """

    repository: str = Field(default="data/versions/repository", min_length=1)
    remote: str = Field(default="data/versions/remote", min_length=1)
    catalogue: Name = "listings"

    @property
    def has_address(self) -> bool:
        """Whether the repository is an address that git takes, not a folder."""
        return ADDRESS.match(self.repository) is not None

    @field_validator("repository")
    @classmethod
    def _is_no_option(cls, repository: str) -> str:
        if repository.startswith(("-", "~")) or not repository.isprintable():
            raise ValueError("give a folder, or an address that git takes, with neither - nor ~ in front")
        return repository

    @field_validator("remote")
    @classmethod
    def _is_where_dvc_stores(cls, remote: str) -> str:
        in_store = re.match("s3://[^/]", remote) is not None
        if remote.startswith(("-", "~")) or (not in_store and ADDRESS.match(remote)):
            raise ValueError("give a folder (without ~), or s3://bucket/prefix")
        if unfit := UNFIT_IN_REMOTE.search(remote):
            raise ValueError(f"leave out {unfit[0]!r}: DVC would store elsewhere")
        return remote

    @model_validator(mode="after")
    def _is_shared_whole(self) -> Self:
        if self.has_address and not self.remote.startswith(("s3://", "/")):
            raise ValueError(
                "repository is an address and remote a relative folder, the shards would stay on this machine: "
                "set remote to s3://bucket/prefix, or to a whole path that all have"
            )
        return self

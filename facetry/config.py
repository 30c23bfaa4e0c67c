"""params.yaml as frozen, typed models: one section per stage, unknown keys refused, all errors reported at once."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationError,
    field_validator,
    model_validator,
)

from facetry.errors import ConfigError
from facetry.listing import LabelSource
from facetry.validation import explain

Share = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]


class Section(BaseModel):
    """The base of every section: immutable and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    content. `attribute_columns` maps further attributes to columns. `taxonomy` is a YAML file; without it,
    `taxonomy.yaml` beside the listings. Shards have `shard_megabytes` on average.
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


class PromptParams(Section):
    """What the model is shown of a listing; saved with the checkpoint, so that serving shows the same."""

    question: str = Field(default="Category?", min_length=1)
    max_images: int = Field(default=1, ge=1)
    max_field_characters: int = Field(default=300, ge=1)


class TrainParams(Section):
    """One run of fine-tuning. A step takes `batch_size` listings, over all processes and accumulations together.

    A token of the category counts `category_weight` times as much in the loss as one of an attribute's value. Each
    time a listing is learnt from, one of its fields is left out with `field_mask_probability`.
    """

    base_model: str = Field(default="data/drawn/base-model", min_length=1)
    seed: int = 7
    epochs: float = Field(default=3.5, gt=0)
    batch_size: int = Field(default=16, ge=1)
    accumulation_steps: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.98, ge=0, lt=1)
    warmup_share: Share = 0.05
    max_gradient_norm: float = Field(default=1.0, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    zero_stage: Literal[0, 1, 2, 3] = 1
    num_processes: int | None = Field(default=None, ge=1)
    category_weight: float = Field(default=4.0, gt=0)
    field_mask_probability: Share = 0.05
    checkpoint_steps: int = Field(default=200, ge=1)
    num_golden_listings: int = Field(default=8, ge=1)
    prompt: PromptParams = PromptParams()


class EvaluateParams(Section):
    """How answers are scored, and against what: only labels of `label_sources` count as the truth."""

    label_sources: tuple[LabelSource, ...] = Field(default=(LabelSource.AUDITED, LabelSource.HUMAN), min_length=1)
    batch_size: int = Field(default=32, ge=1)
    num_neighbours: int = Field(default=5, ge=1)
    num_mistakes_shown: int = Field(default=12, ge=0)


class ReleaseParams(Section):
    """What a release is called."""

    name: Name = "drawn-shop"
    version: Version = "0.1.0"


class ServeParams(Section):
    """How Triton runs a release on this machine."""

    host: str = "127.0.0.1"
    http_port: Port = 8000
    grpc_port: Port = 8001
    metrics_port: Port = 8002
    max_batch_size: int = Field(default=16, ge=1)
    max_queue_delay_microseconds: int = Field(default=2000, ge=0)
    ready_timeout_seconds: float = Field(default=180, gt=0)
    environment: str = ".venv-serving"

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if len({self.http_port, self.grpc_port, self.metrics_port}) < 3:
            raise ValueError("http_port, grpc_port and metrics_port must differ")
        return self


class Params(Section):
    """All of params.yaml."""

    draw: DrawParams = DrawParams()
    ingest: IngestParams = IngestParams()
    clean: CleanParams = CleanParams()
    split: SplitParams = SplitParams()
    version: VersionParams = VersionParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    release: ReleaseParams = ReleaseParams()
    serve: ServeParams = ServeParams()


def load_params(path: Path | None, overrides: Sequence[str] = ()) -> Params:
    """The parameters in the file at `path` (defaults when None), with `section.key=value` overrides applied."""
    origin = str(path) if path is not None else "the parameters"
    tree = _read_tree(path) if path is not None else {}
    for override in overrides:
        _apply(override, tree)
    return parse_params(tree, origin=origin)


def parse_params(tree: Mapping[str, object], *, origin: str) -> Params:
    """The parameters in a parsed tree; `origin` names it in errors."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(error, origin=origin, model=Params)) from error


def _read_tree(path: Path) -> dict[str, object]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"cannot read {path}: {reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must map sections to their keys")
    return tree


def _apply(override: str, tree: dict[str, object]) -> None:
    path, separator, text = override.partition("=")
    *sections, key = path.split(".")
    if not separator or not sections or not key:
        raise ConfigError(f"--set {override}: write section.key=value, as in train.epochs=2")
    node = tree
    for section in sections:
        below = node.setdefault(section, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {override}: '{section}' is a value, not a section")
        node = below
    try:
        node[key] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {override}: '{text}' is not YAML") from error

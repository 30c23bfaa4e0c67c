"""The sections of what comes after training: evaluate, release and serve."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from facetry.config.section import Name, Section
from facetry.listing import LabelSource

Port = Annotated[int, Field(ge=1, le=65535)]
Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]


class EvaluateParams(Section):
    """How answers are scored, and against what: only labels of `label_sources` count as the truth.

    The fields in `hide` are not shown; a listing that has nothing else is not asked about.
    """

    label_sources: tuple[LabelSource, ...] = Field(default=(LabelSource.AUDITED, LabelSource.HUMAN), min_length=1)
    hide: tuple[Literal["title", "description", "brand", "brand_description", "images"], ...] = ()
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

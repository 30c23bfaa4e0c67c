"""params.yaml as frozen, typed models: one section per stage, unknown keys refused, all errors reported at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from facetry.config.data import (
    LISTING_FIELDS,
    UNFIT_IN_REMOTE,
    CleanParams,
    DrawParams,
    FetchParams,
    IngestParams,
    SplitParams,
    SplitRatios,
    VersionParams,
    check_fields,
    missing_fields,
)
from facetry.config.section import Name, Section
from facetry.config.serving import EvaluateParams, ReleaseParams, ServeParams, Version
from facetry.config.training import (
    AdapterParams,
    ContrastiveParams,
    FieldMasks,
    MlflowParams,
    PartRates,
    PartsParams,
    PromptParams,
    StoppingParams,
    TrackingParams,
    TrainParams,
    WandbParams,
)
from facetry.config.tree import overlaid, read_tree, set_in_tree
from facetry.errors import ConfigError
from facetry.validation import explain

__all__ = [
    "LISTING_FIELDS",
    "UNFIT_IN_REMOTE",
    "AdapterParams",
    "CleanParams",
    "ContrastiveParams",
    "DrawParams",
    "EvaluateParams",
    "FetchParams",
    "FieldMasks",
    "IngestParams",
    "MlflowParams",
    "Name",
    "Params",
    "PartRates",
    "PartsParams",
    "PromptParams",
    "ReleaseParams",
    "Section",
    "ServeParams",
    "SplitParams",
    "SplitRatios",
    "StoppingParams",
    "TrackingParams",
    "TrainParams",
    "Version",
    "VersionParams",
    "WandbParams",
    "check_fields",
    "load_params",
    "missing_fields",
    "overlaid",
    "parse_params",
    "read_tree",
    "set_in_tree",
]


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
    tree = read_tree(path) if path is not None else {}
    for override in overrides:
        set_in_tree(override, tree)
    return parse_params(tree, origin=origin)


def parse_params(tree: Mapping[str, object], *, origin: str) -> Params:
    """The parameters in a parsed tree; `origin` names it in errors."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(error, origin=origin, model=Params)) from error

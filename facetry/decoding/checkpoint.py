"""A checkpoint: a Hugging Face model folder that also knows its taxonomy, its prompt and its golden listings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facetry.config import PromptParams
from facetry.errors import CheckpointError
from facetry.taxonomy import Taxonomy, read_taxonomy

CARD_NAME = "facetry.json"
TAXONOMY_NAME = "taxonomy.yaml"
GOLDEN_NAME = "golden"
CURVES_NAME = "curves"


class CheckpointCard(BaseModel):
    """What `facetry.json` holds: where the weights come from and how to ask them.

    `data_revision` is the digest of the catalogue learnt from; `data_version` the version that keeps it, if one does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_model: str
    data_revision: str
    data_version: str | None = None
    code_revision: str
    prompt: PromptParams
    params: Mapping[str, object]
    summary: Mapping[str, float]


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    card: CheckpointCard
    taxonomy: Taxonomy

    @classmethod
    def open(cls, folder: Path) -> "Checkpoint":
        """The checkpoint at `folder`; its weights are loaded only when asked for."""
        path = folder / CARD_NAME
        if not path.is_file():
            raise CheckpointError(f"{folder} is not a checkpoint (no {CARD_NAME} in it): run `facetry train` first")
        try:
            card = CheckpointCard.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise CheckpointError(f"{path} is malformed: run `facetry train` again") from error
        return cls(folder=folder, card=card, taxonomy=read_taxonomy(folder / TAXONOMY_NAME))

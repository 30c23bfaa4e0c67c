"""What the training processes need to know, as a file that they read; and what they report."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from facetry.config import TrainParams

RESULT_NAME = "result.json"
ADAPTER_NAME = "adapter"
MAY_DIFFER = {
    "num_processes",
    "accumulation_steps",
    "gradient_checkpointing",
    "memory_gigabytes",
    "max_loss_factor",
    "num_golden_listings",
    "tracking",
    "stages",
}
"""Settings that a run may be continued with in another way."""


class TrainingJob(BaseModel):
    """One run: its inputs, its settings, and the folder for its state, which all nodes share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalogue: str
    catalogue_digest: str
    base_model: str
    params: TrainParams
    state: Path

    @property
    def identity(self) -> Mapping[str, object]:
        """Equal for runs that may continue each other's state, and for all the processes of one run."""
        settings = self.params.model_dump(mode="json", exclude=MAY_DIFFER | {"base_model"})
        return {
            "catalogue": self.catalogue_digest,
            "train.base_model": self.base_model,
            **{f"train.{key}": value for key, value in settings.items()},
        }

    @property
    def model_folder(self) -> Path:
        return self.state / "model"


class TrainingResult(BaseModel):
    """What a run came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_listings: int = 0
    num_steps: int = 0
    num_parameters: int = 0
    num_trained_parameters: int = 0
    train_loss: float = 0.0
    validation_loss: float | None = None
    validation_category_accuracy: float | None = None
    validation_answer_accuracy: float | None = None
    best_step: int | None = None
    seconds: float = 0.0

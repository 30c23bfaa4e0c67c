"""What the training processes need to know, as a file that torchrun's workers read."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from facetry.config import TrainParams


class TrainingJob(BaseModel):
    """One training run: its inputs, its knobs, and the folders it writes to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalogue: str
    catalogue_digest: str
    data_version: str | None
    params: TrainParams
    state: Path
    out: Path

    @property
    def identity(self) -> str:
        """Equal for runs that may continue each other's state."""
        return self.model_dump_json(exclude={"out", "state", "catalogue", "data_version"})


class TrainingResult(BaseModel):
    """What rank 0 reports when it is done, or the one line that says why it could not be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_steps: int = 0
    num_parameters: int = 0
    train_loss: float = 0.0
    validation_loss: float | None = None
    seconds: float = 0.0
    error: str | None = None

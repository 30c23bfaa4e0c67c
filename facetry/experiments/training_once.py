"""A training of an experiment, done once."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.experiments.records import read_record, write_record
from facetry.experiments.workspace import Made
from facetry.training import train

RECORD_NAME = "trained.json"
CHECKPOINT_NAME = "checkpoint"


class Trained(BaseModel):
    """What a training came to; `key` changes with everything that its checkpoint follows from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    num_listings: int = 0
    num_steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Training:
    """What is learnt from which catalogue; `folder` is where the checkpoint comes."""

    params: TrainParams
    split: Made
    folder: Path
    key: str

    @property
    def checkpoint(self) -> Made:
        return Made(self.folder / CHECKPOINT_NAME, self.key)

    def once(self, *, console: Console) -> Trained:
        """Train, unless the same was trained before."""
        known = read_record(self.folder / RECORD_NAME, Trained)
        if known is not None and known.key == self.key and self.checkpoint.path.is_dir():
            return known
        self.folder.mkdir(parents=True, exist_ok=True)
        summary = train(Catalogue.open(self.split.path), params=self.params, out=self.checkpoint.path)
        assert summary.result is not None
        console.print(summary.one_line())
        trained = Trained(
            key=self.key,
            num_listings=summary.result.num_listings,
            num_steps=summary.result.num_steps,
            seconds=summary.result.seconds,
        )
        write_record(trained, self.folder / RECORD_NAME)
        return trained

"""What a kind of model needs in order to be taught; loop, launching and checkpoints are the same for all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset
from transformers import PreTrainedModel

from facetry.backbones.family import Family
from facetry.training.feed import Feed
from facetry.training.measure import Lengths
from facetry.training.objective import Objective


class Lesson(ABC):
    """How models of one kind are taught listings."""

    family: Family
    objective: Objective[Any]
    facts: tuple[str, ...] = ()

    @abstractmethod
    def measure(self, feed: Feed) -> Lengths:
        """How many tokens each listing of a feed takes; a `TrainingError` when one cannot be taught."""

    @abstractmethod
    def dataset(self, feed: Feed, *, varied: bool) -> Dataset[Any]:
        """The listings of a feed as examples; `varied` when they are learnt from."""

    @abstractmethod
    def collate(self) -> Callable[[Sequence[Any]], dict[str, Any]]:
        """What puts the examples of a micro-batch together; it can be sent to another process."""

    @abstractmethod
    def adapt(self, model: PreTrainedModel, *, folder: Path) -> None:
        """Make a model of which is known what is trained fit for the batches; `folder` is for what is kept of them."""

    @abstractmethod
    def look_ahead(self, model: nn.Module, *, feeds: Sequence[Feed]) -> None:
        """Compute, once and for all, what stays the same in every epoch; called on all ranks before the first step."""

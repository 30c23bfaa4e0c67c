"""What a model is taught: how a batch's loss comes about, and what is counted to tell how good it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import nn

from facetry.backbones.family import AnsweringFamily
from facetry.training.batching import CATEGORY, IGNORED, LearntTokens, learn


class Learnt(Protocol):
    """What a batch cost."""

    @property
    def loss_sum(self) -> torch.Tensor: ...

    def loss_by_listing(self, num_listings: int) -> torch.Tensor: ...


_Learnt = TypeVar("_Learnt", bound=Learnt)


class Objective(ABC, Generic[_Learnt]):
    """One way of learning; the Trainer asks it for everything that depends on the kind of model."""

    num_sums: ClassVar[int]

    @abstractmethod
    def weight(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """By what the sum of the batch's losses is to be divided."""

    @abstractmethod
    def learn(self, model: nn.Module, batch: Mapping[str, Any]) -> _Learnt:
        """Run the model on the batch; without gradients it is looked at, as it answers when served."""

    def begin_looking(self) -> None:
        """Forget what was kept of the model: its weights have changed since it was last looked at."""

    @abstractmethod
    def sums(self, learnt: _Learnt, batch: Mapping[str, Any]) -> torch.Tensor:
        """Counts of a batch, as `num_sums` numbers that may be added up over batches and ranks."""

    @abstractmethod
    def metrics(self, sums: Sequence[float]) -> dict[str, float]:
        """`loss`, and the accuracies that there are, of all sums added up."""


class AnswerObjective(Objective[LearntTokens]):
    """Answers are learnt word by word; one counts as right when each of its words is the model's first choice."""

    num_sums = 5

    def __init__(self, family: AnsweringFamily) -> None:
        self._family = family

    def weight(self, batch: Mapping[str, Any]) -> torch.Tensor:
        total: torch.Tensor = batch["weights"][batch["targets"] != IGNORED].sum()
        return total

    def learn(self, model: nn.Module, batch: Mapping[str, Any]) -> LearntTokens:
        return learn(model, batch, family=self._family)

    def sums(self, learnt: LearntTokens, batch: Mapping[str, Any]) -> torch.Tensor:
        num_listings = len(batch["listing_ids"])
        wrong = ~learnt.right
        wrong_category = wrong & (learnt.kinds == CATEGORY)
        counts = (
            float(learnt.loss_sum),
            float(learnt.weights.sum()),
            num_listings,
            num_listings - torch.unique(learnt.owners[wrong_category]).numel(),
            num_listings - torch.unique(learnt.owners[wrong]).numel(),
        )
        return torch.tensor(counts, dtype=torch.float64, device=learnt.losses.device)

    def metrics(self, sums: Sequence[float]) -> dict[str, float]:
        loss, weight, num_listings, right_categories, right_answers = sums
        return {
            "loss": loss / weight,
            "category_accuracy": right_categories / num_listings,
            "answer_accuracy": right_answers / num_listings,
        }

"""How a batch of pictures is learnt, and what is counted to tell how good a model is at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from facetry.backbones.dual_family import DualEncoderFamily
from facetry.decoding.captions import CATEGORY
from facetry.training.contrastive.captions import CaptionTable
from facetry.training.contrastive.gathering import gather_rows, largest, num_ranks, padded, rank
from facetry.training.contrastive.losses import UNKNOWN, caption_losses, pair_losses, picture_losses
from facetry.training.objective import Objective

CAPTIONS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class LearntPictures:
    """What each picture cost, how much that counts, and whether its best caption is the true one, facet by facet."""

    losses: torch.Tensor
    weights: torch.Tensor
    right: torch.Tensor
    known: torch.Tensor

    @property
    def loss_sum(self) -> torch.Tensor:
        return (self.losses * self.weights).sum()

    def loss_by_listing(self, num_listings: int) -> torch.Tensor:
        """Each listing's mean loss over what is known of it."""
        return (self.losses.sum(dim=1) / self.known.sum(dim=1).clamp(min=1))[:num_listings]


class CaptionObjective(Objective[LearntPictures]):
    """Pictures are learnt against captions: those of the batch on all ranks (`contrastive`), or all there are.

    A model is looked at by the cross-entropy over all captions, whatever it learns from: that is how it answers. Its
    forward must be its family's `compare`.
    """

    num_sums = 6

    def __init__(
        self,
        captions: CaptionTable,
        *,
        family: DualEncoderFamily,
        blank: torch.Tensor,
        objective: Literal["contrastive", "cross_entropy"],
    ) -> None:
        self._captions = captions
        self._family = family
        self._blank = blank
        self._is_contrastive = objective == "contrastive"
        self._all_captions: torch.Tensor | None = None

    def begin_looking(self) -> None:
        """Forget the captions as the model put them when it was last looked at."""
        self._all_captions = None

    def weight(self, batch: Mapping[str, Any]) -> torch.Tensor:
        total: torch.Tensor = batch["weights"].sum()
        return total

    def learn(self, model: nn.Module, batch: Mapping[str, Any]) -> LearntPictures:
        """Compare the batch's pictures with the captions; every rank must do so at the same time."""
        if not torch.is_grad_enabled():
            return self._look(model, batch)
        if self._is_contrastive:
            return self._learn_batch(model, batch)
        compared = self._compare(model, batch["pixel_values"], torch.arange(len(self._captions)))
        return self._told_apart(compared.logits, batch)

    def sums(self, learnt: LearntPictures, batch: Mapping[str, Any]) -> torch.Tensor:
        is_category = torch.tensor([facet.name == CATEGORY for facet in self._captions.facets])
        category = learnt.known & is_category.to(learnt.known.device)
        wrong = learnt.known & ~learnt.right
        counts = (
            learnt.loss_sum,
            learnt.weights.sum(),
            learnt.known.any(dim=1).sum(),
            (learnt.known.any(dim=1) & ~wrong.any(dim=1)).sum(),
            category.sum(),
            (category & learnt.right).sum(),
        )
        return torch.stack([count.double() for count in counts])

    def metrics(self, sums: Sequence[float]) -> dict[str, float]:
        """No `category_accuracy` where the category is not learnt; an answer is right when all it tells is."""
        loss, weight, num_listings, num_right, num_categories, num_right_categories = sums
        metrics = {"loss": loss / weight, "answer_accuracy": num_right / num_listings}
        return metrics | ({"category_accuracy": num_right_categories / num_categories} if num_categories else {})

    def _look(self, model: nn.Module, batch: Mapping[str, Any]) -> LearntPictures:
        if self._all_captions is None:
            blank = self._blank[None].to(batch["pixel_values"].device)
            parts = torch.split(torch.arange(len(self._captions)), CAPTIONS_AT_ONCE)
            self._all_captions = torch.cat([self._compare(model, blank, part).captions for part in parts])
        one = torch.zeros(1, dtype=torch.long)
        compared = self._compare(model, batch["pixel_values"], one)
        return self._told_apart(replace(compared, captions=self._all_captions).logits, batch)

    def _told_apart(self, logits: torch.Tensor, batch: Mapping[str, Any]) -> LearntPictures:
        """Each picture's true caption against all those of its facet."""
        losses, right = [], []
        for facet in range(len(self._captions.facets)):
            columns = (self._captions.facet_of == facet).nonzero()[:, 0].to(logits.device)
            of_facet, values = logits[:, columns], batch["values"][:, facet]
            own = torch.where(values == UNKNOWN, UNKNOWN, values - columns[0])
            losses.append(caption_losses(of_facet, own))
            right.append(of_facet.detach().argmax(dim=1) == own)
        return _learnt(losses, right, batch=batch)

    def _learn_batch(self, model: nn.Module, batch: Mapping[str, Any]) -> LearntPictures:
        """Each picture's true caption against the others of its facet in the batch, and each caption's pictures."""
        values = batch["values"]
        num_rows = largest(len(values), device=values.device)
        all_values = gather_rows(padded(values, num_rows, filler=UNKNOWN))
        wanted = torch.unique(all_values[all_values != UNKNOWN]).cpu()
        wanted = wanted if len(wanted) else torch.zeros(1, dtype=torch.long)
        compared = self._compare(model, batch["pixel_values"], wanted)
        logits = all_logits = compared.logits
        if not self._family.judges_pairs_alone:
            all_logits = replace(compared, images=gather_rows(padded(compared.images, num_rows, filler=0))).logits
        losses, right = [], []
        for facet in range(len(self._captions.facets)):
            columns = (self._captions.facet_of[wanted] == facet).nonzero()[:, 0].to(logits.device)
            own, all_own = (_columns_of(each[:, facet], wanted, columns) for each in (values, all_values))
            of_facet = logits[:, columns]
            losses.append(self._batch_losses(of_facet, own, all_logits=all_logits[:, columns], all_values=all_own))
            right.append(of_facet.detach().argmax(dim=1) == own if len(columns) else own > UNKNOWN)
        return _learnt(losses, right, batch=batch)

    def _batch_losses(
        self, logits: torch.Tensor, values: torch.Tensor, *, all_logits: torch.Tensor, all_values: torch.Tensor
    ) -> torch.Tensor:
        if logits.shape[1] == 0:  # nobody's batch tells anything of this facet
            return logits.sum(dim=1)
        if self._family.judges_pairs_alone:
            return pair_losses(logits, values)
        of_pictures = picture_losses(logits, values, all_logits=all_logits, all_values=all_values)
        return (caption_losses(logits, values) + of_pictures) / 2

    def _compare(self, model: nn.Module, pixels: torch.Tensor, wanted: torch.Tensor) -> "_Compared":
        """This rank's pictures beside the wanted captions, of which each rank reads its share.

        All in one run of the model: what ranks share of its weights, they put together for a run as a whole.
        """
        share = -(-len(wanted) // num_ranks())
        mine = padded(wanted, share * num_ranks(), filler=int(wanted[0]))[rank() * share :][:share]
        arguments = {name: tensor.to(pixels.device) for name, tensor in self._captions.select(mine).items()}
        images, captions, scale, bias = model(pixel_values=pixels, **arguments)
        return _Compared(images, gather_rows(captions)[: len(wanted)], scale, bias)


@dataclass(frozen=True, slots=True)
class _Compared:
    images: torch.Tensor
    captions: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor

    @property
    def logits(self) -> torch.Tensor:
        """How well each picture fits each caption, as [pictures, captions]."""
        return self.images @ self.captions.T * self.scale + self.bias


def _columns_of(values: torch.Tensor, wanted: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The place of each value among the wanted captions of its facet; both ascend."""
    numbers = wanted.to(columns.device)[columns]
    return torch.where(values == UNKNOWN, UNKNOWN, torch.searchsorted(numbers, values.contiguous()))


def _learnt(
    losses: Sequence[torch.Tensor], right: Sequence[torch.Tensor], *, batch: Mapping[str, Any]
) -> LearntPictures:
    return LearntPictures(
        losses=torch.stack(list(losses), dim=1),
        weights=batch["weights"],
        right=torch.stack(list(right), dim=1),
        known=batch["values"] != UNKNOWN,
    )

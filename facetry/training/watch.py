"""Stops a run whose loss is no number, or explodes, and says where to look."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facetry.errors import TrainingError
from facetry.training.checkpoints import last_whole
from facetry.training.objective import Learnt

NUM_STEPS_TO_SETTLE = 20
MEMORY = 0.98
NUM_LISTINGS_NAMED = 5


class LossWatch:
    """Compares each micro-batch's loss to what it has been lately, once it has settled."""

    def __init__(self, max_loss_factor: float) -> None:
        self._max_loss_factor = max_loss_factor
        self._usual = 0.0
        self._num_seen = 0

    def check(self, learnt: Learnt, *, batch: Mapping[str, Any], step: int, state: Path) -> None:
        """Raise a `TrainingError` that names the step, the worst listings and the last good checkpoint."""
        listing_ids = batch["listing_ids"]
        if not listing_ids:
            return
        by_listing = learnt.loss_by_listing(len(listing_ids)).detach()
        loss = float(by_listing.mean())
        is_finite = torch.isfinite(by_listing).all()
        explodes = self._num_seen >= NUM_STEPS_TO_SETTLE and loss > self._max_loss_factor * self._usual
        if not is_finite or explodes:
            what = f"is {loss:.3g}, usually {self._usual:.3g}" if is_finite else "is no number"
            raise TrainingError(_explain(what, by_listing, listing_ids=listing_ids, step=step, state=state))
        self._num_seen += 1
        share = max(1 / self._num_seen, 1 - MEMORY)
        self._usual += share * (loss - self._usual)


def _explain(what: str, by_listing: torch.Tensor, *, listing_ids: list[str], step: int, state: Path) -> str:
    badness = torch.nan_to_num(by_listing, nan=torch.inf)
    worst = [listing_ids[place] for place in badness.argsort(descending=True)[:NUM_LISTINGS_NAMED].tolist()]
    found = last_whole(state)
    good = f"the last good checkpoint is {found[0]}" if found else "there is no good checkpoint yet"
    return (
        f"the loss {what} at step {step}, listings {', '.join(worst)}"
        f"{' and others' if len(listing_ids) > len(worst) else ''}; {good}. "
        "Look at these listings, or lower train.learning_rate or train.max_gradient_norm"
    )

"""What it costs to take a picture for something else. Every loss comes picture by picture, 0 where nothing is known.

`values` says which caption is true of each picture, as the number of its column, or `UNKNOWN`. A caption that is true
of several pictures of a batch stands in one column, so that none of them is taken for a wrong one.
"""

import torch
from torch.nn import functional

UNKNOWN = -1


def caption_losses(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each picture's caption among all captions; `logits` are [pictures, captions]."""
    return functional.cross_entropy(logits, values, reduction="none", ignore_index=UNKNOWN)


def picture_losses(
    logits: torch.Tensor, values: torch.Tensor, *, all_logits: torch.Tensor, all_values: torch.Tensor
) -> torch.Tensor:
    """The cross-entropy of each picture among all pictures, given its caption.

    `all_logits` are those of the pictures of every rank, of which there is one for each caption at least.
    """
    masked = all_logits.masked_fill((all_values == UNKNOWN)[:, None], -torch.inf)
    known = values != UNKNOWN
    own = values.clamp(min=0)
    losses = masked.logsumexp(dim=0)[own] - logits.gather(1, own[:, None])[:, 0]
    return torch.where(known, losses, 0.0)


def pair_losses(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Each picture's loss when every pair of it and a caption is judged alone, as fitting or not (SigLIP's)."""
    fits = functional.one_hot(values.clamp(min=0), logits.shape[1])
    losses = -functional.logsigmoid((2 * fits - 1) * logits).sum(dim=1)
    return torch.where(values != UNKNOWN, losses, 0.0)

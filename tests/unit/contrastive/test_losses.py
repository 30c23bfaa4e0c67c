import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from facetry.training.contrastive.losses import UNKNOWN, caption_losses, pair_losses, picture_losses


def symmetric(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return (caption_losses(logits, values) + picture_losses(logits, values, all_logits=logits, all_values=values)) / 2


def test_where_every_picture_has_its_own_caption_the_loss_is_that_of_clip() -> None:
    logits = torch.randn(5, 5)
    values = torch.arange(5)
    expected = (cross_entropy(logits, values) + cross_entropy(logits.T, values)) / 2
    assert torch.allclose(symmetric(logits, values).mean(), expected)


def test_pictures_of_one_caption_are_not_told_apart_from_each_other() -> None:
    """With the caption in two columns, a perfect model would still have a loss of log 2."""
    values = torch.tensor([0, 0, 1])
    perfect = 50 * torch.nn.functional.one_hot(values, 2).float()
    assert caption_losses(perfect, values).max() < 1e-6


def test_a_picture_of_which_nothing_is_known_costs_nothing_and_is_nobodys_wrong_answer() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    values = torch.tensor([0, 1, UNKNOWN])
    known = symmetric(logits[:2], values[:2])
    losses = symmetric(logits, values)
    assert torch.allclose(losses[:2], known)
    torch.autograd.backward(losses.sum())
    assert logits.grad is not None
    assert losses[2] == 0
    assert (logits.grad[2] == 0).all()


def test_siglips_loss_judges_every_pair_of_a_picture_and_a_caption() -> None:
    losses = pair_losses(torch.tensor([[2.0, -1.0], [0.0, 3.0]]), torch.tensor([0, UNKNOWN]))
    expected = -math.log(1 / (1 + math.exp(-2.0))) - math.log(1 / (1 + math.exp(-1.0)))
    assert losses.tolist() == pytest.approx([expected, 0.0])

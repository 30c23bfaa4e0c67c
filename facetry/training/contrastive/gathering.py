"""Rows of all the ranks put together, through which gradients find their way back."""

from typing import Any

import torch
from torch import distributed


def num_ranks() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def largest(number: int, *, device: torch.device) -> int:
    """The largest of the ranks' numbers."""
    if num_ranks() == 1:
        return number
    found = torch.tensor(number, device=device)
    distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
    return int(found)


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """The rows of every rank, one rank after the other; each must bring equally many. Gradients flow back to them."""
    if num_ranks() == 1:
        return rows
    gathered: torch.Tensor = _Gathering.apply(rows)  # type: ignore[no-untyped-call]  # torch's has no types
    return gathered


def padded(rows: torch.Tensor, num_rows: int, *, filler: float) -> torch.Tensor:
    """`rows` with rows of `filler` after them, `num_rows` in all."""
    lacking = rows.new_full((num_rows - len(rows), *rows.shape[1:]), filler)
    return torch.cat([rows, lacking])


class _Gathering(torch.autograd.Function):
    """What every rank makes of a row comes back to the rank that brought it, added up."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch has no type for it
        gathered = [torch.empty_like(rows) for _ in range(num_ranks())]
        distributed.all_gather(gathered, rows.contiguous())
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch has no type for it
        total = gradients[0].contiguous()
        distributed.all_reduce(total)
        return total.chunk(num_ranks())[rank()]

"""The ranks of a run find each other, see that they mean the same run, and learn from the first what it found out."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
from torch import distributed

from facetry.errors import FacetryError, TrainingError

MOST_DIFFERENCES_NAMED = 5
MOST_RANKS_NAMED = 4
PATIENCE = timedelta(days=2)
"""How long ranks wait for the first one, which may have a large catalogue to read."""

Value = TypeVar("Value")


def connect() -> None:
    """Meet the other ranks that the environment tells of; DeepSpeed and transformers then use the same connection."""
    import deepspeed

    # It would be compiled for a minute and a half, for nothing but a faster exchange among processes without a GPU.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("cpu:gloo,cuda:nccl")
    else:
        distributed.init_process_group("gloo")
    # Until it is told, DeepSpeed takes a rank to be alone, and under ZeRO-3 refuses to load a model for several.
    deepspeed.init_distributed(dist_init_required=False)


def agree(identity: Mapping[str, object]) -> None:
    """Raise a `TrainingError`, on every rank, that names what is not the same on all of them."""
    gathered: list[dict[str, object] | None] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, dict(flat(identity)), group=_patient_group())
    told = [each for each in gathered if each is not None]
    if differences := list(_differences(told)):
        more = len(differences) - MOST_DIFFERENCES_NAMED
        raise TrainingError(
            f"the ranks do not mean the same run, {'; '.join(differences[:MOST_DIFFERENCES_NAMED])}"
            f"{f'; and {more} more' if more > 0 else ''}: start all of them with the same parameters and catalogue"
        )


def share_from_first(find_out: Callable[[], Value]) -> Value:
    """What `find_out` returns on the first rank, on every rank; or the error that it raises, so that all end alike."""
    outcome: list[tuple[Value | None, str | None]] = [(None, None)]
    if distributed.get_rank() == 0:
        try:
            outcome = [(find_out(), None)]
        except FacetryError as error:
            distributed.broadcast_object_list([(None, str(error))], group=_patient_group())
            raise
    distributed.broadcast_object_list(outcome, group=_patient_group())
    value, error_text = outcome[0]
    if error_text is not None:
        raise TrainingError(error_text)
    return value  # type: ignore[return-value]  # None only when it is the value


@cache
def _patient_group() -> distributed.ProcessGroup:
    """A connection of its own for objects, so that a rank that hangs in training is still noticed after minutes."""
    group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(group, distributed.ProcessGroup)
    return group


def flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of a tree of mappings by their dotted paths."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differences(told: Sequence[Mapping[str, object]]) -> Iterator[str]:
    for key in sorted({key for each in told for key in each}):
        ranks_by_value: dict[str, list[int]] = {}
        for rank, each in enumerate(told):
            ranks_by_value.setdefault(str(each.get(key)), []).append(rank)
        if len(ranks_by_value) > 1:
            yield f"{key}: " + ", ".join(f"{value} on {_name(ranks)}" for value, ranks in ranks_by_value.items())


def _name(ranks: Sequence[int]) -> str:
    named = ", ".join(map(str, ranks[:MOST_RANKS_NAMED]))
    more = len(ranks) - MOST_RANKS_NAMED
    return f"rank{'s' if len(ranks) > 1 else ''} {named}{f' and {more} more' if more > 0 else ''}"

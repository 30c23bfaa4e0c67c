"""A rank that meets the others, and writes down how what it tried came out."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from torch import distributed

from facetry.errors import FacetryError, TrainingError
from facetry.training.agreement import agree, connect, share_from_first


def differ(rank: int) -> object:
    agree({"train": {"learning_rate": 0.001 / (rank + 1), "epochs": 2}, "catalogue": "abc" if rank == 0 else None})
    return "agreed"


def share(rank: int) -> object:
    agree({"train": {"epochs": 2}})
    return share_from_first(lambda: {"from": rank})


def refuse(rank: int) -> object:
    return share_from_first(lambda: no_plan(rank))


def no_plan(rank: int) -> object:
    raise TrainingError(f"no plan, says rank {rank}")


def main(out: str) -> int:
    tasks: list[Callable[[int], object]] = [differ, share, refuse]
    connect()
    rank = distributed.get_rank()
    told = [outcome(task, rank) for task in tasks]
    Path(f"{out}-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    distributed.destroy_process_group()
    return 0


def outcome(task: Callable[[int], object], rank: int) -> str:
    try:
        return str(task(rank))
    except FacetryError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

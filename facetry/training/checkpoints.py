"""Checkpoints of a run in progress: whole ones are marked as such, last of all, and the others do not count."""

import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from facetry.storage import write_atomically

MARK_NAME = "whole.json"


class Mark(BaseModel):
    """Written into a checkpoint when everything else of it is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    num_ranks: int
    zero_stage: int


def mark_whole(checkpoint: Path, mark: Mark) -> None:
    write_atomically(checkpoint / MARK_NAME, mark.model_dump_json().encode())


def last_whole(state: Path) -> tuple[Path, Mark] | None:
    """The newest checkpoint of a run that was written to its end, if there is one."""
    found = [
        (file.parent, Mark.model_validate_json(file.read_bytes())) for file in state.glob(f"checkpoint-*/{MARK_NAME}")
    ]
    return max(found, key=lambda each: each[1].step, default=None)


def remove_others(state: Path, *, keep: Collection[Path]) -> None:
    """Delete the run's checkpoints but for those to keep; one that is half deleted is not whole."""
    for checkpoint in state.glob("checkpoint-*"):
        if checkpoint not in keep:
            (checkpoint / MARK_NAME).unlink(missing_ok=True)
            shutil.rmtree(checkpoint)

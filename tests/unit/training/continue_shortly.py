"""Ranks that train a few layers under DeepSpeed, save when half is done, or go on from what others saved."""

import sys
from pathlib import Path
from typing import Any

import deepspeed
import torch
from torch import distributed, nn

from facetry.training.agreement import connect
from facetry.training.universal import make_universal, mend_optimizer, needs_universal

NUM_ROWS, NUM_STEPS_SAVED, NUM_STEPS = 6, 3, 6
WIDTHS = (7, 20, 3)
Engine = Any


def begin(*, zero_stage: int, load_universal: bool = False) -> Engine:
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(WIDTHS[0], WIDTHS[1]), nn.Tanh(), nn.Linear(WIDTHS[1], WIDTHS[2]))
    model[0].weight.requires_grad_(False)
    groups = [
        {"params": [model[0].bias], "lr": 0.05, "weight_decay": 0.0},
        {"params": [model[2].weight, model[2].bias], "lr": 0.01, "weight_decay": 0.3},
    ]
    config = {
        "train_micro_batch_size_per_gpu": NUM_ROWS // distributed.get_world_size(),
        "zero_optimization": {"stage": zero_stage},
        "zero_allow_untested_optimizer": True,
        "checkpoint": {"load_universal": load_universal},
    }
    return deepspeed.initialize(model=model, optimizer=torch.optim.AdamW(groups), config=config)[0]


def train(engine: Engine, *, first_step: int, last_step: int) -> None:
    """Each rank takes its share of the same rows."""
    for step in range(first_step, last_step + 1):
        rows = torch.randn(NUM_ROWS, WIDTHS[0], generator=torch.Generator().manual_seed(step))
        mine = rows.chunk(distributed.get_world_size())[distributed.get_rank()]
        engine.backward((engine(mine) - mine[:, : WIDTHS[2]]).square().mean())
        engine.step()


def write_weights(engine: Engine, file: Path) -> None:
    with deepspeed.zero.GatheredParameters(list(engine.module.parameters())):
        if distributed.get_rank() == 0:
            torch.save([weight.detach().clone() for weight in engine.module.parameters()], file)


def save_all(folder: Path) -> None:
    for zero_stage in (1, 2, 3):
        engine = begin(zero_stage=zero_stage)
        train(engine, first_step=1, last_step=NUM_STEPS_SAVED)
        engine.save_checkpoint(str(folder / f"zero-{zero_stage}"))
        train(engine, first_step=NUM_STEPS_SAVED + 1, last_step=NUM_STEPS)
        write_weights(engine, folder / f"undisturbed-{zero_stage}.pt")
        engine.destroy()


def go_on(folder: Path, *, saved_stage: int, zero_stage: int) -> None:
    num_processes = distributed.get_world_size()
    checkpoint = folder / f"zero-{saved_stage}"
    if distributed.get_rank() == 0:
        assert needs_universal(checkpoint, num_processes=num_processes, zero_stage=zero_stage)
        make_universal(checkpoint)
    distributed.barrier()
    engine = begin(zero_stage=zero_stage, load_universal=True)
    engine.load_checkpoint(str(checkpoint))
    mend_optimizer(engine.optimizer, checkpoint=checkpoint)
    train(engine, first_step=NUM_STEPS_SAVED + 1, last_step=NUM_STEPS)
    write_weights(engine, folder / f"{saved_stage}-to-{zero_stage}-on-{num_processes}.pt")
    engine.destroy()


def main(folder: Path, stages: list[str]) -> None:
    connect()
    if not stages:
        save_all(folder)
    for pair in stages:
        saved_stage, _, zero_stage = pair.partition("-")
        go_on(folder, saved_stage=int(saved_stage), zero_stage=int(zero_stage))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

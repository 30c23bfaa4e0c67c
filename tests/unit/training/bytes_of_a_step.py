"""Two ranks under each ZeRO stage: how many bytes of tensors each of them holds after the way back of a micro-batch."""

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import deepspeed
import torch
from torch import distributed, nn

from facetry.config import TrainParams
from facetry.training.agreement import connect
from facetry.training.deepspeed_config import deepspeed_config
from facetry.training.memory import Load, ModelSize, Tower, Way, estimate
from facetry.training.preflight import Plan

WIDTH, NUM_LAYERS = 512, 8
CASES: Sequence[tuple[Literal["fp32", "bf16"], Literal[0, 1, 2, 3]]] = (
    *(("fp32", 0), ("fp32", 1), ("fp32", 2), ("fp32", 3)),
    *(("bf16", 1), ("bf16", 3)),
)
SIZE = ModelSize(
    num_trained=NUM_LAYERS * WIDTH * WIDTH,
    num_frozen=WIDTH * WIDTH,
    num_quantised=0,
    vocabulary=0,
    vision=Tower(0, 0, 0.0, 0),
    language=Tower(0, 0, 0.0, 0),
    patches_per_image_token=1,
    language_sees_images=True,
)


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trained = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(NUM_LAYERS))
        self.frozen = nn.Linear(WIDTH, WIDTH, bias=False)
        self.frozen.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.trained:
            x = layer(x)
        total: torch.Tensor = self.frozen(x).float().sum()
        return total


def held_bytes() -> int:
    """What all tensors there are take, those that share their memory once."""
    gc.collect()
    storages = {}
    for found in gc.get_objects():
        if issubclass(type(found), torch.Tensor):
            storage = found.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def measured_bytes(way: Way, params: TrainParams) -> int:
    before = held_bytes()
    dtype = torch.bfloat16 if params.precision == "bf16" else torch.float32
    model = Layers().to(dtype)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
    config = deepspeed_config(params, plan_of(way), num_processes=distributed.get_world_size())
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    for _ in range(2):  # the optimizer has no states before its first step
        engine.backward(engine(torch.ones(1, WIDTH, dtype=dtype)))
        held = held_bytes() - before
        engine.step()
    engine.destroy()
    return held


def plan_of(way: Way) -> Plan:
    return Plan(
        zero_stage=way.zero_stage,
        offload=way.offload,
        accumulation_steps=way.accumulation_steps,
        gradient_checkpointing=way.gradient_checkpointing,
        rows=(),
        size=SIZE,
        listings="",
        load=Load(0, 0, 0),
        num_processes=2,
        memory_bytes=0,
        host_bytes=0,
    )


def main(out: Path) -> None:
    connect()
    told = []
    for precision, zero_stage in CASES:
        params = TrainParams(precision=precision, zero_stage=zero_stage)
        way = Way(zero_stage, "none", 1, False)
        footprint = estimate(SIZE, way, load=Load(0, 0, 0), num_processes=2, params=params)
        estimated = footprint.weights + footprint.gradients + footprint.optimizer
        told.append([precision, zero_stage, measured_bytes(way, params), estimated, footprint.buffers])
    if distributed.get_rank() == 0:
        out.write_text(json.dumps(told), encoding="utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""One contender on one GPU, or one rank of it on several: trains over the shop and prints what that took as JSON."""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from benchmarks.gpu.arithmetic import ListingSize, operations, peak_operations
from benchmarks.gpu.sizes import params, shop_size
from benchmarks.training import packed, peers
from benchmarks.training.setting import Setting
from benchmarks.training.shop import Shop
from facetry.listing import Split
from facetry.training.measure import Lengths
from facetry.training.preparation import lengths_path


@dataclass(slots=True)
class Found:
    """Seconds, loss and norm of the gradient of each step, its necessary operations, and the most memory at once.

    `peak_operations` are what the GPU can do in a second, where that is known.
    """

    step_seconds: list[float] = field(default_factory=list)
    step_operations: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    peak_operations: float | None = None


class Clock(TrainerCallback):
    """Counts from the end of one step to the end of the next, when the GPU is done with it."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._last = 0.0

    def on_train_begin(self, *_: object, **__: object) -> None:
        self._last = time.perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            self._found.peak_bytes = torch.cuda.max_memory_allocated()
        now = time.perf_counter()
        self._found.step_seconds.append(now - self._last)
        self._last = now

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs and "grad_norm" in logs:
            self._found.losses.append(float(logs["loss"]))
            self._found.norms.append(float(logs["grad_norm"]))


def train(make: Callable[[Setting], Trainer], *, setting: Setting, is_smoke: bool) -> Found:
    found = Found(step_operations=operations_by_step(setting, is_smoke=is_smoke))
    if torch.cuda.is_available():
        found.peak_operations = peak_operations(torch.cuda.get_device_name())
    trainer = make(setting)
    # first, so that what others do after the last step is not counted
    trainer.callback_handler.callbacks.insert(0, Clock(found))
    trainer.train()
    return found


def operations_by_step(setting: Setting, *, is_smoke: bool) -> list[float]:
    lengths = Lengths.load(lengths_path(setting.job, Split.TRAIN))
    model, batch_size = shop_size(is_smoke=is_smoke).model, setting.job.params.batch_size
    needed = [
        operations(
            ListingSize(
                int(lengths.total[draw.index]),
                num_image_tokens=int(lengths.image_tokens[draw.index]),
                num_answer_tokens=int(lengths.answer_tokens[draw.index]),
            ),
            model=model,
        )
        for draw in setting.draws()
    ]
    return [sum(needed[start : start + batch_size]) for start in range(0, len(needed), batch_size)]


def with_deepspeed(setting: Setting) -> Trainer:
    """facetry whole; imported here, as it needs DeepSpeed."""
    from benchmarks.training.ours import facetry

    return facetry(setting)


CONTENDERS: dict[str, Callable[[Setting], Trainer]] = {
    "facetry": with_deepspeed,
    "packed": packed.packed,
    "plain": peers.plain,
    "trl": peers.trl,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="contend")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("shop", type=Path)
    parser.add_argument("--zero-stage", type=int)
    parser.add_argument("--smoke", action="store_true")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    set_verbosity_error()
    disable_progress_bar()
    run = params(is_smoke=chosen.smoke).model_copy(update={"zero_stage": chosen.zero_stage})
    with tempfile.TemporaryDirectory() as state:
        num_ranks = int(os.environ.get("WORLD_SIZE", "1"))
        setting = Setting.make(Shop(chosen.shop), params=run, state=Path(state), num_ranks=num_ranks)
        found = train(CONTENDERS[chosen.name], setting=setting, is_smoke=chosen.smoke)
    if os.environ.get("RANK", "0") == "0":
        json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()

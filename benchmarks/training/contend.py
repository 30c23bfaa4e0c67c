"""One contender in a process of its own: trains over the shop and prints what that took as a line of JSON.

With `--check` it is not timed; its losses and its gradients are told instead.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import Trainer, TrainerCallback
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from benchmarks.training import ours, packed, peers
from benchmarks.training.setting import PARAMS, Setting
from benchmarks.training.shop import Shop
from facetry.config import PartsParams, TrainParams
from facetry.training.batching import IGNORED

FROZEN = PARAMS.model_copy(update={"parts": PartsParams(vision="none", projector="none"), "epochs": 3})


@dataclass(frozen=True, slots=True)
class Contender:
    make: Callable[[Setting], Trainer]
    params: TrainParams = PARAMS


CONTENDERS = {
    "facetry": Contender(ours.facetry),
    "plain": Contender(peers.plain),
    "trl": Contender(peers.trl),
    "plain_answers": Contender(peers.plain_answers),
    "packed": Contender(packed.packed),
    "facetry_sharing": Contender(ours.facetry, PARAMS.model_copy(update={"zero_stage": 1})),
    "frozen": Contender(ours.facetry, FROZEN.model_copy(update={"cache_image_features": False})),
    "frozen_cached": Contender(ours.facetry, FROZEN),
}


@dataclass(slots=True)
class Timing:
    """CPU-seconds of each step, from the end of the one before, and megabytes with the model loaded and at most."""

    step_seconds: list[float] = field(default_factory=list)
    loaded_megabytes: float = 0.0
    peak_megabytes: float = 0.0


class Clock(TrainerCallback):
    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._last = 0.0

    def on_train_begin(self, *_: object, **__: object) -> None:
        self._last = time.process_time()

    def on_step_end(self, *_: object, **__: object) -> None:
        now = time.process_time()
        self._timing.step_seconds.append(now - self._last)
        self._timing.peak_megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self._last = now


def take_time(contender: Contender, *, setting: Setting) -> Timing:
    trainer = contender.make(setting)
    timing = Timing(loaded_megabytes=resident_megabytes())
    # first, so that what others do before the first step and after the last is counted and is not
    trainer.callback_handler.callbacks.insert(0, Clock(timing))
    trainer.train()
    return timing


def resident_megabytes() -> float:
    """What this process holds now."""
    num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return num_pages * resource.getpagesize() / 2**20


@dataclass(slots=True)
class Findings:
    """What was learnt: losses and norms of the gradient by step, and how the first gradient differs from a reference.

    `num_places` counts the tokens of all batches with their padding, `num_tokens` without.
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    gradient_difference: float = 0.0
    num_places: int = 0
    num_tokens: int = 0
    num_learnt_tokens: int = 0


def check(contender: Contender, *, setting: Setting, reference: Path) -> Findings:
    """Train and look closely; whoever finds no reference writes it."""
    trainer: Any = contender.make(setting)
    findings = Findings()
    gradients = note_gradients(trainer.model, findings=findings)
    compute_loss = trainer.compute_loss

    def compute_and_note(model: nn.Module, inputs: dict[str, Any], **options: object) -> torch.Tensor:
        count(inputs, findings=findings)
        loss: torch.Tensor = compute_loss(model, inputs, **options)
        findings.losses.append(float(loss.detach()))
        findings.norms.append(0.0)
        return loss

    trainer.compute_loss = compute_and_note
    trainer.train()
    findings.norms = [square**0.5 for square in findings.norms]
    if not reference.exists():
        save_file(gradients, reference)
    findings.gradient_difference = difference(gradients, load_file(reference))
    return findings


def note_gradients(model: nn.Module, *, findings: Findings) -> dict[str, torch.Tensor]:
    """The gradients of the first step, once it is done; of every step, the square of the norm is added up."""
    gradients: dict[str, torch.Tensor] = {}

    def watch(name: str, weights: nn.Parameter) -> None:
        def note(_: torch.Tensor) -> None:
            assert weights.grad is not None  # noqa: S101 - it was accumulated just now
            findings.norms[-1] += float(weights.grad.double().square().sum())
            if len(findings.norms) == 1:
                gradients[name] = weights.grad.clone()

        weights.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]  # torch's

    for name, weights in model.named_parameters():
        watch(name, weights)
    return gradients


def difference(gradients: dict[str, torch.Tensor], reference: dict[str, torch.Tensor]) -> float:
    """The length of the difference of two gradients of all weights, as a share of the length of the reference."""
    if gradients.keys() != reference.keys():
        raise ValueError("other weights have gradients than those of the reference")
    apart = sum(float((gradients[name] - each).double().square().sum()) for name, each in reference.items())
    length = sum(float(each.double().square().sum()) for each in reference.values())
    return float((apart / length) ** 0.5)


def count(batch: dict[str, Any], *, findings: Findings) -> None:
    """Count the places of a batch, the tokens in them and the learnt ones."""
    targets = batch["labels"] if "labels" in batch else batch["targets"]
    findings.num_places += targets.numel()
    findings.num_tokens += int(batch["attention_mask"].sum()) if "attention_mask" in batch else targets.numel()
    findings.num_learnt_tokens += int((targets != IGNORED).sum())


def main() -> None:
    parser = argparse.ArgumentParser(prog="contend")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("shop", type=Path)
    parser.add_argument("--check", type=Path, help="a file with the gradients to compare to")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    set_verbosity_error()
    disable_progress_bar()
    contender = CONTENDERS[chosen.name]
    with tempfile.TemporaryDirectory() as state:
        setting = Setting.make(Shop(chosen.shop), params=contender.params, state=Path(state))
        found: Timing | Findings
        if chosen.check:
            found = check(contender, setting=setting, reference=chosen.check)
        else:
            found = take_time(contender, setting=setting)
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()

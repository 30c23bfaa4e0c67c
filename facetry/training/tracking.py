"""What is told of a run while it goes on: its progress at the terminal, its curves wherever they are asked for."""

import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from facetry.progress import ProgressLine
from facetry.training.curves import Curves, open_curves
from facetry.training.job import TrainingJob
from facetry.training.measure import Lengths

GIGABYTE = 10**9
NAMES = {"loss": "train/loss", "grad_norm": "train/gradient_norm", "epoch": "train/epoch"}
VALIDATION = "eval_"


@dataclass(frozen=True, slots=True)
class Pace:
    """What a step is made of on average, over all ranks."""

    examples: float
    tokens: float
    learnt: float

    @classmethod
    def of(cls, lengths: Lengths, *, batch_size: int) -> "Pace":
        num_steps = -(-len(lengths) // batch_size)
        return cls(
            examples=len(lengths) / num_steps,
            tokens=float(lengths.total.sum()) / num_steps,
            learnt=float(lengths.answer_tokens.sum()) / num_steps,
        )


class _Clock:
    """How many steps a second were taken since it was last asked."""

    def __init__(self, step: int) -> None:
        self._step, self._time = step, time.monotonic()

    def steps_per_second(self, step: int) -> float:
        now = time.monotonic()
        rate = (step - self._step) / max(now - self._time, 1e-9)
        self._step, self._time = step, now
        return rate


def memory_bytes() -> int:
    """The most memory that this rank has taken: of its accelerator, or of the machine where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class TellProgress(TrainerCallback):
    """Shows how far the run is, its loss and pace, and how long it will take."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._line: ProgressLine | None = None
        self._clock = _Clock(0)
        self._note = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._line = ProgressLine("training step", total=state.max_steps, done=state.global_step).__enter__()
        self._clock = _Clock(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs is not None and "loss" in logs:
            rate = self._clock.steps_per_second(state.global_step)
            self._note = (
                f"loss {float(logs['loss']):.3f}, {rate * self._pace.examples:.3g} examples/s, "
                f"{rate * self._pace.tokens:,.0f} tokens/s, {memory_bytes() / GIGABYTE:.1f} GB"
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self._line is not None:
            self._line.advance_to(state.global_step, note=self._note)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self._line is not None:
            self._line.__exit__(None, None, None)
            self._line = None


class Track(TrainerCallback):
    """Writes the run's curves, on the first rank; what is trained again after a resume is not written again."""

    def __init__(self, curves: Curves, *, pace: Pace) -> None:
        self._curves: Curves | None = curves
        self._pace = pace
        self._clock = _Clock(0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._clock = _Clock(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        **_: object,
    ) -> None:
        if self._curves is None or logs is None:
            return
        values = dict(_named(logs))
        if "loss" in logs and optimizer is not None:
            rate = self._clock.steps_per_second(state.global_step)
            values |= {
                "train/examples_per_second": rate * self._pace.examples,
                "train/tokens_per_second": rate * self._pace.tokens,
                "train/learnt_tokens_per_second": rate * self._pace.learnt,
                "train/memory_gigabytes": memory_bytes() / GIGABYTE,
            }
            values |= {f"learning_rate/{group['name']}": float(group["lr"]) for group in optimizer.param_groups}
        self._curves.add(values, step=state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self._curves is not None:
            self._curves.close()
            self._curves = None


def _named(logs: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """What the Trainer logs, by the names that the curves have."""
    for name, value in logs.items():
        if name in NAMES:
            yield NAMES[name], float(value)
        elif name.startswith(VALIDATION):
            yield f"validation/{name.removeprefix(VALIDATION)}", float(value)


def trackers(job: TrainingJob, *, lengths: Lengths, is_first: bool) -> list[TrainerCallback]:
    """What tells of a run over listings of these lengths, on the first rank; a `TrainingError` when it cannot."""
    if not is_first:
        return []
    pace = Pace.of(lengths, batch_size=job.params.batch_size)
    return [TellProgress(pace), Track(open_curves(job), pace=pace)]

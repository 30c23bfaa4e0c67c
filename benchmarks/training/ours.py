"""What `facetry train` does in its one process, as far as the first step."""

import os
import socket
from collections.abc import Mapping
from typing import Any

from torch import distributed, nn
from transformers import Trainer
from transformers.trainer_utils import SaveStrategy

from benchmarks.training.setting import Setting
from facetry.training.agreement import connect
from facetry.training.batching import IGNORED, LearntTokens
from facetry.training.deepspeed_config import deepspeed_config
from facetry.training.loop import training_arguments
from facetry.training.objective import AnswerObjective
from facetry.training.worker import load_and_choose, make_trainer


def facetry(setting: Setting) -> Trainer:
    """facetry's Trainer with DeepSpeed, over packed rows; like all others it keeps no checkpoints and no curves."""
    become_only_rank()
    connect()
    params, plan = setting.job.params, setting.prepared.plan
    arguments = training_arguments(
        params,
        plan=plan,
        state=setting.job.state,
        deepspeed=deepspeed_config(params, plan, num_processes=distributed.get_world_size(), load_universal=False),
        report_to=(),
    )
    arguments.save_strategy = SaveStrategy.NO
    arguments.load_best_model_at_end = False
    arguments.logging_steps = 1
    model = load_and_choose(setting.job, lesson=setting.lesson)
    return make_trainer(
        model, job=setting.job, lesson=setting.lesson, prepared=setting.prepared, arguments=arguments, told=()
    )


def become_only_rank() -> None:
    """What torchrun tells a process, unless it did."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in alone.items():
        os.environ.setdefault(name, value)


def packed_everywhere(setting: Setting) -> Trainer:
    """The same, with logits at every place of a row."""
    setting.lesson.objective = EverywhereObjective()
    return facetry(setting)


class EverywhereObjective(AnswerObjective):
    """As costly as a loss without `logits_to_keep`."""

    def learn(self, model: nn.Module, batch: Mapping[str, Any]) -> LearntTokens:
        learnt = batch["targets"] != IGNORED
        logits = model(**batch["model"], use_cache=False).logits.float()
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["targets"].flatten(), ignore_index=IGNORED, reduction="none"
        )
        return LearntTokens(
            losses=losses[learnt.flatten()],
            weights=batch["weights"][learnt],
            kinds=batch["kinds"][learnt],
            owners=batch["owners"][learnt],
            right=logits.detach()[learnt].argmax(dim=-1) == batch["targets"][learnt],
        )

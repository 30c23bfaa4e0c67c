"""What `facetry train` does in its one process, as far as the first step."""

import os
import socket

from torch import distributed
from transformers import Trainer
from transformers.trainer_utils import SaveStrategy

from benchmarks.training.setting import Setting
from facetry.training.agreement import connect
from facetry.training.deepspeed_config import deepspeed_config
from facetry.training.loop import training_arguments
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

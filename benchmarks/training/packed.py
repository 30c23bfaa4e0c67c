"""facetry's packed rows and loss in transformers' own Trainer, without DeepSpeed."""

from typing import Any

import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from benchmarks.training.peers import arguments
from benchmarks.training.setting import Setting
from facetry.backbones.backbone import load_weights
from facetry.training.objective import Objective
from facetry.training.precision import weight_dtype


class PackedTrainer(Trainer):
    """The loss of a step is the mean of its learnt tokens', however they are shared out among micro-batches."""

    objective: Objective[Any]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        loss: torch.Tensor = self.objective.learn(model, inputs).loss_sum
        return loss if num_items_in_batch is None else loss / num_items_in_batch

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> torch.Tensor:
        return torch.stack([batch["weights"].sum() for batch in batch_samples]).sum().to(device)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0


def packed(setting: Setting) -> Trainer:
    lesson = setting.lesson
    model = load_weights(setting.shop.model, family=lesson.family, dtype=weight_dtype(setting.job.params))
    lesson.adapt(model, folder=setting.job.state)
    trainer = PackedTrainer(
        model=model,
        args=TrainingArguments(**arguments(setting)),
        train_dataset=setting.rows(lambda example: example),
        data_collator=lesson.collate(),
    )
    trainer.objective = lesson.objective
    return trainer

"""transformers' Trainer with its DeepSpeed integration, set up from our parameters."""

from pathlib import Path

import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.decoding.backbone import Backbone
from facetry.listing import Split
from facetry.progress import ProgressLine
from facetry.training.batching import IGNORED, Batcher
from facetry.training.dataset import ListingDataset
from facetry.training.deepspeed_config import deepspeed_config


def weight_dtype(params: TrainParams) -> torch.dtype:
    return torch.bfloat16 if params.precision == "bf16" else torch.float32


def training_arguments(params: TrainParams, *, state: Path, num_processes: int) -> TrainingArguments:
    """Must be made before the model is loaded: they tell transformers about ZeRO-3."""
    micro_batch_size = params.batch_size // (num_processes * params.accumulation_steps)
    return TrainingArguments(
        output_dir=str(state),
        seed=params.seed,
        num_train_epochs=params.epochs,
        per_device_train_batch_size=micro_batch_size,
        per_device_eval_batch_size=micro_batch_size,
        gradient_accumulation_steps=params.accumulation_steps,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        adam_beta1=params.adam_beta1,
        adam_beta2=params.adam_beta2,
        max_grad_norm=params.max_gradient_norm,
        lr_scheduler_type="cosine",
        warmup_steps=params.warmup_share,
        bf16=params.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        deepspeed=deepspeed_config(params),
        save_strategy="steps",
        save_steps=params.checkpoint_steps,
        save_total_limit=1,
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["targets"],
        prediction_loss_only=True,
        dataloader_num_workers=_num_workers(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _num_workers() -> int:
    """Processes that decode pictures beside each GPU; without one, the cores are busy training already."""
    return 4 if torch.cuda.is_available() else 0


def make_trainer(
    backbone: Backbone, *, catalogue: Catalogue, params: TrainParams, arguments: TrainingArguments
) -> Trainer:
    """A trainer over the train split that is asked for its loss on the validation split."""
    train, validation = (
        ListingDataset(
            catalogue.listings(split=split), taxonomy=catalogue.taxonomy, params=params, varied=split is Split.TRAIN
        )
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    trainer = AnswerTrainer(
        model=backbone.model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=Batcher(backbone, category_weight=params.category_weight),
        callbacks=[_TellProgress()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class AnswerTrainer(Trainer):
    """Computes logits and loss at the learnt tokens only: with a large vocabulary they are what costs."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The weighted mean of the learnt tokens' cross-entropies; no other outputs are kept."""
        inputs = dict(inputs)
        targets, weights = inputs.pop("targets"), inputs.pop("weights")
        learnt = targets != IGNORED
        logits = model(**inputs, logits_to_keep=learnt).logits
        losses = nn.functional.cross_entropy(logits.float(), targets[learnt], reduction="none")
        loss = (losses * weights[learnt]).sum() / weights[learnt].sum()
        return (loss, {}) if return_outputs else loss


class _TellProgress(TrainerCallback):
    """Shows steps, loss and the time left."""

    def __init__(self) -> None:
        self._line: ProgressLine | None = None
        self._loss = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        if state.is_world_process_zero:
            self._line = ProgressLine("training step", total=state.max_steps).__enter__()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs and "loss" in logs:
            self._loss = f"loss {float(logs['loss']):.3f}"

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self._line is not None:
            self._line.advance_to(state.global_step, note=self._loss)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if self._line is not None:
            self._line.__exit__(None, None, None)
            self._line = None

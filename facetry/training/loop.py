"""transformers' Trainer with its DeepSpeed integration, over micro-batches of our own making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import distributed, nn
from torch.utils.data import DataLoader, Dataset
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from facetry.backbones.family import Family
from facetry.backbones.quiet import quietly
from facetry.config import TrainParams
from facetry.training.checkpoints import Mark, mark_whole, remove_others
from facetry.training.loading import loading
from facetry.training.objective import Objective
from facetry.training.parts import parameter_groups
from facetry.training.preflight import Plan
from facetry.training.sampling import Draw, MicroBatches
from facetry.training.universal import make_universal, needs_universal
from facetry.training.watch import LossWatch

SCHEDULES = {
    "cosine": "cosine",
    "cosine_restarts": "cosine_with_restarts",
    "linear": "linear",
    "constant": "constant_with_warmup",
}


def training_arguments(
    params: TrainParams, *, plan: Plan, state: Path, deepspeed: Mapping[str, object], report_to: Sequence[str]
) -> TrainingArguments:
    """Must be made before the model is loaded: they tell transformers about ZeRO-3."""
    return TrainingArguments(
        output_dir=str(state),
        seed=params.seed,
        num_train_epochs=params.epochs,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=plan.accumulation_steps,
        activation_checkpointing=plan.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if plan.gradient_checkpointing else None,
        learning_rate=params.learning_rate,
        max_grad_norm=params.max_gradient_norm,
        lr_scheduler_type=SCHEDULES[params.schedule],
        lr_scheduler_kwargs={"num_cycles": params.num_restarts} if params.schedule == "cosine_restarts" else None,
        warmup_steps=params.warmup_share,
        bf16=params.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        deepspeed=dict(deepspeed),
        eval_strategy="steps",
        eval_steps=params.checkpoint_steps,
        save_strategy="steps",
        save_steps=params.checkpoint_steps,
        load_best_model_at_end=True,
        metric_for_best_model=params.metric,
        greater_is_better=params.metric != "loss",
        logging_steps=10,
        logging_nan_inf_filter=False,
        report_to=list(report_to),
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=[],
        restore_callback_states_from_checkpoint=True,
    )


@dataclass(frozen=True)
class Data:
    """What is learnt from and what is looked at: datasets, how a micro-batch is put together, and in which order."""

    train: Dataset[Any]
    validation: Dataset[Any]
    order: MicroBatches
    validation_batches: Sequence[Sequence[Draw]]
    collate: Any


class FacetryTrainer(Trainer):
    """A Trainer whose loss is a sum over learnt tokens, divided by their weight over all ranks and accumulations.

    So it is the same on any number of ranks, however a step's listings are dealt to them.
    """

    model_accepts_loss_kwargs = True

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        arguments: TrainingArguments,
        *,
        params: TrainParams,
        plan: Plan,
        family: Family,
        objective: Objective[Any],
        data: Data,
        callbacks: Sequence[TrainerCallback],
    ) -> None:
        stopping = params.stopping
        early = [EarlyStoppingCallback(stopping.patience, stopping.min_improvement)] if stopping else []
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=data.train,
            eval_dataset=data.validation,
            callbacks=[LookAtTheEnd(), *early, *callbacks],
        )
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = True
        self._params = params
        self._plan = plan
        self._family = family
        self._objective = objective
        self._data = data
        self._watch = LossWatch(params.max_loss_factor)
        self._broken: set[str] = set()

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with a learning rate for each part."""
        if self.optimizer is None:
            assert isinstance(self.model, nn.Module)
            groups = parameter_groups(self.model, family=self._family, params=self._params)
            betas = (self._params.adam_beta1, self._params.adam_beta2)
            self.optimizer = torch.optim.AdamW(groups, betas=betas, fused=True)
        return self.optimizer

    def get_train_dataloader(self) -> DataLoader[Any]:
        return EpochLoader(self._data.train, batch_sampler=self._data.order, collate_fn=self._data.collate, **loading())

    def get_eval_dataloader(self, eval_dataset: object = None) -> DataLoader[Any]:
        return self._eval_loader

    @cached_property
    def _eval_loader(self) -> DataLoader[Any]:
        batches = [list(batch) for batch in self._data.validation_batches]
        return DataLoader(self._data.validation, batch_sampler=batches, collate_fn=self._data.collate, **loading())

    def _prepare_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Move a batch to the device; the model itself brings pictures to its precision."""
        return dict(to_device(inputs, self.args.device))

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor:
        total = torch.stack([self._objective.weight(batch) for batch in batch_samples]).sum().double().to(device)
        if distributed.is_initialized():
            distributed.all_reduce(total)
        return total.clamp(min=torch.finfo(torch.float32).tiny)  # a step of which nothing is known costs nothing

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """This micro-batch's share of the step's loss, times the ranks over which DeepSpeed will take the mean."""
        assert num_items_in_batch is not None
        learnt = self._objective.learn(model, inputs)
        self._watch.check(learnt, batch=inputs, step=self.state.global_step + 1, state=self._state_folder)
        self._tell_of_broken(inputs["broken"])
        share: torch.Tensor = learnt.loss_sum / num_items_in_batch * self.args.world_size
        return share

    def _tell_of_broken(self, listing_ids: Sequence[str]) -> None:
        for listing_id in sorted(set(listing_ids) - self._broken):
            print(
                f"listing '{listing_id}' lacks an image that cannot be decoded: `facetry clean` finds such", flush=True
            )
        self._broken |= set(listing_ids)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """A weight that has two names is saved once: DeepSpeed's copies no longer look like the same."""
        assert isinstance(self.model, nn.Module)
        if state_dict:
            weights = self.model.named_parameters(remove_duplicate=False)
            second_names = {name for name, _ in weights} - {name for name, _ in self.model.named_parameters()}
            state_dict = {name: weight for name, weight in state_dict.items() if name not in second_names}
        with quietly():
            super()._save(output_dir, state_dict)

    @property
    def _state_folder(self) -> Path:
        assert self.args.output_dir is not None
        return Path(self.args.output_dir)

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        return 0

    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """The loss and the accuracies over all of the validation split."""
        model = self.model_wrapped
        model.eval()
        self._objective.begin_looking()
        sums = torch.zeros(self._objective.num_sums, dtype=torch.float64, device=self.args.device)
        with torch.no_grad():
            for batch in self.get_eval_dataloader():
                batch = self._prepare_inputs(batch)
                sums += self._objective.sums(self._objective.learn(model, batch), batch)
        if distributed.is_initialized():
            distributed.all_reduce(sums)
        metrics = {f"eval_{name}": value for name, value in self._objective.metrics(sums.tolist()).items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _load_best_model(self) -> None:
        """Other ranks may have written it, before the run went on with these."""
        assert self.state.best_model_checkpoint is not None
        best = Path(self.state.best_model_checkpoint)
        is_resharded = needs_universal(best, num_processes=self.args.world_size, zero_stage=self._plan.zero_stage)
        if is_resharded and self.is_world_process_zero():
            make_universal(best)
        distributed.barrier()
        engine: Any = self.model_wrapped
        engine._config.load_universal_checkpoint = is_resharded
        super()._load_best_model()

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        """Save, mark what is whole, and only then delete what it takes the place of."""
        super()._save_checkpoint(model, trial)
        distributed.barrier()
        if self.is_world_process_zero():
            step = self.state.global_step
            checkpoint = self._state_folder / f"checkpoint-{step}"
            mark = Mark(step=step, num_ranks=self.args.world_size, zero_stage=self._plan.zero_stage)
            mark_whole(checkpoint, mark)
            best = self.state.best_model_checkpoint
            remove_others(self._state_folder, keep={checkpoint, *([Path(best)] if best else [])})
        distributed.barrier()


class EpochLoader(DataLoader[Any]):
    """Tells its order which epoch it is, as the Trainer says it."""

    def set_epoch(self, epoch: int) -> None:
        order = self.batch_sampler
        assert isinstance(order, MicroBatches)
        order.set_epoch(epoch)


class LookAtTheEnd(TrainerCallback):
    """The weights of the last step are looked at too: they may be the best."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if state.global_step >= state.max_steps:
            control.should_evaluate = True


def to_device(value: Any, device: torch.device) -> Any:  # noqa: ANN401 - whatever a batch holds
    """`value` with every tensor in it on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return type(value)(**{key: to_device(each, device) for key, each in value.items()})
    if isinstance(value, list | tuple):
        return type(value)([to_device(each, device) for each in value])
    return value

"""One rank of a training run: `python -m facetry.training.worker JOB.json`, started by torchrun."""

import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel
from torch import distributed, nn
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from facetry import storage
from facetry.backbones.backbone import load_weights
from facetry.backbones.encoder import copy_processor
from facetry.catalogue import Catalogue
from facetry.errors import FacetryError
from facetry.listing import Split
from facetry.training.adapters import add_adapter, check_quantisation, quantisation_options, save_adapter
from facetry.training.agreement import agree, connect, share_from_first
from facetry.training.deepspeed_config import deepspeed_config
from facetry.training.feed import Feed
from facetry.training.job import ADAPTER_NAME, RESULT_NAME, TrainingJob, TrainingResult
from facetry.training.launching import end_with_parent, report_error
from facetry.training.lesson import Lesson
from facetry.training.loop import Data, FacetryTrainer, training_arguments
from facetry.training.measure import Lengths
from facetry.training.parts import choose_trained, count_by_part, describe
from facetry.training.precision import weight_dtype
from facetry.training.preflight import explain, out_of_memory
from facetry.training.preparation import Preparation, feed_path, find_lesson, lengths_path, prepare
from facetry.training.sampling import MicroBatches, balancing_groups, evaluation_batches
from facetry.training.tracking import trackers
from facetry.training.universal import mend_optimizer


def run(job: TrainingJob) -> TrainingResult:
    """Train, going on from the last whole checkpoint, and write the model."""
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # accumulation is DeepSpeed's here, which it remarks on
    connect()
    agree(job.identity)
    params, num_ranks = job.params, distributed.get_world_size()
    catalogue = Catalogue.open(job.catalogue)
    lesson = find_lesson(job.base_model, taxonomy=catalogue.taxonomy, params=params)
    prepared: Preparation = share_from_first(lambda: prepare(job, lesson=lesson, num_ranks=num_ranks))
    say(explain(prepared.plan))
    check_quantisation(params.adapter, zero_stage=prepared.plan.zero_stage, offload=prepared.plan.offload)
    deepspeed = deepspeed_config(params, prepared.plan, num_processes=num_ranks, load_universal=prepared.is_resharded)
    arguments = training_arguments(params, plan=prepared.plan, state=job.state, deepspeed=deepspeed, report_to=())
    lengths = Lengths.load(lengths_path(job, Split.TRAIN))
    told = trackers(job, lengths=lengths, is_first=distributed.get_rank() == 0)
    model = load_and_choose(job, lesson=lesson)
    trainer = make_trainer(model, job=job, lesson=lesson, prepared=prepared, arguments=arguments, told=told)
    started = time.monotonic()
    try:
        outcome = trainer.train(resume_from_checkpoint=str(prepared.checkpoint) if prepared.checkpoint else None)
    except torch.OutOfMemoryError as error:
        raise out_of_memory(prepared.plan) from error
    metrics = trainer.evaluate()
    save(trainer, job=job)
    counts = count_by_part(model, family=lesson.family)
    return TrainingResult(
        num_listings=len(Feed(feed_path(job, Split.TRAIN))),
        num_steps=outcome.global_step,
        num_parameters=sum(count.num_all for count in counts),
        num_trained_parameters=sum(count.num_trained for count in counts),
        train_loss=mean_over_ranks(outcome.training_loss),
        validation_loss=metrics["eval_loss"],
        validation_category_accuracy=metrics.get("eval_category_accuracy"),
        validation_answer_accuracy=metrics.get("eval_answer_accuracy"),
        best_step=trainer.state.best_global_step,
        seconds=time.monotonic() - started,
    )


def load_and_choose(job: TrainingJob, *, lesson: Lesson) -> PreTrainedModel | PeftModel:
    """The base model, with what is trained of it marked, and with its adapter if it has one."""
    params = job.params
    dtype = weight_dtype(params)
    model = load_weights(
        job.base_model,
        family=lesson.family,
        dtype=dtype,
        allow_other_weights=params.allow_other_weights,
        **quantisation_options(params.adapter, family=lesson.family, dtype=dtype),
    )
    choose_trained(model, family=lesson.family, params=params.parts, adapter=params.adapter)
    adapted: PreTrainedModel | PeftModel = model
    if params.adapter is not None:
        adapted = add_adapter(model, family=lesson.family, adapter=params.adapter, seed=params.seed)
    lesson.adapt(model, folder=job.state / "features")  # the adapter is in `model` too, and may be in its vision tower
    say(describe(count_by_part(model, family=lesson.family)))
    return adapted


def make_trainer(
    model: PreTrainedModel | PeftModel,
    *,
    job: TrainingJob,
    lesson: Lesson,
    prepared: Preparation,
    arguments: TrainingArguments,
    told: Sequence[TrainerCallback],
) -> FacetryTrainer:
    params = job.params
    feeds = {split: Feed(feed_path(job, split)) for split in (Split.TRAIN, Split.VALIDATION)}
    lengths = {split: Lengths.load(lengths_path(job, split)).total for split in feeds}
    num_ranks, rank = distributed.get_world_size(), distributed.get_rank()
    order = MicroBatches(
        lengths[Split.TRAIN],
        batch_size=params.batch_size,
        num_ranks=num_ranks,
        rank=rank,
        accumulation_steps=prepared.plan.accumulation_steps,
        seed=params.seed,
        groups=balancing_groups(feeds[Split.TRAIN], params=params),
        longest_first=True,
    )
    data = Data(
        train=lesson.dataset(feeds[Split.TRAIN], varied=True),
        validation=lesson.dataset(feeds[Split.VALIDATION], varied=False),
        order=order,
        validation_batches=evaluation_batches(
            lengths[Split.VALIDATION],
            batch_size=max(params.batch_size // (num_ranks * prepared.plan.accumulation_steps), 1),
            num_ranks=num_ranks,
            rank=rank,
        ),
        collate=lesson.collate(),
    )
    callbacks = [BeforeTheFirstStep(lesson, feeds=list(feeds.values()), prepared=prepared), *told]
    return FacetryTrainer(
        model,
        arguments,
        params=params,
        plan=prepared.plan,
        family=lesson.family,
        objective=lesson.objective,
        data=data,
        callbacks=callbacks,
    )


class BeforeTheFirstStep(TrainerCallback):
    """When the model is in place on every rank: what is the same in all epochs is computed, once."""

    def __init__(self, lesson: Lesson, *, feeds: list[Feed], prepared: Preparation) -> None:
        self._lesson = lesson
        self._feeds = feeds
        self._prepared = prepared

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        **_: object,
    ) -> None:
        assert model is not None
        assert optimizer is not None
        if self._prepared.checkpoint is not None:
            say(f"continuing from {self._prepared.checkpoint.name}")
            if self._prepared.is_resharded:
                mend_optimizer(optimizer, checkpoint=self._prepared.checkpoint)
        self._lesson.look_ahead(model, feeds=self._feeds)


def save(trainer: FacetryTrainer, *, job: TrainingJob) -> None:
    """Write the model as a plain Hugging Face folder, or what an adapter learnt, to be merged when all ranks ended."""
    if job.params.adapter is not None:
        save_adapter(trainer.model, job.state / ADAPTER_NAME)  # type: ignore[arg-type]  # it is one of peft's then
        return
    trainer.save_model(str(job.model_folder))
    if trainer.is_world_process_zero():
        copy_processor(job.base_model, job.model_folder)
        (job.model_folder / "training_args.bin").unlink()  # a pickle, and no part of the model


def mean_over_ranks(value: float) -> float:
    """Each rank knows its own share of the loss."""
    values = torch.tensor([value], dtype=torch.float64)
    distributed.all_reduce(values)
    return float(values) / distributed.get_world_size()


def say(text: str) -> None:
    """Tell the people at the terminal, once."""
    if distributed.get_rank() == 0:
        print(text, flush=True)


def main(job_file: Path) -> int:
    end_with_parent(signal.SIGKILL)
    job = TrainingJob.model_validate_json(job_file.read_bytes())
    try:
        result = run(job)
    except FacetryError as error:
        report_error(error, job=job)
        return 2
    if distributed.get_rank() == 0:
        storage.write_atomically(job.state / RESULT_NAME, result.model_dump_json().encode())
    distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""One rank of a training run: `python -m facetry.training.worker JOB.json`, started by torchrun."""

import os
import sys
import time
from pathlib import Path

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.errors import FacetryError
from facetry.training.job import TrainingJob, TrainingResult
from facetry.training.launching import RESULT_NAME


def run(job: TrainingJob) -> TrainingResult:
    """Train, continuing from the last whole checkpoint of the state folder, and write the model folder."""
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it is compiled for a minute and a half
    from transformers.utils.logging import disable_progress_bar

    from facetry.decoding.backbone import Backbone, load_model, load_processor
    from facetry.training.loop import make_trainer, training_arguments, weight_dtype

    disable_progress_bar()
    arguments = training_arguments(job.params, state=job.state, num_processes=int(os.environ["WORLD_SIZE"]))
    catalogue = Catalogue.open(job.catalogue)
    model = load_model(job.params.base_model, dtype=weight_dtype(job.params))
    backbone = Backbone(model=model, processor=load_processor(job.params.base_model))
    trainer = make_trainer(backbone, catalogue=catalogue, params=job.params, arguments=arguments)
    started = time.monotonic()
    checkpoint = last_whole_checkpoint(job.state)
    if checkpoint is not None and trainer.is_world_process_zero():
        print(f"continuing from {checkpoint.name}", flush=True)
    outcome = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    validation_loss = trainer.evaluate()["eval_loss"]
    trainer.save_model(str(job.out))
    if trainer.is_world_process_zero():
        backbone.processor.save_pretrained(job.out)
        (job.out / "training_args.bin").unlink()  # a pickle, and no part of the model
    return TrainingResult(
        num_steps=outcome.global_step,
        num_parameters=sum(weights.numel() for weights in model.parameters()),
        train_loss=outcome.training_loss,
        validation_loss=validation_loss,
        seconds=time.monotonic() - started,
    )


def last_whole_checkpoint(state: Path) -> Path | None:
    """The newest checkpoint that was written to its end: the Trainer writes its own state last."""
    whole = [file.parent for file in state.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda folder: int(folder.name.removeprefix("checkpoint-")), default=None)


def main(job_file: Path) -> int:
    job = TrainingJob.model_validate_json(job_file.read_bytes())
    try:
        result = run(job)
    except FacetryError as error:
        result = TrainingResult(error=str(error))
    if os.environ["RANK"] == "0":
        storage.write_atomically(job.state / RESULT_NAME, result.model_dump_json().encode())
    return 2 if result.error else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

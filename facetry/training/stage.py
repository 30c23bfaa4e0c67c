"""The stage: check the inputs, launch the processes, put the checkpoint together."""

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.config import TrainParams
from facetry.decoding.checkpoint import CARD_NAME, GOLDEN_NAME, TAXONOMY_NAME, CheckpointCard
from facetry.errors import TrainingError
from facetry.listing import Split
from facetry.revision import code_revision
from facetry.training.job import TrainingJob, TrainingResult
from facetry.training.launching import choose_num_processes, launch

JOB_NAME = "job.json"


@dataclass(frozen=True, slots=True)
class TrainSummary:
    num_listings: int
    num_steps: int
    num_parameters: int
    train_loss: float
    validation_loss: float | None
    seconds: float

    def one_line(self) -> str:
        validation = "" if self.validation_loss is None else f", validation loss {self.validation_loss:.3f}"
        return (
            f"trained {self.num_parameters:,} parameters on {self.num_listings} listings in {self.num_steps} steps "
            f"({self.seconds:.0f} s): train loss {self.train_loss:.3f}{validation}"
        )


def train(catalogue: Catalogue, *, params: TrainParams, out: Path) -> TrainSummary:
    """Fine-tune `params.base_model` on the train split of `catalogue`; a killed run, started again, continues."""
    counts = Counter(listing.split for listing in catalogue.listings() if listing.says_something and listing.label)
    _check_inputs(catalogue, params=params, counts=counts)
    num_processes = choose_num_processes(params)
    storage.refuse_foreign_folder(out, commit=CARD_NAME)
    with storage.new_folder(out, commit=CARD_NAME) as folder:
        job = TrainingJob(
            catalogue=catalogue.location,
            catalogue_digest=catalogue.digest,
            data_version=catalogue.version,
            params=params,
            state=out.parent / f".{out.name}-state",
            out=folder,
        )
        _prepare_state(job)
        result = launch(job, job_file=job.state / JOB_NAME, num_processes=num_processes)
        _write_golden(catalogue, params=params, folder=folder / GOLDEN_NAME)
        storage.write_atomically(folder / TAXONOMY_NAME, catalogue.taxonomy_yaml.encode())
        card = _card(job, result)
        storage.write_atomically(folder / CARD_NAME, (card.model_dump_json(indent=2) + "\n").encode())
    shutil.rmtree(job.state)
    return TrainSummary(num_listings=counts[Split.TRAIN], **result.model_dump(exclude={"error"}))


def _check_inputs(catalogue: Catalogue, *, params: TrainParams, counts: Counter[Split | None]) -> None:
    for split in (Split.TRAIN, Split.VALIDATION):
        if counts[split] == 0:
            raise TrainingError(
                f"catalogue {catalogue.location} has no usable listing in split '{split}': split it first"
            )
    is_hub_name = params.base_model.count("/") == 1 and not params.base_model.startswith((".", "/"))
    if not Path(params.base_model).is_dir() and not is_hub_name:
        raise TrainingError(f"train.base_model: no model folder at {params.base_model}, nor is it a hub name like a/b")


def _prepare_state(job: TrainingJob) -> None:
    """Keep the state of an interrupted run of the same job; drop that of any other."""
    job_file = job.state / JOB_NAME
    if job_file.is_file() and TrainingJob.model_validate_json(job_file.read_bytes()).identity != job.identity:
        shutil.rmtree(job.state)
    job.state.mkdir(parents=True, exist_ok=True)
    storage.write_atomically(job_file, json.dumps(job.model_dump(mode="json"), indent=2).encode())


def _write_golden(catalogue: Catalogue, *, params: TrainParams, folder: Path) -> None:
    """Keep a few validation listings with the checkpoint: a release proves itself on them."""
    usable = (listing for listing in catalogue.listings(split=Split.VALIDATION) if listing.says_something)
    with (
        storage.new_folder(folder, commit=MANIFEST_NAME) as golden,
        CatalogueWriter(
            golden, stage="train", params=params, taxonomy_yaml=catalogue.taxonomy_yaml, parent=catalogue
        ) as writer,
    ):
        for listing in islice(usable, params.num_golden_listings):
            writer.add(listing)


def _card(job: TrainingJob, result: TrainingResult) -> CheckpointCard:
    numbers = result.model_dump(exclude={"error"}, exclude_none=True)
    return CheckpointCard(
        base_model=job.params.base_model,
        data_revision=job.catalogue_digest,
        data_version=job.data_version,
        code_revision=code_revision(),
        prompt=job.params.prompt,
        params=job.params.model_dump(mode="json"),
        summary={name: float(number) for name, number in numbers.items()},
    )

"""The stage: check the inputs, do the runs one after the other, put the checkpoint together."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.config import TrainParams
from facetry.decoding.checkpoint import CARD_NAME, CURVES_NAME, GOLDEN_NAME, TAXONOMY_NAME, CheckpointCard
from facetry.errors import TrainingError
from facetry.listing import Split
from facetry.revision import code_revision
from facetry.training.checkpoints import MARK_NAME
from facetry.training.inputs import check_inputs
from facetry.training.job import ADAPTER_NAME, RESULT_NAME, TrainingJob, TrainingResult
from facetry.training.launching import Place, find_place, launch

IDENTITY_NAME = "identity.json"


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What the last run came to; None on the nodes that only lent a hand."""

    num_runs: int
    result: TrainingResult | None

    def one_line(self) -> str:
        if self.result is None:
            return "trained: the first node has the checkpoint"
        result = self.result
        runs = f" (the last of {self.num_runs} runs)" if self.num_runs > 1 else ""
        accuracy = result.validation_category_accuracy
        return (
            f"trained {result.num_trained_parameters:,} of {result.num_parameters:,} parameters on "
            f"{result.num_listings} listings in {result.num_steps} steps ({result.seconds:.0f} s){runs}: "
            f"train loss {result.train_loss:.3f}, validation loss {result.validation_loss:.3f}"
            f"{'' if accuracy is None else f', category accuracy {accuracy:.3f}'}"
        )


def train(catalogue: Catalogue, *, params: TrainParams, out: Path) -> TrainSummary:
    """Fine-tune `params.base_model` on the train split of `catalogue`; a killed run, started again, continues.

    In a job of several nodes each of them calls this; the first one puts the checkpoint together.
    """
    check_inputs(catalogue, params=params)
    place = find_place(os.environ, params=params)
    state = out.parent / f".{out.name}-state"
    jobs = _jobs(catalogue, params=params, state=state)
    if not place.is_first_node:
        for job in jobs:
            _do(job, place=place)
        return TrainSummary(num_runs=len(jobs), result=None)
    storage.refuse_foreign_folder(out, commit=CARD_NAME)
    with storage.only_user(state, of=out):
        _prepare_state(state, jobs=jobs)
        for job in jobs:
            _do(job, place=place)
        result = TrainingResult.model_validate_json((jobs[-1].state / RESULT_NAME).read_bytes())
        _write_checkpoint(out, catalogue=catalogue, params=params, jobs=jobs, result=result)
        shutil.rmtree(state)
    return TrainSummary(num_runs=len(jobs), result=result)


def preview(catalogue: Catalogue, *, params: TrainParams) -> str:
    """What the first run would need of memory on this machine, and how it would be done, for people."""
    from facetry.training.preflight import explain
    from facetry.training.preparation import find_lesson, prepare

    check_inputs(catalogue, params=params)
    place = find_place(os.environ, params=params)
    with tempfile.TemporaryDirectory(prefix="facetry-") as state:
        job = _jobs(catalogue, params=params, state=Path(state))[0]
        job.state.mkdir()
        lesson = find_lesson(job.base_model, taxonomy=catalogue.taxonomy, params=job.params)
        return explain(prepare(job, lesson=lesson, num_ranks=place.num_nodes * place.num_processes).plan)


def _jobs(catalogue: Catalogue, *, params: TrainParams, state: Path) -> list[TrainingJob]:
    """The runs, each on the weights of the one before."""
    jobs: list[TrainingJob] = []
    for index, run in enumerate(params.runs()):
        job = TrainingJob(
            catalogue=catalogue.location,
            catalogue_digest=catalogue.digest,
            base_model=str(jobs[-1].model_folder) if jobs else params.base_model,
            params=run,
            state=state / str(index),
        )
        jobs.append(job)
    return jobs


def _prepare_state(state: Path, *, jobs: Sequence[TrainingJob]) -> None:
    """Keep the state of an interrupted training of the same kind; refuse to drop what another one has learnt."""
    identity = json.dumps([job.identity for job in jobs], indent=1, sort_keys=True).encode()
    file = state / IDENTITY_NAME
    if not (file.is_file() and file.read_bytes() == identity):
        if any(state.glob(f"*/checkpoint-*/{MARK_NAME}")):
            raise TrainingError(
                f"{state} holds the checkpoints of a run that was begun otherwise"
                f"{_first_difference(file, [job.identity for job in jobs])}: train as before to go on with it, choose "
                "another --out, or delete that folder to begin anew"
            )
        storage.empty(state)
    for job in jobs:
        job.state.mkdir(parents=True, exist_ok=True)
    storage.write_atomically(file, identity)


def _first_difference(file: Path, now: Sequence[Mapping[str, object]]) -> str:
    """What the run whose identity is in `file` had otherwise, if it can be told."""
    before = json.loads(file.read_bytes()) if file.is_file() else []
    for one, other in zip(before, now, strict=False):
        for name in sorted({*one, *other}):
            if one.get(name) != other.get(name):
                return f" ({name} was {json.dumps(one.get(name))}, now {json.dumps(other.get(name))})"
    return f" ({len(before)} stages, now {len(now)})" if len(before) != len(now) else ""


def _do(job: TrainingJob, *, place: Place) -> None:
    """Do one run, or what is left of it to do."""
    if not (job.state / RESULT_NAME).is_file():
        launch(job, place=place)
    if place.is_first_node and job.params.adapter is not None and not job.model_folder.is_dir():
        _merge(job)


def _merge(job: TrainingJob) -> None:
    """Put what the adapter learnt into the weights; it happens here, when no rank holds a piece of them any more."""
    from facetry.backbones.encoder import copy_processor
    from facetry.training.adapters import merge_adapter
    from facetry.training.precision import weight_dtype
    from facetry.training.preparation import family_of

    partial = job.state / ".model.partial"
    shutil.rmtree(partial, ignore_errors=True)
    merge_adapter(
        job.state / ADAPTER_NAME,
        base_model=job.base_model,
        family=family_of(job.base_model),
        dtype=weight_dtype(job.params),
        out=partial,
        allow_other_weights=job.params.allow_other_weights,
    )
    copy_processor(job.base_model, partial)
    partial.rename(job.model_folder)


def _write_checkpoint(
    out: Path, *, catalogue: Catalogue, params: TrainParams, jobs: Sequence[TrainingJob], result: TrainingResult
) -> None:
    """Put together in `out` what the runs came to: the last one's model, and the curves of all."""
    with storage.new_folder(out, commit=CARD_NAME) as folder:
        shutil.copytree(jobs[-1].model_folder, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        for job in jobs:
            shutil.copytree(job.state / CURVES_NAME, folder / CURVES_NAME / job.state.name)
        _write_golden(catalogue, params=params, folder=folder / GOLDEN_NAME)
        storage.write_atomically(folder / TAXONOMY_NAME, catalogue.taxonomy_yaml.encode())
        card = _card(catalogue, params=params, result=result)
        storage.write_atomically(folder / CARD_NAME, (card.model_dump_json(indent=2) + "\n").encode())


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


def _card(catalogue: Catalogue, *, params: TrainParams, result: TrainingResult) -> CheckpointCard:
    numbers = result.model_dump(exclude_none=True)
    return CheckpointCard(
        base_model=params.base_model,
        data_revision=catalogue.digest,
        data_version=catalogue.version,
        code_revision=code_revision(),
        prompt=params.prompt,
        params=params.model_dump(mode="json"),
        summary={name: float(number) for name, number in numbers.items()},
    )

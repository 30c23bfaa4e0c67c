"""What the first rank finds out before any model is loaded, and tells the others."""

from dataclasses import dataclass
from pathlib import Path

from facetry.backbones.backbone import check_weights
from facetry.backbones.dual_family import DualEncoderFamily
from facetry.backbones.encoder import PromptEncoder, load_config
from facetry.backbones.family import AnsweringFamily
from facetry.backbones.registry import find_family
from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.listing import Split
from facetry.taxonomy import Taxonomy
from facetry.training.answering import AnswerLesson
from facetry.training.checkpoints import last_whole
from facetry.training.feed import Feed, write_feed
from facetry.training.job import TrainingJob
from facetry.training.lesson import Lesson
from facetry.training.measure import Lengths
from facetry.training.preflight import Plan, available_bytes, plan
from facetry.training.sampling import balancing_groups
from facetry.training.universal import make_universal, needs_universal


@dataclass(frozen=True)
class Preparation:
    """How a run is done, and from which checkpoint it goes on; `is_resharded` when that takes its universal layout."""

    plan: Plan
    checkpoint: Path | None
    is_resharded: bool


def find_lesson(base_model: str, *, taxonomy: Taxonomy, params: TrainParams) -> Lesson:
    """How the model is taught; its weights are not looked at."""
    family = family_of(base_model)
    if isinstance(family, AnsweringFamily):
        return AnswerLesson(PromptEncoder.load(base_model), taxonomy=taxonomy, params=params)
    from facetry.training.contrastive.lesson import ContrastiveLesson

    return ContrastiveLesson(base_model, family=family, taxonomy=taxonomy, params=params)


def family_of(base_model: str) -> AnsweringFamily | DualEncoderFamily:
    return find_family(load_config(base_model), folder=base_model)


def prepare(job: TrainingJob, *, lesson: Lesson, num_ranks: int) -> Preparation:
    """Write what is learnt from to disk, measure it, and decide how it is learnt; or say why it cannot be."""
    check_weights(job.base_model, family=lesson.family, allow_other_weights=job.params.allow_other_weights)
    catalogue = Catalogue.open(job.catalogue)
    for split in (Split.TRAIN, Split.VALIDATION):
        feed_file, lengths_file = feed_path(job, split), lengths_path(job, split)
        if not feed_file.is_file():
            write_feed(catalogue, split=split, params=job.params, path=feed_file, facts=lesson.facts)
        if not lengths_file.is_file():
            lesson.measure(Feed(feed_file)).save(lengths_file)
    params = job.params
    balancing_groups(Feed(feed_path(job, Split.TRAIN)), params=params)  # refuses what nothing can be balanced by
    found = last_whole(job.state)
    if found is not None and params.zero_stage is None:
        params = params.model_copy(update={"zero_stage": found[1].zero_stage})
    decided = plan(
        lengths=Lengths.load(lengths_path(job, Split.TRAIN)),
        base_model=job.base_model,
        family=lesson.family,
        params=params,
        num_processes=num_ranks,
        memory_bytes=available_bytes(params, num_processes=num_ranks),
    )
    if found is None:
        return Preparation(decided, checkpoint=None, is_resharded=False)
    checkpoint, _ = found
    is_resharded = needs_universal(checkpoint, num_processes=num_ranks, zero_stage=decided.zero_stage)
    if is_resharded:
        make_universal(checkpoint)
    return Preparation(decided, checkpoint=checkpoint, is_resharded=is_resharded)


def feed_path(job: TrainingJob, split: Split) -> Path:
    return job.state / f"{split}.arrow"


def lengths_path(job: TrainingJob, split: Split) -> Path:
    return job.state / f"{split}-lengths.npz"

"""What all contenders have in common: the listings, their order, the model, and how it is trained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from torch.utils.data import Dataset

from benchmarks.training.shop import Shop
from facetry.catalogue import Catalogue
from facetry.config import FieldMasks, TrainParams
from facetry.listing import Split
from facetry.training.dataset import Example
from facetry.training.feed import Feed
from facetry.training.job import TrainingJob
from facetry.training.lesson import Lesson
from facetry.training.measure import Lengths
from facetry.training.preparation import Preparation, feed_path, find_lesson, lengths_path, prepare
from facetry.training.sampling import Draw, MicroBatches

BATCH_SIZE = 8
PARAMS = TrainParams(
    epochs=1,
    batch_size=BATCH_SIZE,
    accumulation_steps=1,
    num_processes=1,
    # one process has nothing to share; facetry would choose 1, from which more processes can go on
    zero_stage=0,
    gradient_checkpointing=False,
    category_weight=1.0,
    mask=FieldMasks(title=0, description=0, brand=0, brand_description=0, images=0),
    learning_rate=1e-3,
    schedule="constant",
    warmup_share=0,
    # never reached, so that gradients can be compared as they came
    max_gradient_norm=1e9,
    checkpoint_steps=1_000_000,
)

Row = TypeVar("Row")


@dataclass(frozen=True)
class Setting:
    """A shop, a run over it, and what facetry finds out before it starts."""

    shop: Shop
    job: TrainingJob
    lesson: Lesson
    prepared: Preparation

    @classmethod
    def make(cls, shop: Shop, *, params: TrainParams, state: Path, num_ranks: int = 1) -> "Setting":
        catalogue = Catalogue.open(str(shop.catalogue))
        job = TrainingJob(
            catalogue=str(shop.catalogue),
            catalogue_digest=catalogue.digest,
            base_model=str(shop.model),
            params=params,
            state=state,
        )
        lesson = find_lesson(job.base_model, taxonomy=catalogue.taxonomy, params=params)
        return cls(shop, job=job, lesson=lesson, prepared=prepare(job, lesson=lesson, num_ranks=num_ranks))

    def draws(self) -> Iterator[Draw]:
        """The listings of all epochs, in the order in which facetry takes them."""
        params = self.job.params
        order = MicroBatches(
            Lengths.load(lengths_path(self.job, Split.TRAIN)).total,
            batch_size=params.batch_size,
            num_ranks=1,
            rank=0,
            accumulation_steps=1,
            seed=params.seed,
            longest_first=True,
        )
        for epoch in range(round(params.epochs)):
            order.set_epoch(epoch)
            for batch in order:
                yield from batch

    def rows(self, shown_as: Callable[[Example], Row]) -> "Rows[Row]":
        """The listings in that order, as a contender wants them."""
        feed = Feed(feed_path(self.job, Split.TRAIN))
        return Rows(self.lesson.dataset(feed, varied=False), draws=list(self.draws()), shown_as=shown_as)


class Rows(Dataset[Row], Generic[Row]):
    """Looks at listings, one after the other."""

    def __init__(self, examples: Dataset[Example], *, draws: list[Draw], shown_as: Callable[[Example], Row]) -> None:
        self._examples = examples
        self._draws = draws
        self._shown_as = shown_as

    def __len__(self) -> int:
        return len(self._draws)

    def __getitem__(self, index: int) -> Row:
        return self._shown_as(self._examples[self._draws[index]])

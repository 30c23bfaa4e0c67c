"""How good a model becomes with how many labels: one training for each number and repeat."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.config import Params, TrainParams
from facetry.decoding.captions import CATEGORY
from facetry.decoding.checkpoint import CARD_NAME
from facetry.errors import CatalogueError, ConfigError
from facetry.evaluation.case import Case
from facetry.evaluation.metrics import score
from facetry.experiments.accelerator import free_accelerator
from facetry.experiments.curve import FacetScore, LearningCurve, Point
from facetry.experiments.curve_figure import as_files, draw_curve
from facetry.experiments.records import read_record
from facetry.listing import Listing, Split
from facetry.revision import code_revision
from facetry.taxonomy import Taxonomy
from facetry.training import train
from facetry.training.inputs import check_inputs

CURVE_NAME = "curve.json"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is learnt: the facets, and whether a listing needs a picture for it."""

    facets: tuple[str, ...]
    needs_image: bool

    @classmethod
    def of(cls, params: TrainParams) -> "Subject":
        """What `params` let be learnt: what CLIP is told to, else the category."""
        from facetry.backbones.encoder import load_config
        from facetry.backbones.registry import DUAL

        if load_config(params.base_model).model_type not in DUAL:
            return cls((CATEGORY,), needs_image=False)
        return cls(tuple(dict.fromkeys(params.contrastive.learn)), needs_image=True)

    def values(self, listing: Listing) -> dict[str, str]:
        """What a listing tells of the facets; nothing when it cannot be asked about."""
        if listing.label is None or not (listing.usable_images if self.needs_image else listing.says_something):
            return {}
        told = {CATEGORY: listing.label.category, **listing.label.attributes}
        return {facet: told[facet] for facet in self.facets if facet in told}


def learning_curve(
    catalogue: Catalogue, *, params: Params, num_labels: Sequence[int], num_repeats: int, out: Path
) -> LearningCurve:
    """Train with each number of labels `num_repeats` times, score on the test split, and write the curve to `out`.

    A smaller number's labels are among a larger one's of the same repeat, and all take as many steps as the largest
    number takes in `params.train.epochs`. What a run that was killed has measured, or the curve that is in `out`, is
    not measured again.
    """
    check_inputs(catalogue, params=params.train)
    if params.train.stages:
        raise ConfigError("train.stages: a learning curve is of one run, which a number of labels can be set for")
    subject = Subject.of(params.train)
    numbers = sorted(set(num_labels))
    _check_numbers(catalogue, subject, params=params.train, numbers=numbers)
    commonest = _commonest(catalogue, subject, params=params)
    with storage.new_folder(out, commit=CURVE_NAME) as folder:
        progress = storage.progress_folder(out)
        known = _known_points(out, progress=progress)
        points = []
        for number in numbers:
            for repeat in range(num_repeats):
                task = params_of(params, num_labels=number, most=numbers[-1], repeat=repeat)
                points.append(_measure(catalogue, subject, params=task, known=known, progress=progress))
        name = Path(params.train.base_model).name
        curve = LearningCurve(base_model=name, commonest=commonest, points=tuple(points))
        for ending, content in as_files(draw_curve(curve)).items():
            storage.write_atomically(folder / f"curve.{ending}", content)
        storage.write_atomically(folder / CURVE_NAME, (curve.model_dump_json(indent=2) + "\n").encode())
    return curve


def _check_numbers(catalogue: Catalogue, subject: Subject, *, params: TrainParams, numbers: Sequence[int]) -> None:
    from facetry.training.feed import count_fitting

    facts = subject.facets if subject.needs_image else ()
    num_fitting = count_fitting(catalogue, split=Split.TRAIN, params=params, facts=facts)
    if numbers[-1] > num_fitting:
        facets = ", ".join(subject.facets)
        raise ConfigError(f"--num-labels: {numbers[-1]}, but only {num_fitting} listings to learn from tell {facets}")


def params_of(params: Params, *, num_labels: int, most: int, repeat: int) -> Params:
    """The parameters of one training."""
    batch_size = params.train.batch_size
    rounds = ceil(most / batch_size) / ceil(num_labels / batch_size)
    changes = {
        "max_listings": num_labels,
        "seed": params.train.seed + repeat,
        "epochs": params.train.epochs * rounds,
    }
    return params.model_copy(update={"train": params.train.model_copy(update=changes)})


def _measure(
    catalogue: Catalogue, subject: Subject, *, params: Params, known: Mapping[str, Point], progress: Path
) -> Point:
    """Train and score, unless that was done before."""
    key = key_of(catalogue, params=params)
    if key in known:
        return known[key]
    checkpoint = progress / f"checkpoint-{key}"
    num_labels, seed = params.train.max_listings, params.train.seed
    assert num_labels is not None
    if not (checkpoint / CARD_NAME).is_file():
        print(f"{num_labels} labels, seed {seed}", flush=True)
        print(train(catalogue, params=params.train, out=checkpoint).one_line(), flush=True)
    cases = _ask(checkpoint, catalogue, subject, params=params)
    free_accelerator()
    scores = _scores(cases, subject, taxonomy=catalogue.taxonomy)
    point = Point(key=key, num_labels=num_labels, seed=seed, scores=scores)
    storage.write_atomically(progress / f"point-{key}.json", point.model_dump_json().encode())
    shutil.rmtree(checkpoint)
    return point


def key_of(catalogue: Catalogue, *, params: Params) -> str:
    """Names a point: it changes with all that the point follows from, the code included."""
    settings = [params.train.model_dump(mode="json"), params.evaluate.model_dump(mode="json")]
    described = json.dumps([code_revision(), catalogue.digest, *settings], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _known_points(out: Path, *, progress: Path) -> dict[str, Point]:
    """What was measured before, by key."""
    curve = read_record(out / CURVE_NAME, LearningCurve)
    found = [read_record(file, Point) for file in sorted(progress.glob("point-*.json"))]
    points = [*(curve.points if curve is not None else ()), *(point for point in found if point is not None)]
    return {point.key: point for point in points}


def _asked(catalogue: Catalogue, subject: Subject, *, params: Params) -> Iterator[Listing]:
    """The listings of the test split of which a trusted label tells a facet."""
    for listing in catalogue.listings(split=Split.TEST):
        is_trusted = listing.label is not None and listing.label.source in params.evaluate.label_sources
        if is_trusted and subject.values(listing):
            yield listing


def _commonest(catalogue: Catalogue, subject: Subject, *, params: Params) -> dict[str, float]:
    counts: dict[str, Counter[str]] = {facet: Counter() for facet in subject.facets}
    for listing in _asked(catalogue, subject, params=params):
        for facet, value in subject.values(listing).items():
            counts[facet][value] += 1
    for facet, values in counts.items():
        if not values:
            raise CatalogueError(
                f"catalogue {catalogue.location} has no listing in split 'test' whose label is "
                f"{' or '.join(params.evaluate.label_sources)} and tells '{facet}': label some, or split it again"
            )
    return {facet: values.most_common(1)[0][1] / values.total() for facet, values in counts.items()}


def _ask(checkpoint: Path, catalogue: Catalogue, subject: Subject, *, params: Params) -> list[Case]:
    from facetry.decoding import Engine

    engine = Engine.load(checkpoint)
    listings = _asked(catalogue, subject, params=params)
    cases: list[Case] = []
    while batch := list(islice(listings, params.evaluate.batch_size)):
        cases += [Case.of(listing, answer) for listing, answer in zip(batch, engine.answer(batch), strict=True)]
    return cases


def _scores(cases: Sequence[Case], subject: Subject, *, taxonomy: Taxonomy) -> dict[str, FacetScore]:
    scores = score(cases, taxonomy=taxonomy)
    found = {
        each.name: FacetScore(num_listings=each.num_listings, accuracy=each.accuracy, macro_f1=each.macro_f1)
        for each in scores.attributes
    }
    found[CATEGORY] = FacetScore(num_listings=scores.num_listings, accuracy=scores.accuracy, macro_f1=scores.macro.f1)
    return {facet: found[facet] for facet in subject.facets}

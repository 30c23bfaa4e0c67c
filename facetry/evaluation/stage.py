"""The stage `evaluate`: ask, score, compare with the baselines, and write the report."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.config import EvaluateParams
from facetry.decoding.checkpoint import Checkpoint
from facetry.errors import CatalogueError
from facetry.evaluation.baselines import Baselines, score_baselines, see
from facetry.evaluation.case import Case
from facetry.evaluation.interval import Interval
from facetry.evaluation.metrics import Scores, score
from facetry.evaluation.record import as_json, as_json_lines
from facetry.evaluation.report import Origin, choose_mistakes, choose_right_answers, render_report
from facetry.listing import Listing, Split
from facetry.progress import ProgressLine

REPORT_NAME = "report.json"
PAGE_NAME = "report.html"
ANSWERS_NAME = "answers.jsonl"


@dataclass(frozen=True, slots=True)
class EvaluateSummary:
    """The headline, and every single number worth tracking by name. Baselines are None without a train split."""

    num_listings: int
    num_right: int
    num_unanswered: int
    accuracy: float
    interval: Interval
    majority_accuracy: float | None
    neighbours_accuracy: float | None
    metrics: Mapping[str, float]

    def one_line(self) -> str:
        baselines = (
            f"; majority class {self.majority_accuracy:.3f}, nearest neighbours {self.neighbours_accuracy:.3f}"
            if self.majority_accuracy is not None
            else "; no train split, so no baselines"
        )
        unanswered = f", {self.num_unanswered} not answered" if self.num_unanswered else ""
        return (
            f"{self.num_right} of {self.num_listings} right{unanswered}: accuracy {self.accuracy:.3f} "
            f"(95% interval {self.interval.low:.3f} to {self.interval.high:.3f}){baselines}"
        )

    def as_metrics(self) -> dict[str, float]:
        return dict(self.metrics)


def evaluate(
    checkpoint: Path, *, catalogue: Catalogue, split: Split, params: EvaluateParams, out: Path
) -> EvaluateSummary:
    """Ask the checkpoint about every listing of the split whose label can be trusted, and write to `out` how it did.

    A `CatalogueError` when there is none: labels of other sources than `params.label_sources` are no truth.
    """
    started = time.monotonic()
    origin = _origin(checkpoint, catalogue=catalogue, split=split)
    storage.refuse_foreign_folder(out, commit=REPORT_NAME)
    trusted = _trusted(catalogue, split=split, params=params)
    asked = see(_shown(listing, params=params) for listing in trusted)
    if not asked:
        raise CatalogueError(
            f"catalogue {catalogue.location} has no listing in split '{split}' with a label that is "
            f"{' or '.join(params.label_sources)}: run `facetry split`, or widen evaluate.label_sources"
        )
    train = see(catalogue.listings(split=Split.TRAIN))
    baselines = score_baselines(asked, train=train, num_neighbours=params.num_neighbours)
    cases = _answer_all(checkpoint, _trusted(catalogue, split=split, params=params), params=params, total=len(asked))
    scores = score(cases, taxonomy=catalogue.taxonomy)
    summary = _summarise(scores, baselines=baselines)
    with storage.new_folder(out, commit=REPORT_NAME) as folder:
        page = _render(cases, scores=scores, baselines=baselines, origin=origin, catalogue=catalogue, params=params)
        storage.write_atomically(folder / PAGE_NAME, page.encode())
        storage.write_atomically(folder / ANSWERS_NAME, as_json_lines(cases))
        report = as_json(
            metrics=summary.metrics,
            scores=scores,
            baselines=baselines,
            origin=origin,
            params=params,
            seconds=time.monotonic() - started,
        )
        storage.write_atomically(folder / REPORT_NAME, report)
    return summary


def _origin(checkpoint: Path, *, catalogue: Catalogue, split: Split) -> Origin:
    card = Checkpoint.open(checkpoint).card
    return Origin(
        checkpoint=checkpoint.name,
        checkpoint_digest=_digest(checkpoint),
        base_model=Path(card.base_model).name,
        catalogue=catalogue.location,
        catalogue_digest=catalogue.digest,
        split=split,
    )


def _trusted(catalogue: Catalogue, *, split: Split, params: EvaluateParams) -> Iterator[Listing]:
    """The listings of the split whose labels can be held against answers, if anything is shown of them."""
    for listing in catalogue.listings(split=split):
        is_trusted = listing.label is not None and listing.label.source in params.label_sources
        if is_trusted and (not params.hide or _shown(listing, params=params).says_something):
            yield listing


def _shown(listing: Listing, *, params: EvaluateParams) -> Listing:
    for name in params.hide:
        listing = listing.without(name)
    return listing


def _answer_all(checkpoint: Path, listings: Iterator[Listing], *, params: EvaluateParams, total: int) -> list[Case]:
    from facetry.decoding import Engine

    engine = Engine.load(checkpoint)
    cases: list[Case] = []
    with ProgressLine("answered", total=total) as progress:
        while batch := list(islice(listings, params.batch_size)):
            shown = [_shown(listing, params=params) for listing in batch]
            answered = zip(batch, engine.answer(shown), shown, strict=True)
            cases.extend(Case.of(listing, answer, shown=seen) for listing, answer, seen in answered)
            progress.advance_to(len(cases))
    return cases


def _render(
    cases: list[Case],
    *,
    scores: Scores,
    baselines: Baselines | None,
    origin: Origin,
    catalogue: Catalogue,
    params: EvaluateParams,
) -> str:
    mistakes = choose_mistakes(cases, limit=params.num_mistakes_shown)
    right_answers = choose_right_answers(cases, limit=params.num_mistakes_shown)
    shown = {case.id for case in (*mistakes, *right_answers)}
    return render_report(
        cases,
        scores=scores,
        baselines=baselines,
        origin=origin,
        mistakes=mistakes,
        right_answers=right_answers,
        listings={listing.id: listing for listing in catalogue.listings(split=origin.split) if listing.id in shown},
    )


def _summarise(scores: Scores, *, baselines: Baselines | None) -> EvaluateSummary:
    return EvaluateSummary(
        num_listings=scores.num_listings,
        num_right=scores.num_right,
        num_unanswered=scores.num_unanswered,
        accuracy=scores.accuracy,
        interval=scores.interval,
        majority_accuracy=baselines.majority_accuracy if baselines else None,
        neighbours_accuracy=baselines.neighbours_accuracy if baselines else None,
        metrics=dict(_single_numbers(scores, baselines=baselines)),
    )


def _single_numbers(scores: Scores, *, baselines: Baselines | None) -> Iterator[tuple[str, float]]:
    yield "accuracy", scores.accuracy
    yield "accuracy_low", scores.interval.low
    yield "accuracy_high", scores.interval.high
    for level, share in enumerate(scores.levels, start=1):
        yield f"accuracy_level_{level}", share.accuracy
    for kind, average in (("macro", scores.macro), ("weighted", scores.weighted)):
        yield f"{kind}_precision", average.precision
        yield f"{kind}_recall", average.recall
        yield f"{kind}_f1", average.f1
    if scores.calibration is not None:
        yield "mean_probability", scores.calibration.mean_probability
        yield "calibration_error", scores.calibration.error
    if baselines is not None:
        yield "majority_accuracy", baselines.majority_accuracy
        yield "neighbours_accuracy", baselines.neighbours_accuracy
    yield "num_listings", float(scores.num_listings)
    yield "num_unanswered", float(scores.num_unanswered)


def _digest(checkpoint: Path) -> str:
    """Names the checkpoint's content: its weights, its taxonomy and its card."""
    digest = hashlib.sha256()
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(checkpoint).as_posix()} {content}\n".encode())
    return digest.hexdigest()

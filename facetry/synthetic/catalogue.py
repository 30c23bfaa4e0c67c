"""The drawn catalogue: listings, pictures, labels and the truth about all of them."""

import csv
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from facetry import storage
from facetry.config import DrawParams
from facetry.progress import ProgressLine
from facetry.synthetic.drawing import DrawnListing, draw_chunk
from facetry.synthetic.plan import Plan, make_plan
from facetry.taxonomy import Taxonomy, load_yaml, read_taxonomy

COMMIT_NAME = "drawn.json"
LISTINGS_NAME = "listings.csv"
TRUTH_NAME = "truth.jsonl"
TAXONOMY_NAME = "taxonomy.yaml"
BASE_MODEL_NAME = "base-model"
CLIP_MODEL_NAME = "clip-model"
LISTINGS_PER_CHUNK = 50


@dataclass(frozen=True, slots=True)
class DrawSummary:
    """What was drawn, and what is wrong with it on purpose."""

    num_listings: int
    num_brands: int
    num_images: int
    num_wrong_labels: int
    num_misleading_titles: int
    num_blurred: int
    num_tiny: int
    num_corrupt: int
    num_duplicates: int

    def one_line(self) -> str:
        return (
            f"drew {self.num_listings} listings of {self.num_brands} brands with {self.num_images} images "
            f"({self.num_blurred} blurred, {self.num_tiny} tiny, {self.num_corrupt} corrupt, "
            f"{self.num_duplicates} duplicates) and {self.num_wrong_labels} wrong labels"
        )


def draw(out: Path, *, params: DrawParams) -> DrawSummary:
    """Draw a catalogue and untrained models that can read it into `out`: the same bytes for the same parameters."""
    from facetry.synthetic.clip_model import write_clip_model
    from facetry.synthetic.models import write_base_model

    with storage.new_folder(out, commit=COMMIT_NAME) as folder:
        summary = draw_listings(folder, params=params)
        taxonomy = read_taxonomy(folder / TAXONOMY_NAME)
        for write, name in ((write_base_model, BASE_MODEL_NAME), (write_clip_model, CLIP_MODEL_NAME)):
            write(folder / name, texts=_texts(folder / LISTINGS_NAME), taxonomy=taxonomy, seed=params.seed)
        commit = {"params": params.model_dump(mode="json", exclude={"num_workers"}), "counts": asdict(summary)}
        storage.write_atomically(folder / COMMIT_NAME, (json.dumps(commit, indent=2) + "\n").encode())
    return summary


def draw_listings(folder: Path, *, params: DrawParams) -> DrawSummary:
    """Draw listings, images, taxonomy and truth into an existing `folder`, without a model or a commit marker."""
    with as_file(files("facetry.synthetic") / TAXONOMY_NAME) as source:
        shutil.copyfile(source, folder / TAXONOMY_NAME)
    plan = make_plan(params)
    counts: Counter[str] = Counter()
    with (
        (folder / LISTINGS_NAME).open("w", encoding="utf-8", newline="") as listings_file,
        (folder / TRUTH_NAME).open("w", encoding="utf-8") as truth_file,
    ):
        table = csv.DictWriter(listings_file, fieldnames=DrawnListing.COLUMNS)
        table.writeheader()
        for listing in _drawn(folder, plan, params=params):
            table.writerow(listing.row)
            truth_file.write(json.dumps(listing.truth) + "\n")
            counts.update(listing.counts)
    return DrawSummary(
        num_listings=len(plan),
        num_brands=len(plan.brands),
        num_images=counts["images"],
        num_wrong_labels=counts["wrong_labels"],
        num_misleading_titles=counts["misleading_titles"],
        num_blurred=counts["blurred"],
        num_tiny=counts["tiny"],
        num_corrupt=counts["corrupt"],
        num_duplicates=counts["duplicates"],
    )


def drawn_taxonomy() -> Taxonomy:
    """The taxonomy that drawn listings are labelled with."""
    text = (files("facetry.synthetic") / TAXONOMY_NAME).read_text(encoding="utf-8")
    return load_yaml(text, origin=TAXONOMY_NAME)


def _drawn(folder: Path, plan: Plan, *, params: DrawParams) -> Iterator[DrawnListing]:
    """Every listing in order, drawn by as many processes as asked for (all cores when unsaid)."""
    starts = range(0, len(plan), LISTINGS_PER_CHUNK)
    chunks = (list(plan.listings(start, start + LISTINGS_PER_CHUNK)) for start in starts)
    job = partial(draw_chunk, folder=folder, params=params, taxonomy=drawn_taxonomy())
    num_workers = min(params.num_workers or os.cpu_count() or 1, len(starts))
    with ExitStack() as stack:
        progress = stack.enter_context(ProgressLine("drawing listings", total=len(plan)))
        if num_workers == 1:
            drawn: Iterator[list[DrawnListing]] = map(job, chunks)
        else:
            drawn = stack.enter_context(ProcessPoolExecutor(num_workers)).map(job, chunks)
        for chunk in drawn:
            yield from chunk
            progress.advance(len(chunk))


def _texts(listings: Path) -> Iterator[str]:
    """Every text of the listings at `listings`."""
    with listings.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield from (row[name] for name in ("title", "description", "brand", "brand_description") if row[name])

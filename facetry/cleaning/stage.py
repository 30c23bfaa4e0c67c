"""The stage `clean`: every image is looked at, and the catalogue is written again with what was found."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.cleaning.decoder_settings import decoders_set
from facetry.cleaning.examination import examine_shards
from facetry.cleaning.examples import Examples, choose_examples
from facetry.cleaning.findings import read_findings
from facetry.cleaning.findings_folder import recall
from facetry.cleaning.report import THUMBNAIL_SIDE_PIXELS, render_report
from facetry.cleaning.verdicts import Verdicts, judge
from facetry.config import CleanParams
from facetry.errors import CatalogueError
from facetry.listing import Listing
from facetry.reporting import inline_image

REPORT_FOLDER = "report"


@dataclass(frozen=True, slots=True)
class CleanSummary:
    """Images kept, and rejected by reason; duplicates with another category; listings with nothing left to learn."""

    num_images: int
    rejected: Mapping[str, int]
    num_conflicts: int
    num_listings: int
    num_listings_emptied: int

    @property
    def num_kept(self) -> int:
        return self.num_images - sum(self.rejected.values())

    def one_line(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items())
        conflicts = f"; {self.num_conflicts} duplicates disagree about the category" if self.num_conflicts else ""
        emptied = f"; {self.num_listings_emptied} listings have nothing left" if self.num_listings_emptied else ""
        kept = f"kept {self.num_kept} of {self.num_images} images"
        return f"{kept}{f' ({reasons})' if reasons else ''}{conflicts}{emptied}"


def clean(
    catalogue: Catalogue, *, params: CleanParams, out: str | Path, findings: Sequence[str | Path] = ()
) -> CleanSummary:
    """Write the catalogue to `out` with the reason on each image that is not fit to learn from, and a report.

    `findings` are folders that `examine` wrote for all parts of it; without them every image is looked at, and a killed
    run goes on. Nothing is thrown away; a `CatalogueError` when no listing has an image or text left.
    """
    with storage.new_folder(out, commit=MANIFEST_NAME) as folder:
        progress = storage.progress_folder(out)
        if findings:
            found = recall(catalogue, params=params, folders=findings)
        else:
            found = read_findings(examine_shards(catalogue, params=params, progress=progress), params=params)
        verdicts = judge(found, radius=params.duplicate_radius)
        examples = choose_examples(verdicts)
        with decoders_set(max_pixels=params.max_megapixels * 1e6):
            written = _write_catalogue(catalogue, verdicts=verdicts, examples=examples, params=params, folder=folder)
        summary = CleanSummary(
            num_images=len(found),
            rejected=verdicts.count_rejected(),
            num_conflicts=len(verdicts.conflicts),
            num_listings=len(catalogue),
            num_listings_emptied=written.num_listings_emptied,
        )
        if summary.num_listings_emptied == summary.num_listings:
            raise CatalogueError(f"no listing has an image or text left, {summary.one_line()}: loosen params.clean")
        report = folder / REPORT_FOLDER
        report.mkdir()
        page = render_report(
            verdicts, examples=examples, thumbnails=written.thumbnails, params=params, title=summary.one_line()
        )
        (report / "report.html").write_text(page, encoding="utf-8")
        (report / "report.json").write_bytes(_as_json(summary, verdicts=verdicts, paths=written.paths, params=params))
    return summary


@dataclass(slots=True)
class _Written:
    """What was picked up on the way: pictures of the examples, and paths of the images in conflict, by index."""

    num_listings_emptied: int = 0
    thumbnails: dict[int, str] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)


def _write_catalogue(
    catalogue: Catalogue, *, verdicts: Verdicts, examples: Examples, params: CleanParams, folder: Path
) -> _Written:
    written = _Written()
    shown = examples.with_survivors(verdicts)
    in_conflict = frozenset([*verdicts.conflicts.tolist(), *verdicts.survivors[verdicts.conflicts].tolist()])
    with CatalogueWriter(
        folder, stage="clean", params=params, taxonomy_yaml=catalogue.taxonomy_yaml, parent=catalogue
    ) as writer:
        for first, listing in _judged(catalogue, verdicts=verdicts):
            writer.add(listing)
            written.num_listings_emptied += not listing.says_something
            for index, image in enumerate(listing.images, start=first):
                if index in shown:
                    written.thumbnails[index] = inline_image(
                        image.data, alt=listing.id, side_pixels=THUMBNAIL_SIDE_PIXELS
                    )
                if index in in_conflict:
                    written.paths[index] = image.path
    return written


def _judged(catalogue: Catalogue, *, verdicts: Verdicts) -> Iterator[tuple[int, Listing]]:
    """Each listing with the verdicts on its images, and the index of the first of them."""
    first = 0
    for listing in catalogue.listings():
        images = tuple(
            dataclasses.replace(image, rejection=verdicts.rejection(index), cluster=verdicts.cluster(index))
            for index, image in enumerate(listing.images, start=first)
        )
        yield first, dataclasses.replace(listing, images=images)
        first += len(images)


def _as_json(summary: CleanSummary, *, verdicts: Verdicts, paths: Mapping[int, str], params: CleanParams) -> bytes:
    findings = verdicts.findings

    def side(index: int) -> Mapping[str, str | None]:
        return {
            "listing": findings.listing_id(index),
            "image": paths[index],
            "category": findings.category(index),
            "label_source": findings.label_source(index),
        }

    content = {
        **dataclasses.asdict(summary),
        "num_kept": summary.num_kept,
        "num_exact_copies": verdicts.num_exact_copies,
        "params": params.model_dump(mode="json"),
        "conflicts": [
            {"survivor": side(int(verdicts.survivors[index])), "duplicate": side(index)}
            for index in verdicts.conflicts.tolist()
        ],
    }
    return (json.dumps(content, indent=2) + "\n").encode()

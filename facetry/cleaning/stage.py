"""The stage `clean`: every image is looked at, and the catalogue is written again with what was found."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.cleaning.findings import Finding, find
from facetry.cleaning.report import THUMBNAIL_SIDE_PIXELS, choose_examples, render_report
from facetry.config import CleanParams
from facetry.errors import CatalogueError
from facetry.listing import Listing
from facetry.reporting import inline_image

REPORT_FOLDER = "report"


@dataclass(frozen=True, slots=True)
class CleanSummary:
    """Images kept and rejected by reason; listings that have neither an image nor text left."""

    num_images: int
    rejected: Mapping[str, int]
    num_listings: int
    num_listings_emptied: int

    @property
    def num_kept(self) -> int:
        return self.num_images - sum(self.rejected.values())

    def one_line(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items())
        emptied = f"; {self.num_listings_emptied} listings have nothing left" if self.num_listings_emptied else ""
        return f"kept {self.num_kept} of {self.num_images} images{f' ({reasons})' if reasons else ''}{emptied}"


def clean(catalogue: Catalogue, *, params: CleanParams, out: str | Path) -> CleanSummary:
    """Write the catalogue to `out` with the reason on each image that is not fit to learn from, and a report.

    Nothing is thrown away; a `CatalogueError` when no listing has an image or text left.
    """
    with storage.new_folder(out, commit=MANIFEST_NAME) as folder:
        findings = find(catalogue, params=params)
        examples = choose_examples(findings)
        thumbnails: dict[int, str] = {}
        num_emptied = 0
        with CatalogueWriter(
            folder, stage="clean", params=params, taxonomy_yaml=catalogue.taxonomy_yaml, parent=catalogue
        ) as writer:
            for first, listing in _with_rejections(catalogue, findings=findings):
                for index, image in enumerate(listing.images, start=first):
                    if index in examples.indices:
                        thumbnails[index] = inline_image(image.data, alt=listing.id, side_pixels=THUMBNAIL_SIDE_PIXELS)
                num_emptied += not listing.says_something
                writer.add(listing)
            summary = _summarise(findings, num_listings=len(catalogue), num_emptied=num_emptied)
            if num_emptied == len(catalogue):
                raise CatalogueError(f"no listing has an image or text left, {summary.one_line()}: loosen params.clean")
        report = folder / REPORT_FOLDER
        report.mkdir()
        page = render_report(
            findings, examples=examples, thumbnails=thumbnails, params=params, title=summary.one_line()
        )
        (report / "report.html").write_text(page, encoding="utf-8")
        (report / "report.json").write_bytes(_as_json(summary, params=params))
    return summary


def _with_rejections(catalogue: Catalogue, *, findings: Sequence[Finding]) -> Iterator[tuple[int, Listing]]:
    """Each listing with the rejections of its images, and the index of the first of its findings."""
    first = 0
    for listing in catalogue.listings():
        found = findings[first : first + len(listing.images)]
        images = tuple(
            dataclasses.replace(image, rejection=_rejection(finding, findings=findings))
            for image, finding in zip(listing.images, found, strict=True)
        )
        yield first, dataclasses.replace(listing, images=images)
        first += len(found)


def _rejection(finding: Finding, *, findings: Sequence[Finding]) -> str | None:
    if finding.duplicate_of is not None:
        return f"duplicate of {findings[finding.duplicate_of].listing_id}"
    return finding.appearance.fault


def _summarise(findings: Sequence[Finding], *, num_listings: int, num_emptied: int) -> CleanSummary:
    rejected = Counter(finding.reason for finding in findings if finding.reason is not None)
    return CleanSummary(
        num_images=len(findings),
        rejected=dict(rejected.most_common()),
        num_listings=num_listings,
        num_listings_emptied=num_emptied,
    )


def _as_json(summary: CleanSummary, *, params: CleanParams) -> bytes:
    content = dataclasses.asdict(summary) | {"num_kept": summary.num_kept, "params": params.model_dump(mode="json")}
    return (json.dumps(content, indent=2) + "\n").encode()

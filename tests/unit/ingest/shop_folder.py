"""A small shop in a real folder, what becomes of it, and what is in a folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from facetry.catalogue import Catalogue
from facetry.config import IngestParams
from facetry.ingest import IngestSummary, ingest

TAXONOMY = """
Kitchen:
  attributes: {lid: [with, without]}
  categories: {Pan: , Pot: }
"""
HEADER = "id,title,images,category,attributes,label_source"

Failures = Sequence[Mapping[str, object]]


def write_shop(folder: Path, lines: Sequence[str], *, header: str = HEADER) -> Path:
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (32, 32), "teal").save(folder / "images" / "a.jpg")
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    (folder / "listings.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def write_table(folder: Path, name: str, content: bytes) -> Path:
    """A shop whose only table has this content."""
    shop = write_shop(folder, [])
    (shop / "listings.csv").unlink()
    (shop / name).write_bytes(content)
    return shop


def take(shop: Path, *, params: IngestParams | None = None) -> tuple[IngestSummary, Catalogue, Failures]:
    """Ingest a shop; the counts must add up, whatever is in it."""
    out = shop.parent / "out"
    summary = ingest(str(shop), params=params or IngestParams(), out=out)
    failures = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    catalogue = Catalogue.open(out)
    num_rows_failed = sum(failure["image"] is None for failure in failures)
    assert (summary.num_kept, summary.num_failed) == (len(catalogue), num_rows_failed)
    assert summary.num_images_failed == len(failures) - num_rows_failed
    assert summary.num_rows == summary.num_kept + summary.num_failed
    return summary, catalogue, failures


def reasons(failures: Failures) -> dict[object, str]:
    return {failure["line"]: str(failure["reason"]) for failure in failures}


def ids(catalogue: Catalogue) -> list[str]:
    return [listing.id for listing in catalogue.listings()]


def content(folder: Path) -> dict[str, str]:
    """The digest of every file in a folder, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}

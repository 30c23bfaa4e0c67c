"""A drawn shop says what it spoilt; cleaning must find that and nothing else."""

import json
from pathlib import Path

from facetry.catalogue import Catalogue
from facetry.cleaning import clean
from facetry.config import CleanParams, DrawParams, IngestParams
from facetry.ingest import ingest
from facetry.synthetic import draw_listings

DEFECT_OF = {"corrupt": "corrupt", "small": "tiny", "blurred": "blurred"}


def test_what_was_spoilt_is_found_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    params = DrawParams(
        num_listings=80,
        num_brands=8,
        blurred_share=0.1,
        tiny_share=0.1,
        corrupt_share=0.1,
        duplicate_share=0.15,
        num_workers=1,
    )
    draw_listings(tmp_path / "drawn", params=params)
    summary = ingest(str(tmp_path / "drawn"), params=IngestParams(), out=tmp_path / "catalogue")
    assert summary.num_kept == summary.num_rows == 80
    clean(Catalogue.open(tmp_path / "catalogue"), params=CleanParams(), out=tmp_path / "clean")

    records = [json.loads(line) for line in (tmp_path / "drawn/truth.jsonl").read_text().splitlines()]
    truth = {image["path"]: image for record in records for image in record["images"]}
    images = [image for listing in Catalogue.open(tmp_path / "clean").listings() for image in listing.images]
    assert {image.path for image in images} == set(truth)
    for image in images:
        defect = DEFECT_OF.get(image.rejection or "")
        assert truth[image.path]["defect"] == defect, image.path

    sound = {image.path: image for image in images if truth[image.path]["defect"] is None}
    groups: dict[str, list[bool]] = {}
    for path, image in sound.items():
        original = truth[path]["duplicate_of"] or path
        groups.setdefault(original, []).append(image.rejection is None)
    assert all(kept.count(True) == 1 for kept in groups.values()), "one copy of each survives"
    assert any(len(kept) > 1 for kept in groups.values())

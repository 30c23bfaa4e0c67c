"""Real encoded images, looked at and judged one by one."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.cleaning import CleanSummary, clean
from facetry.config import CleanParams, IngestParams
from facetry.errors import CatalogueError
from facetry.listing import Label, LabelSource, Listing, ListingImage

TAXONOMY = "Pan:\nPot:\n"


def picture(seed: int, *, side: int = 320) -> Image.Image:
    """A patchwork that looks like no other seed's."""
    patches = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((side, side), Image.Resampling.NEAREST)


def encode(image: Image.Image, *, kind: str = "JPEG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, format=kind, **options)
    return data.getvalue()


def shop(folder: Path, images: Mapping[str, bytes], *, human: str | None = None) -> Catalogue:
    """A catalogue with one listing, titled by its id, for each image."""
    folder.mkdir()
    with CatalogueWriter(folder, stage="ingest", params=IngestParams(), taxonomy_yaml=TAXONOMY, parent=None) as writer:
        for name, data in images.items():
            label = Label("Pan", source=LabelSource.HUMAN if name == human else LabelSource.UNAUDITED)
            writer.add(Listing(id=name, title=name, images=(ListingImage(data, f"{name}.jpg"),), label=label))
    return Catalogue.open(folder)


def rejections(
    tmp_path: Path, images: Mapping[str, bytes], *, params: CleanParams | None = None, human: str | None = None
) -> tuple[dict[str, str | None], CleanSummary]:
    catalogue = shop(tmp_path / "in", images, human=human)
    summary = clean(catalogue, params=params or CleanParams(), out=tmp_path / "out")
    cleaned = Catalogue.open(tmp_path / "out")
    assert cleaned.manifest.parent == catalogue.digest
    return {listing.id: listing.images[0].rejection for listing in cleaned.listings()}, summary


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_one_truncated_image_is_rejected_alone(tmp_path: Path, kind: str) -> None:
    whole = encode(picture(1), kind=kind)
    found, summary = rejections(tmp_path, {"whole": whole, "short": whole[: len(whole) * 9 // 10]})
    assert found == {"whole": None, "short": "corrupt"}
    assert summary.one_line() == "kept 1 of 2 images (1 corrupt)"


def test_a_jpeg_that_lacks_its_last_bytes_is_corrupt(tmp_path: Path) -> None:
    found, _ = rejections(tmp_path, {"short": encode(picture(1))[:-40], "text": b"<html>", "empty": b""})
    assert set(found.values()) == {"corrupt"}


def test_small_and_blurred_images_are_told_apart(tmp_path: Path) -> None:
    images = {
        "sharp": encode(picture(1)),
        "blurred": encode(picture(2).filter(ImageFilter.GaussianBlur(8))),
        "small": encode(picture(3, side=96)),
        "thin": encode(picture(4).resize((640, 2))),
    }
    found, _ = rejections(tmp_path, images)
    assert found == {"sharp": None, "blurred": "blurred", "small": "small", "thin": "small"}


def test_an_image_with_too_many_pixels_is_turned_away_before_it_is_decoded(tmp_path: Path) -> None:
    header_only = encode(Image.new("1", (9_000, 9_000)), kind="PNG")[:200]
    found, _ = rejections(tmp_path, {"huge": header_only, "fine": encode(picture(1))})
    assert found == {"huge": "large", "fine": None}


def test_copies_are_rejected_and_name_the_survivor(tmp_path: Path) -> None:
    original = encode(picture(1), quality=95)
    images = {"first": original, "same": original, "again": encode(picture(1), quality=60), "other": encode(picture(2))}
    found, summary = rejections(tmp_path, images)
    assert found == {"first": None, "same": "duplicate of first", "again": "duplicate of first", "other": None}
    assert summary.rejected == {"duplicate": 2}


def test_the_better_label_survives_before_the_larger_image(tmp_path: Path) -> None:
    images = {"large": encode(picture(1, side=640)), "human": encode(picture(1)), "small": encode(picture(1, side=304))}
    found, _ = rejections(tmp_path, images, human="human")
    assert found == {"large": "duplicate of human", "human": None, "small": "duplicate of human"}


def test_of_equal_labels_the_larger_image_survives(tmp_path: Path) -> None:
    found, _ = rejections(tmp_path, {"small": encode(picture(1)), "large": encode(picture(1, side=640))})
    assert found == {"small": "duplicate of large", "large": None}


def test_a_rejected_image_is_no_ones_survivor(tmp_path: Path) -> None:
    images = {"blurred": encode(picture(1).filter(ImageFilter.GaussianBlur(8))), "sharp": encode(picture(1))}
    found, _ = rejections(tmp_path, images, human="blurred")
    assert found == {"blurred": "blurred", "sharp": None}


def test_transparency_is_seen_on_white(tmp_path: Path) -> None:
    clear = picture(1).convert("RGBA")
    clear.putalpha(0)
    found, _ = rejections(tmp_path, {"clear": encode(clear, kind="PNG"), "seen": encode(picture(1))})
    assert found == {"clear": "blurred", "seen": None}


def test_nothing_is_thrown_away_and_the_report_counts_it_all(tmp_path: Path) -> None:
    images = {"a": encode(picture(1)), "b": encode(picture(1)), "c": encode(picture(2, side=64)), "d": b"no picture"}
    _, summary = rejections(tmp_path, images)

    cleaned = {listing.id: listing.images[0].data for listing in Catalogue.open(tmp_path / "out").listings()}
    assert cleaned == images
    report = json.loads((tmp_path / "out/report/report.json").read_text())
    assert (report["num_images"], report["num_kept"]) == (4, 1)
    assert report["rejected"] == {"duplicate": 1, "small": 1, "corrupt": 1} == summary.rejected
    page = (tmp_path / "out/report/report.html").read_text()
    assert "Kept 1 of 4 images" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_catalogue_with_nothing_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with CatalogueWriter(
        tmp_path / "in", stage="ingest", params=IngestParams(), taxonomy_yaml=TAXONOMY, parent=None
    ) as writer:
        writer.add(Listing(id="1", images=(ListingImage(b"no picture", "a.jpg"),)))
    with pytest.raises(CatalogueError, match="no listing has an image or text left"):
        clean(Catalogue.open(tmp_path / "in"), params=CleanParams(), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()

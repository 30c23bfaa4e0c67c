"""Real encoded images, looked at and judged one by one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from facetry.catalogue import Catalogue
from facetry.cleaning import CleanSummary, clean
from facetry.config import CleanParams
from facetry.errors import CatalogueError
from facetry.listing import LabelSource, Listing, ListingImage
from tests.unit.cleaning.shops import catalogue, encode, listing, picture


def rejections(
    tmp_path: Path, images: Mapping[str, bytes], *, human: str | None = None
) -> tuple[dict[str, str | None], CleanSummary]:
    """Why each image is rejected, in a shop with one listing for each."""
    sources = {name: LabelSource.HUMAN if name == human else LabelSource.UNAUDITED for name in images}
    listings = [listing(name, data, source=sources[name]) for name, data in images.items()]
    cleaned, summary = cleaned_shop(tmp_path, listings)
    return {one.id: one.images[0].rejection for one in cleaned}, summary


def cleaned_shop(tmp_path: Path, listings: list[Listing]) -> tuple[list[Listing], CleanSummary]:
    before = catalogue(tmp_path / "in", listings)
    summary = clean(before, params=CleanParams(), out=tmp_path / "out")
    cleaned = Catalogue.open(tmp_path / "out")
    assert cleaned.manifest.parent == before.digest
    return list(cleaned.listings()), summary


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_one_truncated_image_is_rejected_alone(tmp_path: Path, kind: str) -> None:
    whole = encode(picture(1), kind=kind)
    found, summary = rejections(tmp_path, {"whole": whole, "short": whole[: len(whole) * 9 // 10]})
    assert found == {"whole": None, "short": "corrupt"}
    assert summary.one_line() == "kept 1 of 2 images (1 corrupt)"


def test_a_jpeg_that_lacks_its_last_bytes_is_corrupt(tmp_path: Path) -> None:
    found, _ = rejections(tmp_path, {"short": encode(picture(1))[:-40], "text": b"<html>", "empty": b""})
    assert set(found.values()) == {"corrupt"}


def test_each_fault_is_told_apart(tmp_path: Path) -> None:
    images = {
        "sharp": encode(picture(1)),
        "blurred": encode(picture(2).filter(ImageFilter.GaussianBlur(8))),
        "small": encode(picture(3, side=96)),
        "thin": encode(picture(4).resize((640, 2))),
        "white": encode(Image.new("RGB", (400, 400), "white")),
        "huge": encode(Image.new("1", (9_000, 9_000)), kind="PNG")[:200],
    }
    found, summary = rejections(tmp_path, images)
    rejected = {"blurred": "blurred", "small": "small", "thin": "small", "white": "blank", "huge": "large"}
    assert found == {"sharp": None, **rejected}
    assert summary.rejected == {"small": 2, "blank": 1, "blurred": 1, "large": 1}


def test_of_several_faults_the_first_is_the_reason(tmp_path: Path) -> None:
    white = Image.new("RGB", (96, 96), "white")
    images = {
        "large, for its data lack": encode(Image.new("1", (9_000, 9_000)), kind="PNG")[:200],
        "corrupt and small": encode(white)[:-40],
        "small and blank": encode(white),
        "blank and blurred": encode(white.resize((400, 400))),
    }
    found, _ = rejections(tmp_path, images)
    assert list(found.values()) == ["large", "corrupt", "small", "blank"]


def test_copies_are_rejected_and_name_the_survivor(tmp_path: Path) -> None:
    original = encode(picture(1), quality=95)
    images = {"first": original, "same": original, "again": encode(picture(1), quality=60), "other": encode(picture(2))}
    found, summary = rejections(tmp_path, images)
    assert found == {"first": None, "same": "duplicate of first", "again": "duplicate of first", "other": None}
    assert summary.rejected == {"duplicate": 2}
    assert json.loads((tmp_path / "out/report/report.json").read_text())["num_exact_copies"] == 1


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


def test_a_picture_that_a_listing_repeats_is_a_duplicate_of_that_listing(tmp_path: Path) -> None:
    (cleaned,), _ = cleaned_shop(tmp_path, [listing("a", encode(picture(1)), encode(picture(1), quality=60))])
    assert [image.rejection for image in cleaned.images] == [None, "duplicate of a"]


def test_a_copy_that_is_added_later_leaves_the_listing_that_it_repeats_as_it_was(tmp_path: Path) -> None:
    old = [listing("a", encode(picture(1))), listing("b", encode(picture(2)))]
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    before, _ = cleaned_shop(tmp_path / "before", old)
    after, _ = cleaned_shop(tmp_path / "after", [*old, listing("c", encode(picture(1), quality=70))])
    assert after[:2] == before
    assert [image.cluster for image in after[2].images] == ["a#0"]


def test_images_that_are_alike_share_the_name_of_the_best(tmp_path: Path) -> None:
    listings = [
        listing("a", encode(picture(1)), encode(picture(2), quality=90)),
        listing("b", encode(picture(2)), encode(picture(3, side=90))),
        listing("c", encode(picture(2), quality=70), encode(picture(3, side=90)), source=LabelSource.HUMAN),
    ]
    cleaned, _ = cleaned_shop(tmp_path, listings)
    clusters = {one.id: [image.cluster for image in one.images] for one in cleaned}
    assert clusters == {"a": [None, "c#0"], "b": ["c#0", None], "c": [None, None]}


def test_duplicates_with_another_category_are_counted_listed_and_shown(tmp_path: Path) -> None:
    listings = [
        listing("pan", encode(picture(1)), category="Pan", source=LabelSource.HUMAN),
        listing("pot", encode(picture(1), quality=60), category="Pot"),
        listing("also", encode(picture(1), quality=70), category="Pan"),
        listing("unknown", encode(picture(1), quality=80), category=None),
    ]
    _, summary = cleaned_shop(tmp_path, listings)
    assert summary.one_line() == "kept 1 of 4 images (3 duplicate); 1 duplicates disagree about the category"
    assert json.loads((tmp_path / "out/report/report.json").read_text())["conflicts"] == [
        {
            "survivor": {"listing": "pan", "image": "pan-0.jpg", "category": "Pan", "label_source": "human"},
            "duplicate": {"listing": "pot", "image": "pot-0.jpg", "category": "Pot", "label_source": "unaudited"},
        }
    ]
    assert "Pot (unaudited)" in (tmp_path / "out/report/report.html").read_text()


def test_nothing_is_thrown_away_and_the_report_counts_it_all(tmp_path: Path) -> None:
    images = {"a": encode(picture(1)), "b": encode(picture(1)), "c": encode(picture(2, side=64)), "d": b"no picture"}
    _, summary = rejections(tmp_path, images)

    cleaned = {one.id: one.images[0].data for one in Catalogue.open(tmp_path / "out").listings()}
    assert cleaned == images
    report = json.loads((tmp_path / "out/report/report.json").read_text())
    assert (report["num_images"], report["num_kept"]) == (4, 1)
    assert report["rejected"] == {"corrupt": 1, "duplicate": 1, "small": 1} == summary.rejected
    assert report["params"] == CleanParams().model_dump(mode="json")
    page = (tmp_path / "out/report/report.html").read_text()
    assert "Kept 1 of 4 images" in page
    assert "http" not in page.replace("http-equiv", "")


def test_listings_without_images_pass_through(tmp_path: Path) -> None:
    before = [listing("words", category=None), listing("more words")]
    cleaned, summary = cleaned_shop(tmp_path, before)
    assert cleaned == before
    assert summary.one_line() == "kept 0 of 0 images"


def test_a_catalogue_with_nothing_left_is_refused(tmp_path: Path) -> None:
    before = catalogue(tmp_path / "in", [Listing(id="1", images=(ListingImage(b"no picture", "a.jpg"),))])
    with pytest.raises(CatalogueError, match="no listing has an image or text left"):
        clean(before, params=CleanParams(), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()

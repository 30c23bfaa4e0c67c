"""The drawn catalogue keeps what its parameters promise, and its truth file tells what is on disk."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facetry.config import DrawParams
from facetry.synthetic import contact_sheet, draw_listings
from facetry.synthetic.catalogue import drawn_taxonomy
from facetry.synthetic.plan import make_plan
from facetry.synthetic.rendering import SHAPES
from facetry.synthetic.words import SYNONYMS

PARAMS = DrawParams(
    num_listings=260, num_brands=15, blurred_share=0.06, tiny_share=0.06, corrupt_share=0.06, duplicate_share=0.1
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_listings(folder, params=PARAMS)
    return folder


def _truths(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "listings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _images(folder: Path) -> list[Mapping[str, str | None]]:
    return [image for truth in _truths(folder) for image in truth["images"]]


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _difference_hash(data: bytes) -> list[bool]:
    grey = Image.open(io.BytesIO(data)).convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    rows = [grey.tobytes()[start : start + 9] for start in range(0, 72, 9)]
    return [left < right for row in rows for left, right in pairwise(row)]


def _sharpness(data: bytes) -> float:
    import cv2
    import numpy as np

    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    small = cv2.resize(grey, (320, 320), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def test_any_number_of_workers_draws_the_same_bytes(tmp_path: Path) -> None:
    params = DrawParams(num_listings=120, num_brands=6)
    for num_workers in (1, 3):
        folder = tmp_path / str(num_workers)
        folder.mkdir()
        draw_listings(folder, params=params.model_copy(update={"num_workers": num_workers}))
    assert _digests(tmp_path / "1") == _digests(tmp_path / "3")


def test_another_seed_draws_another_shop(tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        draw_listings(tmp_path / str(seed), params=DrawParams(num_listings=5, num_brands=2, seed=seed))
    first, second = _digests(tmp_path / "1"), _digests(tmp_path / "2")
    shared = {name for name in first.keys() & second.keys() if first[name] == second[name]}
    assert shared == {"taxonomy.yaml"}


def test_the_truth_names_every_file_and_no_other(drawn: Path) -> None:
    on_disk = {str(path.relative_to(drawn)) for path in (drawn / "images").rglob("*.jpg")}
    in_truth = [str(image["path"]) for image in _images(drawn)]
    in_table = [path for row in _rows(drawn) for path in row["images"].split(";") if path]
    assert len(in_truth) == len(on_disk)
    assert set(in_truth) == on_disk
    assert in_table == in_truth


def test_shares_are_what_was_asked_for(drawn: Path) -> None:
    rows, truths, images = _rows(drawn), _truths(drawn), _images(drawn)
    wrong = [row["id"] for row, truth in zip(rows, truths, strict=True) if row["category"] != truth["category"]]
    defects = Counter(image["defect"] for image in images)
    assert wrong == [truth["id"] for truth in truths if truth["label_is_wrong"]]
    assert len(wrong) == round(PARAMS.wrong_label_share * len(rows))
    assert (
        abs(sum(bool(truth["title_misleads"]) for truth in truths) / len(rows) - PARAMS.misleading_title_share) < 0.02
    )
    assert [defects[kind] for kind in ("blurred", "tiny", "corrupt")] == [round(0.06 * len(images))] * 3
    assert abs(sum(image["duplicate_of"] is not None for image in images) / len(rows) - PARAMS.duplicate_share) < 0.02
    assert 1.2 < len(images) / len(rows) < 1.6


def test_a_wrong_label_is_never_called_audited(drawn: Path) -> None:
    sources = {truth["id"]: truth["label_is_wrong"] for truth in _truths(drawn)}
    audited = [row["id"] for row in _rows(drawn) if row["label_source"] == "audited"]
    assert 0.1 < len(audited) / len(sources) < 0.6
    assert not any(sources[name] for name in audited)


def test_every_label_and_every_truth_is_of_the_taxonomy(drawn: Path) -> None:
    leaves = {leaf.path: {each.name: each.values for each in leaf.attributes} for leaf in drawn_taxonomy().leaves}
    said = [(row["category"], json.loads(row["attributes"])) for row in _rows(drawn)]
    true = [(truth["category"], truth["attributes"]) for truth in _truths(drawn)]
    for category, attributes in [*said, *true]:
        assert all(value in leaves[category][name] for name, value in attributes.items())


def test_every_category_has_a_shape_and_other_words_for_it() -> None:
    names = {leaf.name for leaf in drawn_taxonomy().leaves}
    assert names == set(SHAPES) == set(SYNONYMS)
    assert all(leaf.path.count(" > ") == 2 for leaf in drawn_taxonomy().leaves)


def test_only_blurred_images_are_less_sharp_than_the_limit(drawn: Path) -> None:
    whole = [image for image in _images(drawn) if image["defect"] in (None, "blurred")]
    sharpness = {str(image["path"]): _sharpness((drawn / str(image["path"])).read_bytes()) for image in whole}
    blurred = [sharpness[str(image["path"])] for image in whole if image["defect"]]
    sound = [sharpness[str(image["path"])] for image in whole if not image["defect"]]
    assert max(blurred) < 30
    assert min(sound) > 100


def test_tiny_images_are_small_and_corrupt_ones_do_not_load(drawn: Path) -> None:
    for image in _images(drawn):
        data = (drawn / str(image["path"])).read_bytes()
        if image["defect"] == "corrupt":
            with pytest.raises((OSError, SyntaxError)):
                Image.open(io.BytesIO(data)).load()
        else:
            side = min(Image.open(io.BytesIO(data)).size)
            assert (side < 300) == (image["defect"] == "tiny")


def test_duplicates_look_like_their_original_and_half_are_its_bytes(drawn: Path) -> None:
    pairs = [(image["path"], image["duplicate_of"]) for image in _images(drawn) if image["duplicate_of"]]
    bytes_of = [[(drawn / str(path)).read_bytes() for path in pair] for pair in pairs]
    exact = sum(copy == original for copy, original in bytes_of)
    differing = [
        sum(a != b for a, b in zip(_difference_hash(copy), _difference_hash(original), strict=True))
        for copy, original in bytes_of
    ]
    assert abs(exact - len(pairs) / 2) <= 1
    assert max(differing) <= 4


def test_duplicates_are_of_one_brand_and_one_product(drawn: Path) -> None:
    truths = _truths(drawn)
    heroes = {truth["images"][0]["path"]: truth for truth in truths if truth["images"]}
    for path, truth in heroes.items():
        images = truth["images"]
        original = images[0]["duplicate_of"]
        if original is not None:
            assert heroes[original]["images"] != images, path
            assert [heroes[original][key] for key in ("brand", "category", "attributes")] == [
                truth[key] for key in ("brand", "category", "attributes")
            ]


def test_different_products_are_never_near_duplicates(drawn: Path) -> None:
    sound = [image for image in _images(drawn) if image["defect"] is None and image["duplicate_of"] is None]
    hashes = [_difference_hash((drawn / str(image["path"])).read_bytes()) for image in sound]
    numbers = [sum(bit << place for place, bit in enumerate(bits)) for bits in hashes]
    closest = min((a ^ b).bit_count() for index, a in enumerate(numbers) for b in numbers[:index])
    assert closest > 2


def test_words_tell_the_category_in_some_listings_only(drawn: Path) -> None:
    truths = _truths(drawn)
    telling = sum(bool(truth["text_tells_category"]) for truth in truths) / len(truths)
    assert 0.5 < telling < 0.75
    for row, truth in zip(_rows(drawn), truths, strict=True):
        text = f"{row['title']} {row['description']}".lower()
        name = str(truth["category"]).rsplit(" > ", maxsplit=1)[-1]
        if truth["text_tells_category"]:
            assert any(word.lower() in text for word in (name, *SYNONYMS[name]))


def test_every_brand_sells_a_few_categories_of_one_department() -> None:
    for brand in make_plan(DrawParams(num_listings=10)).brands:
        assert 3 <= len(set(brand.categories)) <= 6
    names = [brand.name for brand in make_plan(DrawParams(num_listings=10, num_brands=300)).brands]
    assert len(set(names)) == 300


@pytest.mark.parametrize(
    "extreme",
    [
        {"num_listings": 1, "num_brands": 1},
        {"blurred_share": 1, "tiny_share": 1, "corrupt_share": 1},
        {"duplicate_share": 1},
        {"duplicate_share": 0.9, "max_images_per_listing": 1},
        {"image_side_pixels": 64},
        {"wrong_label_share": 1, "misleading_title_share": 1},
    ],
)
def test_extreme_parameters_still_draw(extreme: dict[str, float], tmp_path: Path) -> None:
    params = DrawParams.model_validate({"num_listings": 12, "num_brands": 3, "num_workers": 1, **extreme})
    summary = draw_listings(tmp_path, params=params)
    assert summary.num_listings == len(_rows(tmp_path)) == params.num_listings
    assert summary.num_images == len(_images(tmp_path))


def test_the_contact_sheet_shows_every_category_drawn(drawn: Path, tmp_path: Path) -> None:
    contact_sheet(drawn, out=tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 800
        assert sheet.height > 800

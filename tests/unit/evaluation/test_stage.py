"""The whole stage, on a real (untrained) model."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import EvaluateParams, IngestParams, PromptParams
from facetry.decoding.checkpoint import CARD_NAME, TAXONOMY_NAME, CheckpointCard
from facetry.errors import CatalogueError, CheckpointError, StorageError
from facetry.evaluation import evaluate
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split
from facetry.synthetic.models import write_base_model
from facetry.taxonomy import load_yaml

TAXONOMY = "Home:\n  attributes: {lid: ['yes', 'no']}\n  categories: {Pan: , Wok: }\nShirt:\n"
PARAMS = EvaluateParams(batch_size=3, num_neighbours=2, num_mistakes_shown=4)


def picture(colour: str) -> ListingImage:
    encoded = io.BytesIO()
    Image.new("RGB", (320, 320), colour).save(encoded, format="PNG")
    return ListingImage(encoded.getvalue(), f"{colour}.png")


def listings() -> Iterable[Listing]:
    of_category = {"Home > Pan": picture("grey"), "Home > Wok": picture("brown"), "Shirt": picture("navy")}
    for split, num_rounds in ((Split.TRAIN, 3), (Split.TEST, 2)):
        for turn in range(num_rounds):
            for category, image in of_category.items():
                name = f"{split}-{turn}-{category[-3:]}"
                label = Label(category, {"lid": "yes"} if "Home" in category else {}, LabelSource.AUDITED)
                yield Listing(id=name, title=name, brand=f"{split} {turn}", images=(image,), label=label, split=split)
    broken = ListingImage(b"broken", "broken.jpg")
    shirt = Label("Shirt", {}, LabelSource.AUDITED)
    yield Listing(id="broken", title="x", images=(broken,), label=shirt, split=Split.TEST)
    yield Listing(id="unaudited", title="x", label=Label("Shirt"), split=Split.TEST)
    yield Listing(id="unlabelled", title="x", split=Split.TEST)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    with CatalogueWriter(folder, stage="split", params=IngestParams(), taxonomy_yaml=TAXONOMY, parent=None) as writer:
        for listing in listings():
            writer.add(listing)
    return Catalogue.open(folder)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_base_model(folder, texts=["a pan"], taxonomy=load_yaml(TAXONOMY, origin="test"), seed=1)
    (folder / TAXONOMY_NAME).write_text(TAXONOMY)
    card = CheckpointCard(
        base_model="tiny", data_revision="d", code_revision="c", prompt=PromptParams(), params={}, summary={}
    )
    (folder / CARD_NAME).write_text(card.model_dump_json())
    return folder


def test_every_listing_with_a_trusted_label_is_answered_or_listed_with_its_reason(
    checkpoint: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    summary = evaluate(checkpoint, catalogue=catalogue, split=Split.TEST, params=PARAMS, out=out)
    answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert (summary.num_listings, summary.num_unanswered) == (7, 1)
    assert len(answers) == 7
    assert sum(answer["is_right"] for answer in answers) == summary.num_right
    (unanswered,) = [answer for answer in answers if answer["error"]]
    assert unanswered["id"] == "broken"
    assert {answer["answer"] for answer in answers} <= {"Home > Pan", "Home > Wok", "Shirt", None}


def test_the_report_holds_numbers_that_a_release_and_a_tracker_can_take(
    checkpoint: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    summary = evaluate(checkpoint, catalogue=catalogue, split=Split.TEST, params=PARAMS, out=out)
    report = json.loads((out / "report.json").read_text())
    assert report["metrics"] == summary.as_metrics()
    assert all(isinstance(value, float) for value in report["metrics"].values())
    assert report["metrics"]["accuracy"] == summary.accuracy == report["scores"]["accuracy"]
    assert report["metrics"]["neighbours_accuracy"] == pytest.approx(6 / 7)
    assert report["origin"]["catalogue_digest"] == catalogue.digest
    assert f"{summary.num_right} of 7 right, 1 not answered" in summary.one_line()
    assert (out / "report.html").read_text().startswith("<!doctype html>")


def test_hidden_fields_are_not_shown_and_what_has_nothing_else_is_not_asked(
    checkpoint: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    reports = {}
    for name, hidden in (("words", ("images",)), ("pictures", ("title", "brand"))):
        params = PARAMS.model_copy(update={"hide": hidden})
        evaluate(checkpoint, catalogue=catalogue, split=Split.TEST, params=params, out=tmp_path / name)
        reports[name] = json.loads((tmp_path / name / "report.json").read_text())
    offers = {name: [offer["name"] for offer in report["scores"]["offers"]] for name, report in reports.items()}
    assert offers == {"words": ["text only"], "pictures": ["image only"]}
    assert [report["scores"]["num_unanswered"] for report in reports.values()] == [0, 1]
    assert reports["words"]["metrics"]["neighbours_accuracy"] == reports["words"]["metrics"]["majority_accuracy"]
    assert {brand["name"] for brand in reports["pictures"]["scores"]["brands"]} == {"test 0", "test 1", "no brand"}
    everything_hidden = PARAMS.model_copy(update={"hide": ("title", "brand", "images")})
    with pytest.raises(CatalogueError, match="no listing in split 'test'"):
        evaluate(checkpoint, catalogue=catalogue, split=Split.TEST, params=everything_hidden, out=tmp_path / "none")


def test_an_empty_split_is_named_and_nothing_is_written(checkpoint: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no listing in split 'validation' with a label that is audited or human"):
        evaluate(checkpoint, catalogue=catalogue, split=Split.VALIDATION, params=PARAMS, out=tmp_path / "report")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_checkpoint_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        evaluate(tmp_path, catalogue=catalogue, split=Split.TEST, params=PARAMS, out=tmp_path / "report")


def test_a_folder_of_something_else_is_not_replaced(checkpoint: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="holds something else"):
        evaluate(checkpoint, catalogue=catalogue, split=Split.TEST, params=PARAMS, out=tmp_path)
    assert (tmp_path / "thesis.txt").is_file()

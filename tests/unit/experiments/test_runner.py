"""A whole recipe on the drawn shop, with real stages, as small as it gets."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from facetry.catalogue import Catalogue
from facetry.decoding.checkpoint import Checkpoint
from facetry.experiments.results import Results
from facetry.experiments.runner import run_recipe

pytestmark = pytest.mark.integration  # it trains twice, which takes a minute

RECIPE = """
question: Does going on help?
seeds: [5]
new_brands_share: 0.3
base:
  draw: {num_listings: 40, num_brands: 12, seed: 9, image_side_pixels: 112, num_workers: 1}
  clean: {min_side_pixels: 84, min_sharpness: 20}
  train: {epochs: 0.5, batch_size: 8, num_processes: 1, num_golden_listings: 1}
every_run:
  draw: {num_listings: 150, num_brands: 20, image_side_pixels: 112, num_workers: 1}
  clean: {min_side_pixels: 84, min_sharpness: 20}
  split: {ratios: {train: 0.4, validation: 0.2, test: 0.4}}
  train: {epochs: 1, batch_size: 8, num_processes: 1, num_golden_listings: 1, max_listings: 16}
  evaluate: {num_mistakes_shown: 1}
runs:
  begun: {trained: false}
  further: {}
  the-same: {after: further, trained: false}
measures:
  accuracy: {}
  container: {attribute: container}
  new brands: {about: new brands}
expected:
  - further > begun
  - 1.5 > new brands of further
"""


def do(folder: Path, *, overrides: tuple[str, ...] = ()) -> tuple[Results, str]:
    """The results, and what was said."""
    file = folder / "going-on.yaml"
    file.write_text(RECIPE)
    said = io.StringIO()
    results = run_recipe(file, out=folder / "work", overrides=overrides, console=Console(file=said, width=200))
    return results, said.getvalue()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, str]:
    folder = tmp_path_factory.mktemp("experiment")
    return folder, *do(folder)


def test_every_run_is_measured_and_what_was_expected_is_judged(done: tuple[Path, Results, str]) -> None:
    folder, results, _ = done
    begun, further, the_same = results.runs
    assert [(each.run, each.seed) for each in results.runs] == [("begun", 5), ("further", 5), ("the-same", 5)]
    assert (begun.num_steps, further.num_listings, further.num_steps) == (0, 16, 2)
    assert set(further.measured) == {"accuracy", "container", "new brands"}
    assert results.verdicts()[1].held
    record = json.loads((folder / "work/going-on/results.json").read_bytes())
    assert [each["text"] for each in record["expected"]] == ["further > begun", "1.5 > new brands of further"]
    assert "# Does going on help?" in (folder / "work/going-on/results.md").read_text()
    assert the_same.measured == further.measured


def test_runs_begin_with_the_base_that_was_trained_for_all(done: tuple[Path, Results, str]) -> None:
    folder = done[0] / "work"
    (base,) = (folder / "bases").iterdir()
    card = Checkpoint.open(folder / "going-on/further/seed-5/checkpoint").card
    assert card.base_model == str(base / "checkpoint")
    assert Checkpoint.open(base / "checkpoint").card.base_model.endswith("/base-model")


def test_no_run_sees_a_brand_that_was_set_apart(done: tuple[Path, Results, str]) -> None:
    folder = done[0] / "work/catalogues"
    (new,) = folder.glob("apart-test-*")
    digest = Checkpoint.open(done[0] / "work/going-on/further/seed-5/checkpoint").card.data_revision
    (known,) = [path for path in folder.glob("split-*") if Catalogue.open(path).digest == digest]
    brands = [{listing.brand for listing in Catalogue.open(path).listings() if listing.brand} for path in (known, new)]
    assert all(brands)
    assert not brands[0] & brands[1]


def test_what_was_done_is_not_done_again_and_a_lost_result_costs_no_training(done: tuple[Path, Results, str]) -> None:
    folder, results, said = done
    assert said.count("drew 150 listings") == 1
    assert said.count("trained ") == 2
    again, said_again = do(folder)
    assert again == results
    assert said_again.count("known") == 3
    (folder / "work/going-on/further/seed-5/result.json").unlink()
    measured_again, said_again = do(folder)
    assert measured_again == results
    assert "trained " not in said_again
    assert said_again.count(" right") == 2

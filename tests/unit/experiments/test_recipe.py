"""Recipes as people write them: what they ask for, and what is said when they make no sense."""

from pathlib import Path

import pytest

from facetry.errors import ConfigError
from facetry.experiments.measure import Measure
from facetry.experiments.recipe import load_recipe, params_of

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))
GOOD = """
question: Do more labels help?
seeds: [3, 4]
every_run:
  draw: {num_listings: 100}
  train: {epochs: 2, mask: {title: 0.5}}
runs:
  few: {train: {max_listings: 10}}
  many: {train: {max_listings: 50, mask: {images: 0.1}}}
  more: {train: {epochs: 1}, after: many}
measures:
  accuracy: {}
  text only: {evaluate: {hide: [images]}}
expected:
  - more > many > few
  - text only of many > text only of few
  - many > 0.5
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in GOOD
    return written(folder, GOOD.replace(old, new))


def test_a_run_has_the_settings_of_every_run_but_for_its_own_and_each_seed_a_split_of_its_own(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD))
    params = params_of(recipe, run="many", seed=4)
    assert (params.draw.num_listings, params.train.epochs, params.train.max_listings) == (100, 2, 50)
    assert (params.train.mask.title, params.train.mask.images) == (0.5, 0.1)
    assert (params.train.seed, params.split.seed) == (4, 4)


def test_what_is_set_on_the_command_line_holds_for_every_run_that_does_not_say_otherwise(tmp_path: Path) -> None:
    overrides = ["train.epochs=5", "train.batch_size=4"]
    recipe = load_recipe(written(tmp_path, GOOD), overrides=overrides)
    epochs = {run: params_of(recipe, run=run, seed=3, overrides=overrides).train.epochs for run in recipe.runs}
    assert epochs == {"few": 5, "many": 5, "more": 1}


def test_a_chain_is_as_many_expectations(tmp_path: Path) -> None:
    texts = [each.text for each in load_recipe(written(tmp_path, GOOD)).expectations()]
    assert texts == ["more > many", "many > few", "text only of many > text only of few", "many > 0.5"]


def test_a_measure_is_taken_as_it_says_where_it_differs_from_its_run(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD))
    params = params_of(recipe, run="few", seed=3, overrides=["evaluate.batch_size=7"])
    taken = recipe.measures["text only"].params(params.evaluate)
    assert (taken.batch_size, taken.hide) == (7, ("images",))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("after: many", "after: most", r"runs\.more\.after: no run 'most' comes before it"),
        ("{train: {max_listings: 10}}", "{trained: false}", r"runs\.few: it is not trained.*set base"),
        ("many > 0.5", "mny > 0.5", r"'mny' in 'mny > 0\.5' is no number, run.*runs are few, many, more"),
        ("many > 0.5", "many", "'many' compares nothing"),
        ("accuracy: {}", "accuracy: {about: new brands}", "set new_brands_share"),
        ("max_listings: 10", "max_listing: 10", r"train\.max_listing: unknown key, did you mean max_listings"),
        ("hide: [images]", "hide: [image]", r"measures\.text only\.evaluate.*\n.*hide\.0: 'image', must be"),
        ("question:", "qestion:", "qestion: unknown key, did you mean question"),
        ("seeds: [3, 4]", "seeds: []", "seeds"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_recipe(changed(tmp_path, old, new))


def test_a_metric_that_was_not_measured_is_named_with_those_that_were() -> None:
    report = {"metrics": {"accuracy": 0.5}, "scores": {"attributes": [{"name": "lid", "accuracy": 0.75}]}}
    assert Measure().read(report, name="right") == 0.5
    assert Measure(attribute="lid").read(report, name="lids") == 0.75
    with pytest.raises(ConfigError, match=r"measures\.right\.metric: no metric 'f1' was measured: use one of accuracy"):
        Measure(metric="f1").read(report, name="right")
    with pytest.raises(ConfigError, match=r"measures\.lids\.attribute: no 'handle' was asked for, but lid"):
        Measure(attribute="handle").read(report, name="lids")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_this_repository_makes_sense(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.expectations()

"""What is told of the runs: means, spreads, and whether the expectation held."""

import json

from facetry.experiments.recipe import Recipe
from facetry.experiments.results import Results, RunResult

ACCURACIES = {"small": [0.5, 0.6], "large": [0.7, 0.55]}


def results(*, seeds: int = 2) -> Results:
    recipe = Recipe.model_validate(
        {
            "question": "Is larger better?",
            "seeds": [1, 2][:seeds],
            "runs": {"small": {}, "large": {}},
            "expected": ["large > small", "small > 0.9"],
        }
    )
    runs = [
        RunResult(
            key="k",
            run=run,
            seed=seed,
            num_listings=10,
            num_steps=5,
            train_seconds=2.0,
            measured={"accuracy": ACCURACIES[run][seed - 1]},
        )
        for seed in recipe.seeds
        for run in recipe.runs
    ]
    return Results(recipe=recipe, code_revision="0.1.0+abc", runs=tuple(runs))


def test_a_row_tells_mean_and_deviation_over_the_seeds() -> None:
    assert list(results().rows()) == [
        ["small", "0.550 ± 0.071", "10", "5", "2"],
        ["large", "0.625 ± 0.106", "10", "5", "2"],
    ]
    assert next(results(seeds=1).rows())[1] == "0.500"


def test_an_expectation_holds_when_it_does_on_average_and_the_seeds_are_counted() -> None:
    held, failed = results().verdicts()
    assert (held.held, held.num_held, held.num_seeds) == (True, 1, 2)
    assert held.one_line() == "held (in 1 of 2 seeds): large > small  [0.625 ± 0.106 > 0.550 ± 0.071]"
    assert (failed.held, failed.num_held) == (False, 0)
    assert failed.one_line().startswith("did not hold (in 0 of 2 seeds): small > 0.9")


def test_the_page_and_the_record_hold_everything() -> None:
    page = results().as_markdown()
    assert page.startswith("# Is larger better?\n")
    assert "| large | 0.625 ± 0.106 | 10 | 5 | 2 |" in page
    assert "held (in 1 of 2 seeds): large > small" in page
    record = json.loads(results().as_json())
    assert [run["measured"]["accuracy"] for run in record["runs"]] == [0.5, 0.7, 0.6, 0.55]
    assert [each["held"] for each in record["expected"]] == [True, False]

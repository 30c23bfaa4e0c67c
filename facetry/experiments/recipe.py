"""A recipe: a question about training, the runs that answer it, and the answer that is expected."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from facetry.config import EvaluateParams, Name, Params, Section, overlaid, parse_params, read_tree, set_in_tree
from facetry.errors import ConfigError
from facetry.experiments.measure import Measure
from facetry.validation import explain

TERM = re.compile(r"(?:(?P<measure>.+) of )?(?P<run>[a-z0-9-]+)")
NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
MeasureName = Annotated[str, Field(pattern=r"^[a-z0-9]+( [a-z0-9]+)*$")]


class Settings(Section):
    """Parts of params.yaml, section by section; what is left out has its default."""

    draw: Mapping[str, object] = {}
    ingest: Mapping[str, object] = {}
    clean: Mapping[str, object] = {}
    split: Mapping[str, object] = {}
    train: Mapping[str, object] = {}
    evaluate: Mapping[str, object] = {}

    @property
    def tree(self) -> dict[str, object]:
        return self.model_dump(include=set(Settings.model_fields))


class RunRecipe(Settings):
    """What sets one run apart from the others; `after` names the run on whose weights it goes on.

    A run that is not `trained` is the model that it begins with, as it is.
    """

    after: Name | None = None
    trained: bool = True


@dataclass(frozen=True, slots=True)
class Term:
    """A side of an expectation: what a run measured, or a number."""

    text: str
    run: str | None = None
    measure: str | None = None

    def value(self, measured: Mapping[str, Mapping[str, float]]) -> float:
        """The term's value, by what each run measured."""
        if self.run is None or self.measure is None:
            return float(self.text)
        return measured[self.run][self.measure]


@dataclass(frozen=True, slots=True)
class Expectation:
    """That one term is larger than another."""

    larger: Term
    smaller: Term

    @property
    def text(self) -> str:
        return f"{self.larger.text} > {self.smaller.text}"


class Recipe(Section):
    """What a recipe's file holds. Each run is done once for each seed, which decides its split and its training.

    Runs begin with the model that is trained once as `base` says, with `train.base_model`, or else with `model`, an
    untrained one that `facetry draw` writes. Expected is that one term is larger than the next, as in
    `audited > unaudited` or `lid of few > 0.9`.
    """

    question: str = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)
    model: Literal["base-model", "clip-model"] = "base-model"
    base: Settings | None = None
    new_brands_share: float = Field(default=0.0, ge=0, lt=1)
    every_run: Settings = Settings()
    runs: Mapping[Name, RunRecipe] = Field(min_length=1)
    measures: Mapping[MeasureName, Measure] = Field(default={"accuracy": Measure()}, min_length=1)
    expected: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        earlier: set[str] = set()
        for name, run in self.runs.items():
            if run.after is not None and run.after not in earlier:
                raise ValueError(f"runs.{name}.after: no run '{run.after}' comes before it")
            if not run.trained and run.after is None and self.base is None:
                raise ValueError(f"runs.{name}: it is not trained, and begins with an untrained model: set base")
            earlier.add(name)
        if self.new_brands_share == 0 and any(measure.about == "new brands" for measure in self.measures.values()):
            raise ValueError("a measure is taken on new brands: set new_brands_share, as in 0.25")
        self.expectations()
        return self

    def expectations(self) -> list[Expectation]:
        """What is expected, two terms at a time."""
        found = []
        for text in self.expected:
            terms = [self._term(term.strip(), text=text) for term in text.split(">")]
            if len(terms) < 2:
                raise ValueError(f"expected: '{text}' compares nothing, write it as in 'one-run > another'")
            found += [Expectation(larger, smaller) for larger, smaller in pairwise(terms)]
        return found

    def _term(self, term: str, *, text: str) -> Term:
        if NUMBER.fullmatch(term):
            return Term(term)
        match = TERM.fullmatch(term)
        measure = (match["measure"] or next(iter(self.measures))) if match else ""
        if match is None or match["run"] not in self.runs or measure not in self.measures:
            raise ValueError(
                f"expected: '{term}' in '{text}' is no number, run, or 'measure of run': "
                f"runs are {', '.join(self.runs)}, and measures {', '.join(self.measures)}"
            )
        return Term(term, run=match["run"], measure=measure)


def load_recipe(path: Path, *, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in the file at `path`; a `ConfigError` with everything that is wrong with it, or with a run of it."""
    try:
        recipe = Recipe.model_validate(read_tree(path))
    except ValidationError as error:
        raise ConfigError(explain(error, origin=str(path), model=Recipe)) from error
    if recipe.base is not None:
        base_params(recipe.base, overrides=overrides)
    for run in recipe.runs:
        params = params_of(recipe, run=run, seed=recipe.seeds[0], overrides=overrides)
        for name, measure in recipe.measures.items():
            try:
                measure.params(params.evaluate)
            except ValidationError as error:
                origin = f"{path}: measures.{name}.evaluate"
                raise ConfigError(explain(error, origin=origin, model=EvaluateParams)) from error
    return recipe


def params_of(recipe: Recipe, *, run: str, seed: int, overrides: Sequence[str] = ()) -> Params:
    """All parameters of a run: what the run says, over `overrides`, over what the recipe says of every run."""
    seeds = {"split": {"seed": seed}, "train": {"seed": seed}}
    tree = overlaid(_overridden(recipe.every_run, overrides), recipe.runs[run].tree)
    return parse_params(overlaid(tree, seeds), origin=f"run '{run}' of the recipe")


def base_params(base: Settings, *, overrides: Sequence[str] = ()) -> Params:
    """All parameters of the training that comes before the runs."""
    return parse_params(overlaid(_overridden(Settings(), overrides), base.tree), origin="base of the recipe")


def _overridden(settings: Settings, overrides: Sequence[str]) -> dict[str, object]:
    tree = settings.tree
    for override in overrides:
        set_in_tree(override, tree)
    return tree

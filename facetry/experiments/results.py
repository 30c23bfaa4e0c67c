"""What the runs of an experiment measured, and whether that is what was expected."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from rich.table import Table

from facetry.experiments.recipe import Expectation, Recipe


class RunResult(BaseModel):
    """What one run with one seed measured. `key` changes with everything that the result follows from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    run: str
    seed: int
    num_listings: int
    num_steps: int
    train_seconds: float
    measured: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """Numbers of several seeds in short."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if self.deviation is None else f"{self.mean:.3f} ± {self.deviation:.3f}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an expectation held: of the means, and in how many of the seeds."""

    text: str
    larger: Spread
    smaller: Spread
    num_held: int
    num_seeds: int

    @property
    def held(self) -> bool:
        return self.larger.mean > self.smaller.mean

    def one_line(self) -> str:
        outcome = "held" if self.held else "did not hold"
        seeds = f"in {self.num_held} of {self.num_seeds} seeds"
        return f"{outcome} ({seeds}): {self.text}  [{self.larger} > {self.smaller}]"


@dataclass(frozen=True, slots=True)
class Results:
    """All results of a recipe."""

    recipe: Recipe
    code_revision: str
    runs: tuple[RunResult, ...]

    def spread(self, run: str, measure: str) -> Spread:
        return Spread.of([each.measured[measure] for each in self._of(run)])

    def verdicts(self) -> list[Verdict]:
        return [self._verdict(expectation) for expectation in self.recipe.expectations()]

    def _verdict(self, expectation: Expectation) -> Verdict:
        by_seed = [{each.run: each.measured for each in self.runs if each.seed == seed} for seed in self.recipe.seeds]
        larger = [expectation.larger.value(measured) for measured in by_seed]
        smaller = [expectation.smaller.value(measured) for measured in by_seed]
        return Verdict(
            text=expectation.text,
            larger=Spread.of(larger),
            smaller=Spread.of(smaller),
            num_held=sum(one > other for one, other in zip(larger, smaller, strict=True)),
            num_seeds=len(by_seed),
        )

    def rows(self) -> Iterator[list[str]]:
        """A row for each run, under `header`."""
        for run in self.recipe.runs:
            results = self._of(run)
            measured = [str(self.spread(run, measure)) for measure in self.recipe.measures]
            seconds = statistics.fmean(each.train_seconds for each in results)
            yield [run, *measured, str(results[0].num_listings), str(results[0].num_steps), f"{seconds:.0f}"]

    @property
    def header(self) -> list[str]:
        return ["run", *self.recipe.measures, "listings", "steps", "seconds"]

    def as_table(self) -> Table:
        table = Table(*self.header, title=self.recipe.question, title_justify="left")
        for row in self.rows():
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        seeds = len(self.recipe.seeds)
        lines = [
            f"# {self.recipe.question}",
            "",
            f"Mean and standard deviation over {seeds} seed{'s' if seeds > 1 else ''}; facetry {self.code_revision}.",
            "",
            f"| {' | '.join(self.header)} |",
            f"|---|{'---:|' * (len(self.header) - 1)}",
            *(f"| {' | '.join(row)} |" for row in self.rows()),
            "",
            *(f"- {verdict.one_line()}" for verdict in self.verdicts()),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def as_json(self) -> bytes:
        tree = {
            "recipe": self.recipe.model_dump(mode="json"),
            "code_revision": self.code_revision,
            "runs": [each.model_dump(mode="json") for each in self.runs],
            "expected": [{"text": each.text, "held": each.held, "num_held": each.num_held} for each in self.verdicts()],
        }
        return (json.dumps(tree, indent=2) + "\n").encode()

    def _of(self, run: str) -> list[RunResult]:
        return [each for each in self.runs if each.run == run]

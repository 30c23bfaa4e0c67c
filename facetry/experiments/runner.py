"""Doing what a recipe says: every run with every seed, each of them once."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from facetry.catalogue import Catalogue
from facetry.config import EvaluateParams, Params, TrainParams
from facetry.evaluation import evaluate
from facetry.evaluation.stage import REPORT_NAME
from facetry.experiments.accelerator import free_accelerator
from facetry.experiments.measure import Measure, Report
from facetry.experiments.recipe import Recipe, Settings, base_params, load_recipe, params_of
from facetry.experiments.records import read_record, write_record
from facetry.experiments.results import Results, RunResult
from facetry.experiments.training_once import Trained, Training
from facetry.experiments.workspace import Made, Shop, Workspace
from facetry.listing import Split
from facetry.revision import code_revision
from facetry.storage import write_atomically

RESULT_NAME = "result.json"
RESULTS_NAME = "results.json"
TABLE_NAME = "results.md"


def run_recipe(file: Path, *, out: Path, overrides: Sequence[str], console: Console) -> Results:
    """Answer the question of the recipe in `file`, in a folder of its name in `out`; what was done is not done again.

    Catalogues and base models are shared by all recipes that have the same `out`.
    """
    recipe = load_recipe(file, overrides=overrides)
    experiment = Experiment(recipe, folder=out / file.stem, overrides=overrides, console=console)
    turns = [(seed, run) for seed in recipe.seeds for run in recipe.runs]
    done = []
    for number, (seed, run) in enumerate(turns, start=1):
        console.print(f"\n[bold]{run}, seed {seed}[/bold] ({number} of {len(turns)})")
        done.append(experiment.result(run, seed=seed))
    results = Results(recipe=recipe, code_revision=code_revision(), runs=tuple(done))
    write_atomically(experiment.folder / RESULTS_NAME, results.as_json())
    write_atomically(experiment.folder / TABLE_NAME, results.as_markdown().encode())
    return results


@dataclass(frozen=True, slots=True)
class _Task:
    """One run with one seed. What is measured is the model that its training makes, or the one that it begins with."""

    run: str
    seed: int
    params: Params
    shop: Shop
    folder: Path
    begin: Made
    training: Training | None

    @property
    def model(self) -> Made:
        return self.begin if self.training is None else self.training.checkpoint


class Experiment:
    """A recipe that is being done in `folder`; what it shares with other recipes lies beside that."""

    def __init__(self, recipe: Recipe, *, folder: Path, overrides: Sequence[str], console: Console) -> None:
        self.folder = folder
        self._recipe = recipe
        self._overrides = overrides
        self._console = console
        self._workspace = Workspace(folder.parent / "catalogues", console=console)

    def result(self, run: str, *, seed: int) -> RunResult:
        """What the run measures; known already when the same code did the same before."""
        task = self._task(run, seed=seed)
        measures = {name: measure.model_dump(mode="json") for name, measure in self._recipe.measures.items()}
        key = self._workspace.key(task.model.key, measures, task.params.evaluate.model_dump(mode="json"))
        known = read_record(task.folder / RESULT_NAME, RunResult)
        if known is not None and known.key == key:
            self._console.print("known")
            return known
        trained = task.training.once(console=self._console) if task.training else Trained(key=task.begin.key)
        task.folder.mkdir(parents=True, exist_ok=True)
        result = RunResult(
            key=key,
            run=run,
            seed=seed,
            num_listings=trained.num_listings,
            num_steps=trained.num_steps,
            train_seconds=trained.seconds,
            measured=self._measure(task),
        )
        write_record(result, task.folder / RESULT_NAME)
        return result

    def _task(self, run: str, *, seed: int) -> _Task:
        params = params_of(self._recipe, run=run, seed=seed, overrides=self._overrides)
        shop = self._workspace.shop(params, new_brands_share=self._recipe.new_brands_share)
        folder = self.folder / run / f"seed-{seed}"
        begin = self._begin(run, params=params.train, shop=shop, seed=seed)
        is_trained = self._recipe.runs[run].trained
        training = self._training(params.train, begin=begin, split=shop.split, folder=folder) if is_trained else None
        return _Task(run=run, seed=seed, params=params, shop=shop, folder=folder, begin=begin, training=training)

    def _begin(self, run: str, *, params: TrainParams, shop: Shop, seed: int) -> Made:
        """The model that a run begins with."""
        after = self._recipe.runs[run].after
        if after is not None:
            return self._task(after, seed=seed).model
        if "base_model" in params.model_fields_set:
            return Made(Path(params.base_model), params.base_model)
        return self._untrained(shop) if self._recipe.base is None else self._base(self._recipe.base)

    def _untrained(self, shop: Shop) -> Made:
        return Made(shop.drawn.path / self._recipe.model, f"{shop.drawn.key}/{self._recipe.model}")

    def _base(self, base: Settings) -> Made:
        """What is trained before all runs, in a folder of its key, as recipes may share it."""
        params = base_params(base, overrides=self._overrides)
        shop = self._workspace.shop(params, new_brands_share=0)
        bases = self.folder.parent / "bases"
        training = self._training(params.train, begin=self._untrained(shop), split=shop.split, folder=bases)
        training = dataclasses.replace(training, folder=bases / training.key)
        training.once(console=self._console)
        return training.checkpoint

    def _training(self, params: TrainParams, *, begin: Made, split: Made, folder: Path) -> Training:
        key = self._workspace.key(params.model_dump(mode="json", exclude={"base_model"}), begin.key, split.key)
        begun = params.model_copy(update={"base_model": str(begin.path)})
        return Training(params=begun, split=split, folder=folder, key=key)

    def _measure(self, task: _Task) -> dict[str, float]:
        """Every measure; evaluations that several of them share are done once."""
        reports: dict[str, Report] = {}
        measured = {}
        for name, measure in self._recipe.measures.items():
            params = measure.params(task.params.evaluate)
            which = f"{measure.about} {params.model_dump_json()}"
            if which not in reports:
                reports[which] = self._report(task, measure=measure, params=params, name=name)
            measured[name] = measure.read(reports[which], name=name)
        return measured

    def _report(self, task: _Task, *, measure: Measure, params: EvaluateParams, name: str) -> Report:
        asked = task.shop.new_brands if measure.about == "new brands" else task.shop.split
        assert asked is not None
        out = task.folder / "reports" / name.replace(" ", "-")
        catalogue = Catalogue.open(asked.path)
        summary = evaluate(task.model.path, catalogue=catalogue, split=Split.TEST, params=params, out=out)
        free_accelerator()
        self._console.print(f"{name}: {summary.one_line()}")
        report: Report = json.loads((out / REPORT_NAME).read_bytes())
        return report

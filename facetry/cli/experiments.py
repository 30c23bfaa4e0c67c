"""Experiments: many trainings that answer one question."""

from pathlib import Path
from typing import Annotated

import typer

from facetry.cli.options import CatalogueIn, Out, Overrides, ParamsFile, keep_input, load
from facetry.errors import ConfigError

DEFAULT_NUM_LABELS = "15,30,60,120,240"


def experiment(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file, as those in recipes/.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to work in; what is in it is not done again.")] = Path(
        "runs/experiments"
    ),
    overrides: Overrides = None,
) -> None:
    """Do the runs of a recipe on the drawn shop, and tell whether what it expects is so."""
    from rich.console import Console

    from facetry.experiments.runner import run_recipe

    console = Console(highlight=False, soft_wrap=True)
    results = run_recipe(recipe, out=out, overrides=overrides or (), console=console)
    console.print(results.as_table())
    for verdict in results.verdicts():
        console.print(verdict.one_line(), markup=False)


def learning_curve(
    catalogue: CatalogueIn,
    out: Out,
    num_labels: Annotated[
        str, typer.Option("--num-labels", metavar="N,N,…", help="How many labelled listings to learn from.")
    ] = DEFAULT_NUM_LABELS,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Trainings for each number, with other seeds.")] = 3,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Train with more and more labels, and draw how accuracy and F1 grow; killed and run again, it goes on."""
    from rich.console import Console

    from facetry.catalogue import Catalogue
    from facetry.experiments.learning_curve import learning_curve

    keep_input(catalogue, out=out)
    numbers = [_number(text) for text in num_labels.split(",")]
    loaded = load(params, overrides)
    curve = learning_curve(Catalogue.open(catalogue), params=loaded, num_labels=numbers, num_repeats=repeats, out=out)
    Console().print(curve.as_table())
    typer.echo(f"drew {out / 'curve.png'}")


def _number(text: str) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise ConfigError(f"--num-labels: '{text}' is no number of listings: write them as in {DEFAULT_NUM_LABELS}")
    return int(text)

"""The program `facetry`: its commands, and how it ends when one fails."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from facetry import __version__
from facetry.cli import experiments, serving, stages
from facetry.cli.data import data
from facetry.cli.options import Overrides, ParamsFile, load, params_path
from facetry.cli.taxonomy import taxonomy
from facetry.errors import FacetryError

app = typer.Typer(
    help="Fine-tune vision-language models on product listings and serve them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    stages.draw,
    stages.ingest,
    stages.merge,
    stages.examine,
    stages.clean,
    stages.split,
    stages.train,
    stages.evaluate,
    stages.release,
    serving.serve,
    serving.predict,
    experiments.experiment,
    experiments.learning_curve,
):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(taxonomy, name="taxonomy")


def main() -> None:
    """Run a command; what a person can mend ends in one line and exit status 2."""
    _quiet_libraries()
    try:
        app(prog_name="facetry")
    except FacetryError as error:
        _fail(str(error))
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split()))
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _facetry(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"facetry {__version__}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="The folder to work in.")] = Path("runs/demo"),
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Go the whole way on the drawn shop: draw, run the pipeline, serve the release, ask it three listings."""
    from facetry.demo import run_demo

    run_demo(out, params_file=params_path(params), overrides=overrides or ())


@app.command()
def doctor(params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Say what this machine has and lacks, and how to mend each lack."""
    from facetry.doctor import diagnose

    findings = diagnose(load(params, overrides).serve)
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'LACK'}  {finding.name}: {finding.found}")
        if not finding.ok:
            typer.echo(f"      {finding.mend}")


def _fail(message: str) -> None:
    typer.echo(f"facetry: {message}", err=True)
    sys.exit(2)


def _quiet_libraries() -> None:
    """Leave the terminal to our own lines: no bars, no advice, no start-up notes of the libraries."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)

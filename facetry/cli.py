"""The command line: parse, call one function, print, exit code."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetry import __version__
from facetry.errors import FacetryError, RequestError

if TYPE_CHECKING:
    from facetry.config import Params

app = typer.Typer(
    help="Fine-tune vision-language models on product listings and serve them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DEFAULT_PARAMS = Path("params.yaml")

ParamsFile = Annotated[
    Path | None,
    typer.Option("--params", help="The parameters. [default: params.yaml where there is one]", show_default=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one parameter; may be given again."),
]
Out = Annotated[Path, typer.Option("--out", help="The folder to write; it appears whole or not at all.")]
CatalogueOut = Annotated[str, typer.Option("--out", help="The folder or s3:// prefix to write.")]
CatalogueIn = Annotated[str, typer.Argument(metavar="CATALOGUE", help="A catalogue: a folder or an s3:// prefix.")]
CheckpointIn = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder written by `facetry train`.")]
ReleaseIn = Annotated[Path, typer.Argument(metavar="RELEASE", help="A folder written by `facetry release`.")]


def main() -> None:
    """Run a command; what a person can mend ends in one line and exit status 2."""
    _quiet_libraries()
    try:
        app(prog_name="facetry")
    except FacetryError as error:
        _fail(str(error))
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        _fail(f"{error.filename}: {error.strerror}")
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
def draw(out: Out, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Draw a shop that does not exist: listings, pictures, a taxonomy, the truth about them, and an untrained model."""
    from facetry.synthetic import draw

    section = _load(params, overrides).draw
    typer.echo(draw(out, params=section).one_line())


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A CSV or JSON-lines file, or a folder of one.")],
    out: CatalogueOut,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Turn a table of listings and its images into a catalogue."""
    from facetry.ingest import ingest

    _keep_input(source, out=out)
    section = _load(params, overrides).ingest
    typer.echo(ingest(source, params=section, out=out).one_line())


@app.command()
def clean(catalogue: CatalogueIn, out: CatalogueOut, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Mark broken, small, blurred and duplicate images, and draw a report of them."""
    from facetry.catalogue import Catalogue
    from facetry.cleaning import clean

    _keep_input(catalogue, out=out)
    section = _load(params, overrides).clean
    typer.echo(clean(Catalogue.open(catalogue), params=section, out=out).one_line())


@app.command()
def split(catalogue: CatalogueIn, out: CatalogueOut, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Put whole brands on one side: train, validation or test."""
    from facetry.catalogue import Catalogue
    from facetry.splitting import split

    _keep_input(catalogue, out=out)
    section = _load(params, overrides).split
    typer.echo(split(Catalogue.open(catalogue), params=section, out=out).one_line())


@app.command()
def train(catalogue: CatalogueIn, out: Out, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Fine-tune the base model on the train split, on every accelerator of this machine."""
    from facetry.catalogue import Catalogue
    from facetry.training import train

    _keep_input(catalogue, out=out)
    section = _load(params, overrides).train
    typer.echo(train(Catalogue.open(catalogue), params=section, out=out).one_line())


@app.command()
def evaluate(
    checkpoint: CheckpointIn,
    catalogue: CatalogueIn,
    out: Out,
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "test",
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Ask the model every listing of a split, beside two baselines, and draw a report."""
    from facetry.catalogue import Catalogue
    from facetry.evaluation import evaluate
    from facetry.listing import parse_split

    _keep_input(checkpoint, out=out)
    _keep_input(catalogue, out=out)
    section = _load(params, overrides).evaluate
    summary = evaluate(
        checkpoint, catalogue=Catalogue.open(catalogue), split=parse_split(split), params=section, out=out
    )
    typer.echo(summary.one_line())


@app.command()
def release(
    checkpoint: CheckpointIn,
    report: Annotated[Path, typer.Option("--report", help="The folder written by `facetry evaluate`.")],
    out: Out,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Put a checkpoint, its metrics and the proof of what it answers into a release that Triton can serve."""
    from facetry.release import release

    _keep_input(checkpoint, out=out)
    _keep_input(report, out=out)
    loaded = _load(params, overrides)
    typer.echo(release(checkpoint, report=report, params=loaded.release, serve=loaded.serve, out=out).one_line())


@app.command()
def serve(release: ReleaseIn, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Check a release and serve it with Triton until Ctrl-C."""
    from facetry.release import open_release
    from facetry.triton import serve

    section = _load(params, overrides).serve
    serve(open_release(release).folder, params=section)


@app.command()
def predict(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Triton's HTTP address, as in localhost:8000.")],
    image: Annotated[list[Path] | None, typer.Option("--image", help="A picture; may be given again.")] = None,
    title: Annotated[str | None, typer.Option("--title")] = None,
    description: Annotated[str | None, typer.Option("--description")] = None,
    brand: Annotated[str | None, typer.Option("--brand")] = None,
    brand_description: Annotated[str | None, typer.Option("--brand-description")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a server which category a listing is, and which attributes it has."""
    from facetry.listing import Listing
    from facetry.triton import predict, read_image

    listing = Listing(
        id="predict",
        title=title,
        description=description,
        brand=brand,
        brand_description=brand_description,
        images=tuple(read_image(path) for path in image or ()),
    )
    if not listing.says_something:
        raise RequestError("nothing to ask: give at least one of --image, --title, --description or --brand")
    prediction = predict(endpoint, listing)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "category": prediction.category,
                    "probability": prediction.probability,
                    "attributes": dict(prediction.attributes),
                }
            )
        )
        return
    typer.echo(f"{prediction.category}  ({prediction.probability:.3f})")
    for name, value in prediction.attributes.items():
        typer.echo(f"  {name}: {value}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="The folder to work in.")] = Path("runs/demo"),
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Go the whole way on the drawn shop: draw, run the pipeline, serve the release, ask it three listings."""
    from facetry.demo import run_demo

    run_demo(out, params_file=_params_path(params), overrides=overrides or ())


@app.command()
def doctor(params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Say what this machine has and lacks, and how to mend each lack."""
    from facetry.doctor import diagnose

    findings = diagnose(_load(params, overrides).serve)
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'LACK'}  {finding.name}: {finding.found}")
        if not finding.ok:
            typer.echo(f"      {finding.mend}")


def _keep_input(given: str | Path, *, out: str | Path) -> None:
    """Refuse to write a stage's output over, into or around its input."""
    from facetry.storage import overlaps

    if overlaps(given, out):
        raise FacetryError(f"--out {out} and the input {given} overlap: choose another --out")


def _load(file: Path | None, overrides: list[str] | None) -> "Params":
    from facetry.config import load_params

    return load_params(_params_path(file), overrides or ())


def _params_path(given: Path | None) -> Path | None:
    return given or (DEFAULT_PARAMS if DEFAULT_PARAMS.is_file() else None)


def _fail(message: str) -> None:
    typer.echo(f"facetry: {message}", err=True)
    sys.exit(2)


def _quiet_libraries() -> None:
    """Leave the terminal to our own lines: no bars, no advice, no start-up notes of the libraries."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)

"""The stages, one command each."""

from pathlib import Path
from typing import Annotated

import typer

from facetry.cli.options import (
    CatalogueIn,
    CatalogueOut,
    CheckpointIn,
    Out,
    Overrides,
    ParamsFile,
    PartOption,
    keep_input,
    load,
)


def draw(out: Out, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Draw a shop that does not exist: listings, pictures, a taxonomy, the truth about them, and an untrained model."""
    from facetry.synthetic import draw

    section = load(params, overrides).draw
    typer.echo(draw(out, params=section).one_line())


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A CSV, JSON-lines or Parquet file, a folder of one, a dataset folder, or the YAML of a web source.",
        ),
    ],
    out: CatalogueOut,
    part: PartOption = "1/1",
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Turn a table of listings and its images, wherever they are, into a catalogue."""
    from facetry.ingest import ingest
    from facetry.parts import Part

    keep_input(source, out=out)
    section = load(params, overrides).ingest
    summary = ingest(source, params=section, out=out, part=Part.parse(part))
    typer.echo(summary.one_line())
    for line in summary.unknown_labels:
        typer.echo(line)


def merge(
    parts: Annotated[
        list[str], typer.Argument(metavar="PART...", help="Every part that `facetry ingest` wrote, in any order.")
    ],
    out: CatalogueOut,
) -> None:
    """Put the parts of a source together, as if it had been read in one go."""
    from facetry.catalogue import Catalogue
    from facetry.ingest import merge

    for part in parts:
        keep_input(part, out=out)
    typer.echo(merge([Catalogue.open(part, allow_empty=True) for part in parts], out=out).one_line())


def examine(
    catalogue: CatalogueIn,
    out: CatalogueOut,
    part: PartOption = "1/1",
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Look at the images of one part of a catalogue, for `facetry clean --findings`."""
    from facetry.catalogue import Catalogue
    from facetry.cleaning import examine
    from facetry.parts import Part

    keep_input(catalogue, out=out)
    section = load(params, overrides).clean
    opened = Catalogue.open(catalogue, allow_empty=True)
    typer.echo(examine(opened, params=section, out=out, part=Part.parse(part)).one_line())


def clean(
    catalogue: CatalogueIn,
    out: CatalogueOut,
    findings: Annotated[
        list[str] | None, typer.Option("--findings", help="What `facetry examine` wrote; may be given again.")
    ] = None,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Mark broken, small, blank, blurred and duplicate images, and draw a report of them."""
    from facetry.catalogue import Catalogue
    from facetry.cleaning import clean

    for given in (catalogue, *(findings or ())):
        keep_input(given, out=out)
    section = load(params, overrides).clean
    typer.echo(clean(Catalogue.open(catalogue), findings=findings or (), params=section, out=out).one_line())


def split(catalogue: CatalogueIn, out: CatalogueOut, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Put whole brands on one side: train, validation or test."""
    from facetry.catalogue import Catalogue
    from facetry.splitting import split

    keep_input(catalogue, out=out)
    section = load(params, overrides).split
    typer.echo(split(Catalogue.open(catalogue), params=section, out=out).one_line())


def train(
    catalogue: CatalogueIn,
    out: Out,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show what the run would need of memory, and how it would be done.")
    ] = False,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Fine-tune the base model on the train split, on every accelerator of this machine."""
    from facetry.catalogue import Catalogue
    from facetry.training import preview, train

    keep_input(catalogue, out=out)
    section, opened = load(params, overrides).train, Catalogue.open(catalogue)
    typer.echo(preview(opened, params=section) if plan else train(opened, params=section, out=out).one_line())


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

    keep_input(checkpoint, out=out)
    keep_input(catalogue, out=out)
    section = load(params, overrides).evaluate
    summary = evaluate(
        checkpoint, catalogue=Catalogue.open(catalogue), split=parse_split(split), params=section, out=out
    )
    typer.echo(summary.one_line())


def release(
    checkpoint: CheckpointIn,
    report: Annotated[Path, typer.Option("--report", help="The folder written by `facetry evaluate`.")],
    out: Out,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Put a checkpoint, its metrics and the proof of what it answers into a release that Triton can serve."""
    from facetry.release import release

    keep_input(checkpoint, out=out)
    keep_input(report, out=out)
    loaded = load(params, overrides)
    typer.echo(release(checkpoint, report=report, params=loaded.release, serve=loaded.serve, out=out).one_line())

"""`facetry data`: versions of a catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from facetry.cli.options import CatalogueIn, CatalogueOut, Overrides, ParamsFile, keep_input, load

data = typer.Typer(help="Keep versions of a catalogue, get them back, and compare them.", no_args_is_help=True)

NewName = Annotated[
    str | None,
    typer.Option(
        "--name", help="What to call the new version; the next of v1, v2, … if nothing is given.", show_default=False
    ),
]


@data.command()
def push(
    catalogue: CatalogueIn,
    name: NewName = None,
    out: Annotated[str | None, typer.Option("--out", help="Also write the versioned catalogue here.")] = None,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Keep a catalogue as a new version; only the shards that no version has yet are uploaded."""
    from facetry.catalogue import Catalogue
    from facetry.versioning import push

    if out is not None:
        keep_input(catalogue, out=out)
    section = load(params, overrides).version
    typer.echo(push(Catalogue.open(catalogue), params=section, name=name, out=out).one_line())


@data.command()
def pull(
    out: CatalogueOut,
    name: Annotated[str | None, typer.Argument(metavar="VERSION", help="The newest when none is given.")] = None,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Get a version back as a catalogue."""
    from facetry.versioning import pull

    section = load(params, overrides).version
    typer.echo(pull(name, params=section, out=out).one_line())


@data.command(name="list")
def list_versions(params: ParamsFile = None, overrides: Overrides = None) -> None:
    """List the versions, the newest last."""
    from facetry.versioning import versions

    for version in versions(params=load(params, overrides).version):
        size = f"{version.num_listings:>10,} listings {version.num_bytes / 1e6:>10,.1f} MB"
        typer.echo(f"{version.name:<10} {version.when:%Y-%m-%d %H:%M} {size}  {version.digest[:12]}  {version.message}")


@data.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A version.")],
    new: Annotated[
        str | None, typer.Argument(metavar="NEW", help="A later one; the newest when none is given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write a line of JSON for each listing that differs.")
    ] = None,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Say which listings were added, removed, relabelled or changed between two versions."""
    from facetry.versioning import diff

    difference = diff(old, new, params=load(params, overrides).version)
    typer.echo(difference.one_line())
    if out is not None:
        difference.write_json_lines(out)


@data.command()
def take_down(
    listings: Annotated[list[str], typer.Argument(metavar="LISTING...", help="Ids of the listings to take down.")],
    name: NewName = None,
    params: ParamsFile = None,
    overrides: Overrides = None,
) -> None:
    """Take listings down: a new version without them, and a list of the versions that still have them."""
    from facetry.versioning import take_down

    section = load(params, overrides).version
    typer.echo(take_down(listings, params=section, name=name).one_line())

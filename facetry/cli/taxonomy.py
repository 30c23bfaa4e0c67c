"""`facetry taxonomy`: look at a taxonomy, compare two, and bring a catalogue from one to the other."""

from pathlib import Path
from typing import Annotated

import typer

from facetry.cli.options import CatalogueIn, CatalogueOut, keep_input

taxonomy = typer.Typer(help="Check and compare taxonomies, and relabel a catalogue.", no_args_is_help=True)

TaxonomyIn = Annotated[
    str, typer.Argument(metavar="FILE", help="A taxonomy: Google's text, Shopify's text or JSON, or YAML.")
]
Attributes = Annotated[
    str | None,
    typer.Option("--attributes", metavar="FILE", help="Shopify's attributes.json, beside its categories.json."),
]


@taxonomy.command()
def check(file: TaxonomyIn, attributes: Attributes = None) -> None:
    """Say what a taxonomy holds, or everything that is wrong with it, line by line."""
    from facetry.taxonomy import kind_of, read_taxonomy, read_text

    kind = kind_of(read_text(file))
    typer.echo(f"{file} is {kind}: {read_taxonomy(file, attributes=attributes).one_line()}")


@taxonomy.command()
def convert(
    file: TaxonomyIn,
    out: Annotated[Path, typer.Option("--out", help="The YAML file to write.")],
    attributes: Attributes = None,
) -> None:
    """Write a taxonomy as YAML, to correct it, to give it attributes, or to ingest with it."""
    from facetry.storage import write_atomically
    from facetry.taxonomy import as_yaml, read_taxonomy

    keep_input(file, out=out)
    found = read_taxonomy(file, attributes=attributes)
    write_atomically(out, as_yaml(found).encode())
    typer.echo(f"wrote {out}: {found.one_line()}")


@taxonomy.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A taxonomy.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="What it has become.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Also write a YAML mapping of the old paths to the new ones here.")
    ] = None,
) -> None:
    """Say which categories were added, removed, renamed and re-parented: by id where both have ids, else by name."""
    from facetry.taxonomy import read_taxonomy
    from facetry.taxonomy.difference import compare_taxonomies
    from facetry.taxonomy.mapping import write_mapping

    difference = compare_taxonomies(read_taxonomy(old), read_taxonomy(new))
    if mapping is not None:
        for file in (old, new):
            keep_input(file, out=mapping)
        write_mapping(mapping, difference, old=old, new=new)
    if as_json:
        typer.echo(difference.as_json())
        return
    for line in difference.as_lines():
        typer.echo(line)
    typer.echo(difference.one_line())


@taxonomy.command()
def relabel(
    catalogue: CatalogueIn,
    new: Annotated[str, typer.Option("--taxonomy", metavar="FILE", help="The taxonomy to label it with.")],
    mapping: Annotated[
        str, typer.Option("--mapping", metavar="FILE", help="Old paths to new ones, as `facetry taxonomy diff` writes.")
    ],
    out: CatalogueOut,
    attributes: Attributes = None,
    drop_unknown: Annotated[
        bool, typer.Option("--drop-unknown", help="Let listings whose label is in neither go on without one.")
    ] = False,
) -> None:
    """Write a catalogue again under a new taxonomy, its labels mapped."""
    from facetry.catalogue import Catalogue
    from facetry.taxonomy import read_taxonomy, told
    from facetry.taxonomy.mapping import read_mapping
    from facetry.taxonomy.relabelling import relabel

    keep_input(catalogue, out=out)
    found = read_taxonomy(new, attributes=attributes)
    summary = relabel(
        Catalogue.open(catalogue),
        taxonomy=found,
        mapping=read_mapping(mapping, new=found),
        drop_unknown=drop_unknown,
        out=out,
    )
    typer.echo(summary.one_line())
    for line in told(summary.unknown, taxonomy=found):
        typer.echo(line)

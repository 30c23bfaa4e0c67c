"""Serving a release, and asking it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from facetry.cli.options import Overrides, ParamsFile, ReleaseIn, load
from facetry.errors import RequestError


def serve(release: ReleaseIn, params: ParamsFile = None, overrides: Overrides = None) -> None:
    """Check a release and serve it with Triton until Ctrl-C."""
    from facetry.release import open_release
    from facetry.triton import serve

    section = load(params, overrides).serve
    serve(open_release(release).folder, params=section)


def predict(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Triton's HTTP address, as in localhost:8000.")],
    image: Annotated[list[Path] | None, typer.Option("--image", help="A picture; may be given again.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What the listing is called.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What the seller says of it.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Who makes it.")] = None,
    brand_description: Annotated[
        str | None, typer.Option("--brand-description", help="What the brand says of itself.")
    ] = None,
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

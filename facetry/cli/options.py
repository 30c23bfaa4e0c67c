"""Arguments and options that commands share, and what they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetry.errors import FacetryError

if TYPE_CHECKING:
    from facetry.config import Params

DEFAULT_PARAMS = Path("params.yaml")

ParamsFile = Annotated[
    Path | None,
    typer.Option(
        "--params", help="The parameters; params.yaml where there is one, if none is given.", show_default=False
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one parameter; may be given again."),
]
Out = Annotated[Path, typer.Option("--out", help="The folder to write; it appears whole or not at all.")]
CatalogueOut = Annotated[str, typer.Option("--out", help="The folder or s3:// prefix to write.")]
CatalogueIn = Annotated[str, typer.Argument(metavar="CATALOGUE", help="A catalogue: a folder or an s3:// prefix.")]
PartOption = Annotated[str, typer.Option("--part", metavar="I/N", help="Do one part of N, as in 2/4.")]
CheckpointIn = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder written by `facetry train`.")]
ReleaseIn = Annotated[Path, typer.Argument(metavar="RELEASE", help="A folder written by `facetry release`.")]


def load(file: Path | None, overrides: list[str] | None) -> "Params":
    """The parameters that a command was given."""
    from facetry.config import load_params

    return load_params(params_path(file), overrides or ())


def params_path(given: Path | None) -> Path | None:
    return given or (DEFAULT_PARAMS if DEFAULT_PARAMS.is_file() else None)


def keep_input(given: str | Path, *, out: str | Path) -> None:
    """Refuse to write a stage's output over, into or around its input."""
    from facetry.storage import overlaps

    if overlaps(given, out):
        raise FacetryError(f"--out {out} and the input {given} overlap: choose another --out")

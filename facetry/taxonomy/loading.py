"""A taxonomy in any of the formats, told apart by what is in it."""

import re
from enum import StrEnum
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.errors import StorageError, TaxonomyError
from facetry.taxonomy.path import SEPARATOR
from facetry.taxonomy.path_lines import (
    GOOGLE_LINE,
    GOOGLE_TITLE,
    SHOPIFY_LINE,
    load_google,
    load_shopify_text,
    path_lines,
)
from facetry.taxonomy.shopify_json import load_shopify_json
from facetry.taxonomy.tree import Taxonomy
from facetry.taxonomy.yaml_loader import load_yaml

MAX_FILE_BYTES = 256 * 2**20
HEAD_CHARACTERS = 10_000
NUM_LINES_LOOKED_AT = 50
_SHOPIFY_JSON = re.compile(r'\s*\{(?s:.*)"verticals"\s*:')


class TaxonomyKind(StrEnum):
    """Who writes a taxonomy like this."""

    GOOGLE = "Google's text"
    SHOPIFY_TEXT = "Shopify's text"
    SHOPIFY_JSON = "Shopify's JSON"
    YAML = "YAML"


def kind_of(text: str) -> TaxonomyKind:
    """The format of `text`: YAML when it is none of the others."""
    if _SHOPIFY_JSON.match(text[:HEAD_CHARACTERS]):
        return TaxonomyKind.SHOPIFY_JSON
    lines = [line for _, line in islice(path_lines(text), NUM_LINES_LOOKED_AT)]
    if lines and SHOPIFY_LINE.fullmatch(lines[0]):
        return TaxonomyKind.SHOPIFY_TEXT
    has_title = text.lstrip().startswith(GOOGLE_TITLE)
    if has_title or (lines and GOOGLE_LINE.fullmatch(lines[0])):
        return TaxonomyKind.GOOGLE
    # A path alone on a line is a scalar in YAML, where every category ends in a colon.
    is_paths = bool(lines) and ":" not in lines[0] and any(SEPARATOR in line for line in lines)
    return TaxonomyKind.GOOGLE if is_paths else TaxonomyKind.YAML


def load_taxonomy(
    text: str, *, origin: str, attributes_text: str | None = None, attributes_origin: str = "attributes.json"
) -> Taxonomy:
    """The taxonomy that `text` describes, whatever its format; a `TaxonomyError` with all that is wrong with it.

    `attributes_text` is Shopify's attributes.json, which goes with its categories.json only.
    """
    kind = kind_of(text)
    if kind is TaxonomyKind.SHOPIFY_JSON:
        return load_shopify_json(
            text, origin=origin, attributes_text=attributes_text, attributes_origin=attributes_origin
        )
    if attributes_text is not None:
        raise TaxonomyError(
            f"taxonomy {origin} is {kind}, which does not tell the attributes of a category: "
            f"give Shopify's categories.json together with {attributes_origin}"
        )
    load = {
        TaxonomyKind.GOOGLE: load_google,
        TaxonomyKind.SHOPIFY_TEXT: load_shopify_text,
        TaxonomyKind.YAML: load_yaml,
    }[kind]
    return load(text, origin=origin)


def read_taxonomy(address: str | Path, *, attributes: str | Path | None = None) -> Taxonomy:
    """The taxonomy in the file or object at `address`, with Shopify's attributes from another one."""
    return load_taxonomy(
        read_text(address),
        origin=str(address),
        attributes_text=read_text(attributes) if attributes is not None else None,
        attributes_origin=str(attributes),
    )


def read_text(address: str | Path) -> str:
    """The text at `address`; a `TaxonomyError` when it is not there, not UTF-8, or too large to be a taxonomy."""
    try:
        with storage.local_file(address) as path:
            num_bytes = path.stat().st_size
            data = path.read_bytes() if num_bytes <= MAX_FILE_BYTES else b""
    except (StorageError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TaxonomyError(f"cannot read the taxonomy {address}: {reason}") from error
    if num_bytes > MAX_FILE_BYTES:
        raise TaxonomyError(f"taxonomy {address} has {num_bytes / 2**20:.0f} MB, more than {MAX_FILE_BYTES // 2**20}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TaxonomyError(f"taxonomy {address}, line {line}: this is not UTF-8: save it as UTF-8") from error

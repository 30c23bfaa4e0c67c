"""Taxonomies with a path on each line: Google's, with numbers before the paths or without, and Shopify's."""

import re
from collections.abc import Iterator

from facetry.taxonomy.assembly import Entry, assemble
from facetry.taxonomy.faults import Faults
from facetry.taxonomy.path import SEPARATOR
from facetry.taxonomy.tree import Taxonomy

GOOGLE_TITLE = "# Google_Product_Taxonomy_Version"
GOOGLE_LINE = re.compile(r"(\d+) +- +(.*)")
SHOPIFY_LINE = re.compile(r"gid://shopify/TaxonomyCategory/(\S+) *:(?: +|$)(.*)")
COMMENT = "#"


def load_google(text: str, *, origin: str) -> Taxonomy:
    """Google's text; every line has a number when the first has one, and none has one otherwise."""
    first = next((line for _, line in path_lines(text)), "")
    if GOOGLE_LINE.fullmatch(first) is None:
        faults = Faults(origin)
        return assemble((_entry(path, line=number) for number, path in path_lines(text)), faults=faults)
    return _load(text, pattern=GOOGLE_LINE, example="123 - A > B", origin=origin)


def load_shopify_text(text: str, *, origin: str) -> Taxonomy:
    """Shopify's categories.txt; an id is what follows the last slash, as `ap-2-1`."""
    return _load(text, pattern=SHOPIFY_LINE, example="gid://shopify/TaxonomyCategory/aa-1 : A > B", origin=origin)


def path_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither empty nor comments, with their numbers."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(" \t\r")
        if stripped and not stripped.startswith(COMMENT):
            yield number, stripped


def _load(text: str, *, pattern: re.Pattern[str], example: str, origin: str) -> Taxonomy:
    faults = Faults(origin)
    return assemble(_entries(text, pattern=pattern, example=example, faults=faults), faults=faults)


def _entries(text: str, *, pattern: re.Pattern[str], example: str, faults: Faults) -> Iterator[Entry]:
    for number, line in path_lines(text):
        found = pattern.fullmatch(line)
        if found is None:
            faults.add(number, f"'{line[:60]}' has no id: write it as '{example}'")
        else:
            yield _entry(found[2], line=number, category_id=found[1])


def _entry(path: str, *, line: int, category_id: str | None = None) -> Entry:
    names = f"{path} ".split(SEPARATOR)  # a path that ends in the separator ends in an empty name
    return Entry(tuple(name.strip() for name in names), line, category_id)

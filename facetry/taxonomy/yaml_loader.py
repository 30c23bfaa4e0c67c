"""A taxonomy as YAML: a category maps to its `attributes` (names to lists of values) and its `categories`."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from facetry.errors import TaxonomyError
from facetry.taxonomy.tree import SEPARATOR, Attribute, Category, Taxonomy


def read_yaml(path: Path) -> Taxonomy:
    """The taxonomy in the file at `path`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TaxonomyError(f"cannot read the taxonomy {path}: {error.strerror}") from error
    return load_yaml(text, origin=str(path))


def load_yaml(text: str, *, origin: str) -> Taxonomy:
    """The taxonomy that `text` describes; `origin` names it in errors."""
    try:
        tree = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but text: `yes` stays "yes"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TaxonomyError(f"taxonomy {origin} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise TaxonomyError(f"taxonomy {origin} must map category names to their contents")
    return Taxonomy(tuple(_categories(tree, above=None, origin=origin)))


def _categories(tree: dict[object, object], *, above: Category | None, origin: str) -> Iterator[Category]:
    for name, contents in tree.items():
        path = f"{above.path}{SEPARATOR}{name}" if above else str(name)
        contents = {} if contents == "" else contents
        if not isinstance(contents, dict) or not set(contents) <= {"attributes", "categories"}:
            raise TaxonomyError(f"taxonomy {origin}: '{path}' may hold 'attributes' and 'categories' only")
        category = Category(path, _attributes(contents.get("attributes"), above=above, path=path, origin=origin))
        yield category
        below = contents.get("categories") or {}
        if not isinstance(below, dict):
            raise TaxonomyError(f"taxonomy {origin}: the categories of '{path}' must be a mapping")
        yield from _categories(below, above=category, origin=origin)


def _attributes(own: object, *, above: Category | None, path: str, origin: str) -> tuple[Attribute, ...]:
    inherited = above.attributes if above else ()
    if not own:
        return inherited
    if not isinstance(own, dict) or not all(isinstance(values, list) and values for values in own.values()):
        raise TaxonomyError(f"taxonomy {origin}: the attributes of '{path}' must map names to lists of values")
    added = {str(name): Attribute(str(name), tuple(str(value) for value in values)) for name, values in own.items()}
    return tuple(attribute for attribute in inherited if attribute.name not in added) + tuple(added.values())

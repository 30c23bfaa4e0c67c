"""Shopify's taxonomy as JSON: `categories.json`, or `taxonomy.json`, with the values of attributes in it or beside it.

Which attributes a category has is told by its own list only; which values they have, by `attributes.json`. Some
attributes are extended: a category calls them by another name, and their values are those of the one they extend.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from facetry.taxonomy.assembly import Entry, assemble, check_attribute
from facetry.taxonomy.attribute import Attribute
from facetry.taxonomy.faults import Faults
from facetry.taxonomy.tree import Taxonomy

_CATEGORY_BEGINS = re.compile(r'\{\s*"id"\s*:\s*"gid://shopify/TaxonomyCategory/[^"]*"\s*,\s*"level"')
_LINE_END = re.compile("\n")


class _Part(BaseModel):
    """What is read of a part of the file; it has more."""

    model_config = ConfigDict(frozen=True)


class _Value(_Part):
    name: str


class _Extension(_Part):
    handle: str


class _Definition(_Part):
    id: str
    handle: str = ""
    values: tuple[_Value, ...] = ()
    extended_attributes: tuple[_Extension, ...] = ()


class _Use(_Part):
    id: str
    name: str
    handle: str = ""


class _Category(_Part):
    id: str
    name: str
    parent_id: str | None
    attributes: tuple[_Use, ...] = ()


class _Vertical(_Part):
    categories: tuple[_Category, ...]


class _Categories(_Part):
    verticals: tuple[_Vertical, ...]
    attributes: tuple[_Definition, ...] = ()


class _Attributes(_Part):
    attributes: tuple[_Definition, ...]


_Whole = TypeVar("_Whole", _Categories, _Attributes)


def load_shopify_json(text: str, *, origin: str, attributes_text: str | None, attributes_origin: str) -> Taxonomy:
    """The tree in `text`; categories have attributes where the values of these are in it or in `attributes_text`."""
    faults = Faults(origin)
    file = _read(text, model=_Categories, faults=faults)
    definitions = file.attributes
    if attributes_text is not None:
        definitions = _read(attributes_text, model=_Attributes, faults=Faults(attributes_origin)).attributes
    categories = [category for vertical in file.verticals for category in vertical.categories]
    reader = _Reader(categories, lines=_lines(text, count=len(categories)), definitions=definitions, faults=faults)
    return assemble(reader.entries(), faults=faults)


class _Reader:
    """Puts together what the file tells of a category in several places."""

    def __init__(
        self,
        categories: Sequence[_Category],
        *,
        lines: Sequence[int | None],
        definitions: Sequence[_Definition],
        faults: Faults,
    ) -> None:
        self._categories = categories
        self._lines = lines
        self._faults = faults
        self._line_of = {category.id: line for category, line in zip(categories, lines, strict=True)}
        self._by_id = {category.id: category for category in categories}
        self._names: dict[str, tuple[str, ...] | None] = {}
        self._definitions = {definition.id: definition for definition in definitions}
        self._by_handle = {
            handle: definition
            for definition in definitions
            for handle in (*(extension.handle for extension in definition.extended_attributes), definition.handle)
        }
        self._attributes: dict[tuple[str, str], Attribute] = {}

    def entries(self) -> Iterator[Entry]:
        for category, line in zip(self._categories, self._lines, strict=True):
            names = self._path(category)
            if names is not None:
                yield Entry(names, line, _short(category.id), tuple(self._asked(category, line=line)))

    def _path(self, category: _Category) -> tuple[str, ...] | None:
        """The names from the top down to `category`; None where the way up goes in a circle or leads nowhere."""
        chain = {category.id: category}
        current = category
        while (parent_id := current.parent_id) is not None and parent_id not in self._names:
            parent = self._by_id.get(parent_id)
            if parent is None or parent_id in chain:
                self._faults.add(self._line_of[current.id], _why_no_way_up(current, chain=chain))
                self._names.update(dict.fromkeys(chain))
                return None
            chain[parent_id] = current = parent
        above = self._names[current.parent_id] if current.parent_id is not None else ()
        for each in reversed(chain.values()):
            above = None if above is None else (*above, each.name)
            self._names[each.id] = above
        return above

    def _asked(self, category: _Category, *, line: int | None) -> Iterator[Attribute]:
        """The attributes of a category; without definitions there are none, for their values are not known."""
        for use in category.attributes if self._definitions else ():
            definition = self._definitions.get(use.id) or self._by_handle.get(use.handle)
            if definition is None:
                text = f"'{category.name}' has the attribute '{use.name}' ({_short(use.id)}), which is not defined"
                self._faults.add(line, f"{text}: take both files from one release")
                continue
            place = (definition.id, use.name)
            if place not in self._attributes:
                self._attributes[place] = Attribute(use.name, tuple(value.name for value in definition.values))
                check_attribute(self._attributes[place], line=line, faults=self._faults)
            yield self._attributes[place]


def _read(text: str, *, model: type[_Whole], faults: Faults) -> _Whole:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            where = ".".join(str(part) for part in problem["loc"])
            faults.add(
                None, f"{where}: {problem['msg']}" if where else f"this is not JSON of Shopify: {problem['msg']}"
            )
        faults.refuse()
        raise


def _lines(text: str, *, count: int) -> Sequence[int | None]:
    """The line that each category begins on; unknown when the keys do not stand as Shopify writes them."""
    starts = [found.start() for found in _CATEGORY_BEGINS.finditer(text)]
    if len(starts) != count:
        return [None] * count
    line_ends = [found.start() for found in _LINE_END.finditer(text)]
    return [bisect_left(line_ends, start) + 1 for start in starts]


def _why_no_way_up(category: _Category, *, chain: Mapping[str, _Category]) -> str:
    parent_id = category.parent_id
    assert parent_id is not None
    if parent_id not in chain:
        return f"'{category.name}' has the parent '{_short(parent_id)}', which is not in the file: add it"
    ids = list(chain)
    circle = [*ids[ids.index(parent_id) :], parent_id]
    return (
        f"categories are above each other in a cycle ({' below '.join(map(_short, circle))}): give one another parent"
    )


def _short(gid: str) -> str:
    return gid.rsplit("/", maxsplit=1)[-1]

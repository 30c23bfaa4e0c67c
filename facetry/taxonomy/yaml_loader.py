"""A taxonomy as YAML: a category maps to its `id`, its `attributes` and its `categories`.

An attribute is a list of values, or a mapping that tells its kind. Categories have the attributes of those above them;
`without` lists those that they lack.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from facetry.taxonomy.assembly import Entry, assemble, check_attribute
from facetry.taxonomy.attribute import DEFAULT_TEXT_CHARACTERS, Attribute, AttributeKind
from facetry.taxonomy.faults import Faults
from facetry.taxonomy.nearest import NearestNames
from facetry.taxonomy.tree import Taxonomy
from facetry.taxonomy.yaml_nodes import Listed, Mapped, Node, Scalar, fields_of, read_nodes, scalar_pairs

OF_A_CATEGORY = ("id", "attributes", "without", "categories")
OF_AN_ATTRIBUTE = ("kind", "values", "many", "unit", "max_characters")
KINDS = {kind.value: kind for kind in AttributeKind}
TRUTHS = {"true": True, "false": False}
UNREADABLE = "?"
"""Stands for values that are a fault already, so that they are not said to be missing too."""

_Choice = TypeVar("_Choice")


def load_yaml(text: str, *, origin: str) -> Taxonomy:
    """The taxonomy that `text` describes; `origin` names it in errors."""
    faults = Faults(origin)
    root = read_nodes(text, faults=faults)
    if not isinstance(root, Mapped):
        raise faults.error(root.line, "it must map category names to their contents")
    return assemble(_Reader(faults).categories(root, above=None), faults=faults)


@dataclass(slots=True)
class _Reader:
    """Walks the tree; an attribute that many categories share by an alias is read once."""

    faults: Faults
    _inside: list[Node] = field(default_factory=list)
    _known: dict[tuple[str, int], Attribute] = field(default_factory=dict)

    def categories(self, tree: Mapped, *, above: Entry | None) -> Iterator[Entry]:
        self._inside.append(tree)
        for key, contents in scalar_pairs(tree, faults=self.faults):
            names = (*(above.names if above else ()), key.text)
            of = f"category '{key.text}'"
            fields = self._fields(contents, of=of)
            entry = Entry(
                names,
                line=key.line,
                id=self._text(fields.get("id"), of=f"the id of {of}"),
                attributes=self._attributes(fields, above=above, of=of),
            )
            yield entry
            below = fields.get("categories")
            if isinstance(below, Mapped) and any(below is node for node in self._inside):
                self.faults.add(key.line, f"{of} stands inside itself: its categories are an alias of those around it")
            elif isinstance(below, Mapped):
                yield from self.categories(below, above=entry)
            elif not _is_nothing(below):
                self.faults.add(key.line, f"the categories of '{key.text}' must be a mapping")
        self._inside.pop()

    def _fields(self, contents: Node, *, of: str) -> dict[str, Node]:
        if isinstance(contents, Mapped):
            return fields_of(contents, allowed=OF_A_CATEGORY, of=of, faults=self.faults)
        if not _is_nothing(contents):
            self.faults.add(contents.line, f"{of} must be a mapping of {', '.join(OF_A_CATEGORY)}, or nothing")
        return {}

    def _attributes(self, fields: dict[str, Node], *, above: Entry | None, of: str) -> tuple[Attribute, ...]:
        inherited = above.attributes if above else ()
        own = self._own_attributes(fields.get("attributes"), of=of)
        lacking = self._lacking(fields.get("without"), inherited=inherited, of=of)
        if not own and not lacking:
            return inherited
        return tuple(each for each in inherited if each.name not in own and each.name not in lacking) + tuple(
            own.values()
        )

    def _own_attributes(self, node: Node | None, *, of: str) -> dict[str, Attribute]:
        if _is_nothing(node):
            return {}
        if not isinstance(node, Mapped):
            assert node is not None
            self.faults.add(node.line, f"the attributes of {of} must map names to lists of values")
            return {}
        own: dict[str, Attribute] = {}
        for key, value in scalar_pairs(node, faults=self.faults):
            if key.text in own:
                self.faults.add(key.line, f"{of} has the attribute '{key.text}' twice: keep one")
            place = (key.text, id(value))
            if place not in self._known:
                self._known[place] = self._attribute(key, value)
                check_attribute(self._known[place], line=key.line, faults=self.faults)
            own[key.text] = self._known[place]
        return own

    def _lacking(self, node: Node | None, *, inherited: tuple[Attribute, ...], of: str) -> frozenset[str]:
        names = frozenset(self._texts(node, of=f"'without' of {of}"))
        known = [attribute.name for attribute in inherited]
        for name in names.difference(known):
            nearest = NearestNames(known).nearest(name)
            hint = f": did you mean '{nearest[0]}'?" if nearest else ""
            assert node is not None
            self.faults.add(node.line, f"{of} is without '{name}', which no category above it has{hint}")
        return names

    def _attribute(self, key: Scalar, value: Node) -> Attribute:
        named = f"attribute '{key.text}'"
        if not isinstance(value, Mapped):
            return Attribute(key.text, self._texts(value, of=f"the values of {named}"))
        fields = fields_of(value, allowed=OF_AN_ATTRIBUTE, of=named, faults=self.faults)
        kind = self._one_of(fields.get("kind"), KINDS, default=AttributeKind.CLOSED, of=f"the kind of {named}")
        default = DEFAULT_TEXT_CHARACTERS if kind is AttributeKind.TEXT else None
        return Attribute(
            key.text,
            self._texts(fields.get("values"), of=f"the values of {named}"),
            kind=kind,
            many=self._one_of(fields.get("many"), TRUTHS, default=False, of=f"'many' of {named}"),
            unit=self._text(fields.get("unit"), of=f"the unit of {named}"),
            max_characters=self._number(fields.get("max_characters"), default=default, of=named),
        )

    def _texts(self, node: Node | None, *, of: str) -> tuple[str, ...]:
        if _is_nothing(node):
            return ()
        assert node is not None
        if not isinstance(node, Listed) or not all(isinstance(item, Scalar) for item in node.items):
            self.faults.add(node.line, f"{of} must be a list of texts, as [red, blue]")
            return (UNREADABLE,)
        return tuple(item.text for item in node.items if isinstance(item, Scalar))

    def _text(self, node: Node | None, *, of: str) -> str | None:
        if _is_nothing(node):
            return None
        if not isinstance(node, Scalar):
            assert node is not None
            self.faults.add(node.line, f"{of} must be a text")
            return None
        return node.text

    def _one_of(self, node: Node | None, known: Mapping[str, _Choice], *, default: _Choice, of: str) -> _Choice:
        text = self._text(node, of=of)
        if text is None or text in known:
            return default if text is None else known[text]
        assert node is not None
        nearest = get_close_matches(text, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"use {', '.join(known)}"
        self.faults.add(node.line, f"{of} is '{text}': {hint}")
        return default

    def _number(self, node: Node | None, *, default: int | None, of: str) -> int | None:
        text = self._text(node, of=f"max_characters of {of}")
        if node is None or text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            self.faults.add(node.line, f"max_characters of {of} is '{text}': write a whole number")
            return default
        return int(text)


def _is_nothing(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.text == "")

"""A taxonomy written as the YAML that `load_yaml` reads: loading it again gives an equal one."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from facetry.taxonomy.attribute import DEFAULT_TEXT_CHARACTERS, Attribute, AttributeKind
from facetry.taxonomy.tree import Category, Taxonomy

INDENT = "  "
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _&'/()+.-]*(?<! )")
NOT_PLAIN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that other readers of YAML take for something else than text."""
ESCAPES = {code: f"\\u{code:04x}" for code in (0xFEFF, 0xFFFE, 0xFFFF)}
"""Characters that YAML may hold only escaped, and JSON as they are."""


def as_yaml(taxonomy: Taxonomy) -> str:
    """The taxonomy as YAML; what many categories ask is written once and referred to."""
    return "".join(f"{line}\n" for line in _Writer(taxonomy).lines())


class _Writer:
    def __init__(self, taxonomy: Taxonomy) -> None:
        self._below: dict[str | None, list[Category]] = {}
        for category in taxonomy.categories:
            self._below.setdefault(category.parent_path, []).append(category)
        own = {
            each.path: _own(each, above=taxonomy.by_path.get(each.parent_path or "")) for each in taxonomy.categories
        }
        self._own = own
        self._uses = Counter(attribute for attributes, _ in own.values() for attribute in attributes)
        self._anchors: dict[Attribute, str] = {}

    def lines(self) -> Iterator[str]:
        return self._categories(None, indent="")

    def _categories(self, parent: str | None, *, indent: str) -> Iterator[str]:
        for category in self._below[parent]:
            own, lacking = self._own[category.path]
            fields = [f"id: {scalar(category.id)}"] if category.id is not None else []
            fields += [f"without: {_flow(lacking)}"] if lacking else []
            has_more = own or category.path in self._below
            if not has_more:
                contents = f" {{{', '.join(fields)}}}" if fields else ""
                yield f"{indent}{scalar(category.name)}:{contents}"
                continue
            yield f"{indent}{scalar(category.name)}:"
            yield from (f"{indent}{INDENT}{each}" for each in fields)
            if own:
                yield f"{indent}{INDENT}attributes:"
                yield from (f"{indent}{INDENT * 2}{scalar(each.name)}: {self._attribute(each)}" for each in own)
            if category.path in self._below:
                yield f"{indent}{INDENT}categories:"
                yield from self._categories(category.path, indent=f"{indent}{INDENT * 2}")

    def _attribute(self, attribute: Attribute) -> str:
        if attribute in self._anchors:
            return f"*{self._anchors[attribute]}"
        if self._uses[attribute] == 1:
            return _written(attribute)
        self._anchors[attribute] = f"a{len(self._anchors) + 1}"
        return f"&{self._anchors[attribute]} {_written(attribute)}"


def scalar(text: str) -> str:
    """A text as YAML, in quotes where it might be taken for something else."""
    is_plain = _PLAIN.fullmatch(text) is not None and text.casefold() not in NOT_PLAIN
    return text if is_plain else json.dumps(text, ensure_ascii=False).translate(ESCAPES)


def _own(category: Category, *, above: Category | None) -> tuple[Sequence[Attribute], Sequence[str]]:
    """What to write of a category's attributes: those it adds or changes, and the names of those it lacks."""
    inherited = above.attributes if above is not None else ()
    names = {attribute.name for attribute in category.attributes}
    lacking = [attribute.name for attribute in inherited if attribute.name not in names]
    kept = [attribute for attribute in inherited if attribute in category.attributes]
    if list(category.attributes[: len(kept)]) == kept:
        return category.attributes[len(kept) :], lacking
    return category.attributes, lacking


def _written(attribute: Attribute) -> str:
    if attribute.is_choice:
        return _flow(attribute.values)
    default = DEFAULT_TEXT_CHARACTERS if attribute.kind is AttributeKind.TEXT else None
    fields = {
        "kind": attribute.kind.value,
        "values": _flow(attribute.values) if attribute.values else None,
        "many": "true" if attribute.many else None,
        "unit": scalar(attribute.unit) if attribute.unit is not None else None,
        "max_characters": str(attribute.max_characters) if attribute.max_characters != default else None,
    }
    return f"{{{', '.join(f'{name}: {value}' for name, value in fields.items() if value is not None)}}}"


def _flow(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(scalar, texts))}]"

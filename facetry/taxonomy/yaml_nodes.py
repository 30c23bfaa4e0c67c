"""YAML as nodes that know their lines. Nothing is interpreted: `yes` stays "yes".

Read event by event, because PyYAML's own tree builder overflows the stack on deep nesting and forgets double keys.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from facetry.taxonomy.faults import Faults

MAX_NESTING = 128
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True, eq=False)
class Scalar:
    line: int
    text: str


@dataclass(slots=True, eq=False)
class Listed:
    line: int
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapped:
    """The pairs of a mapping, in order; a key may stand twice."""

    line: int
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)
    key: "Node | None" = None

    @property
    def is_empty(self) -> bool:
        return not self.pairs


Node: TypeAlias = Scalar | Listed | Mapped


def read_nodes(text: str, *, faults: Faults) -> Node:
    """The only document in `text`; an alias is the very node that its anchor names, so a node may hold itself."""
    try:
        return _build(text, faults=faults)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise faults.error(line, f"this is not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise faults.error(None, f"this is not YAML: {' '.join(str(error).split())}") from error


def scalar_pairs(mapping: Mapped, *, faults: Faults) -> list[tuple[Scalar, Node]]:
    """The pairs of `mapping`; keys that are no text are faults."""
    pairs = []
    for key, value in mapping.pairs:
        if isinstance(key, Scalar):
            pairs.append((key, value))
        else:
            faults.add(key.line, "a name must be a text, not a list or a mapping")
    return pairs


def fields_of(mapping: Mapped, *, allowed: tuple[str, ...], of: str, faults: Faults) -> dict[str, Node]:
    """What `mapping` holds by key; keys that are not `allowed`, or stand twice, are faults."""
    found: dict[str, tuple[int, Node]] = {}
    for key, value in scalar_pairs(mapping, faults=faults):
        if key.text not in allowed:
            words = " and ".join(filter(None, [", ".join(f"'{each}'" for each in allowed[:-1]), f"'{allowed[-1]}'"]))
            faults.add(key.line, f"{of} may hold {words} only, not '{key.text}'")
        elif key.text in found:
            faults.add(key.line, f"{of} has '{key.text}' twice, also on line {found[key.text][0]}: keep one")
        else:
            found[key.text] = (key.line, value)
    return {name: value for name, (_, value) in found.items()}


def _build(text: str, *, faults: Faults) -> Node:
    anchors: dict[str, Node] = {}
    open_nodes: list[Listed | Mapped] = []
    root: Node | None = None
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        line = event.start_mark.line + 1 if event.start_mark else 1
        node = _node(event, anchors=anchors, line=line, faults=faults)
        if open_nodes:
            _put(node, into=open_nodes[-1])
        elif root is None:
            root = node
        else:
            raise faults.error(line, "a second document begins: keep one")
        if isinstance(event, yaml.CollectionStartEvent):
            assert not isinstance(node, Scalar)
            open_nodes.append(node)
            if len(open_nodes) > MAX_NESTING:
                raise faults.error(line, f"nested more than {MAX_NESTING} deep: make it flatter")
    return root if root is not None else Scalar(1, "")


def _node(event: yaml.NodeEvent, *, anchors: dict[str, Node], line: int, faults: Faults) -> Node:
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise faults.error(line, f"no anchor &{event.anchor} stands before *{event.anchor}")
        return anchors[event.anchor]
    node: Node
    if isinstance(event, yaml.ScalarEvent):
        node = Scalar(line, event.value)
    else:
        node = Listed(line) if isinstance(event, yaml.SequenceStartEvent) else Mapped(line)
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _put(node: Node, *, into: Listed | Mapped) -> None:
    if isinstance(into, Listed):
        into.items.append(node)
    elif into.key is None:
        into.key = node
    else:
        into.pairs.append((into.key, node))
        into.key = None

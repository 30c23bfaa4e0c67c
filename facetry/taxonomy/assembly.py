"""The categories that a file names become a tree, or a list of what is wrong with them."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from facetry.taxonomy.attribute import Attribute, folded, problems_of
from facetry.taxonomy.faults import Faults
from facetry.taxonomy.nearest import NearestNames
from facetry.taxonomy.path import SEPARATOR
from facetry.taxonomy.tree import Category, Taxonomy

SEPARATING_CHARACTER = SEPARATOR.strip()
MAX_CATEGORIES = 100_000
MAX_LEVELS = 30
MAX_NAME_CHARACTERS = 300
UNFIT = {"Cc": "a control character", "Zl": "a line break", "Zp": "a line break", "Cs": "half a character"}
"""What no name may hold, by Unicode's categories."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A category as a file names it: the names from the top of the tree down, and its line, where that is known."""

    names: tuple[str, ...]
    line: int | None
    id: str | None = None
    attributes: tuple[Attribute, ...] = ()

    @property
    def path(self) -> str:
        return SEPARATOR.join(self.names)


def assemble(entries: Iterable[Entry], *, faults: Faults) -> Taxonomy:
    """The tree of `entries`, each followed by those below it; a parent may stand after its children.

    A `TaxonomyError` that tells what is wrong with them, along with what is in `faults` already.
    """
    by_path: dict[str, Entry] = {}
    for entry in _as_many_as_allowed(entries, faults=faults):
        for problem in _name_problems(entry):
            faults.add(entry.line, problem)
        earlier = by_path.setdefault(entry.path, entry)
        if earlier is not entry:
            faults.add(entry.line, f"category '{entry.path}' stands twice{_also_on(earlier)}: keep one")
    _check_siblings(by_path.values(), faults=faults)
    _check_ids(by_path.values(), faults=faults)
    _check_parents(by_path, faults=faults)
    if not by_path:
        faults.add(None, "it has no categories: write at least one")
    faults.refuse()
    return Taxonomy(tuple(Category(entry.path, entry.attributes, entry.id) for entry in _tree_order(by_path)))


def _name_problems(entry: Entry) -> list[str]:
    """What is wrong with the last name, and with the path as a whole: names above have entries of their own."""
    if not all(name.strip() for name in entry.names):
        return [f"a category in '{entry.path}' has no name: write one"]
    name = entry.names[-1]
    problem = problem_of_text(name)
    if problem is None and SEPARATING_CHARACTER in name:
        problem = f"'{name}' holds '{SEPARATING_CHARACTER}', which stands between names: write something else"
    problems = [f"category {problem}"] if problem else []
    if len(entry.names) > MAX_LEVELS:
        problems.append(f"category '{entry.path[:40]}…' has more than {MAX_LEVELS} levels: make it flatter")
    return problems


def problem_of_text(text: str) -> str | None:
    """What is wrong with a text that models are to say, if anything is."""
    if not text:
        return "'' is empty: write something, or remove it"
    if len(text) > MAX_NAME_CHARACTERS:
        return f"'{text[:40]}…' has {len(text)} characters, more than {MAX_NAME_CHARACTERS}: shorten it"
    if not text.isprintable():
        unfit = {UNFIT[kind] for kind in map(unicodedata.category, text) if kind in UNFIT}
        if unfit:
            return f"{text!r} holds {' and '.join(sorted(unfit))}: remove it"
    return f"'{text}' begins or ends with white space: remove it" if text != text.strip() else None


def _as_many_as_allowed(entries: Iterable[Entry], *, faults: Faults) -> Iterable[Entry]:
    for number, entry in enumerate(entries):
        if number == MAX_CATEGORIES:
            raise faults.error(entry.line, f"there are more than {MAX_CATEGORIES:,} categories: split the taxonomy")
        yield entry


def _check_siblings(entries: Iterable[Entry], *, faults: Faults) -> None:
    first: dict[tuple[tuple[str, ...], str], Entry] = {}
    for entry in entries:
        earlier = first.setdefault((entry.names[:-1], folded(entry.names[-1])), entry)
        if earlier is not entry:
            pair = f"'{entry.path}' and '{earlier.names[-1]}'{_on(earlier)}"
            faults.add(entry.line, f"{pair} differ in case or white space only: rename one")


def _check_ids(entries: Iterable[Entry], *, faults: Faults) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        earlier = first.setdefault(entry.id, entry) if entry.id is not None else entry
        if earlier is not entry:
            faults.add(
                entry.line, f"'{entry.path}' has the id {entry.id} of '{earlier.path}'{_on(earlier)}: change one"
            )


def _check_parents(by_path: dict[str, Entry], *, faults: Faults) -> None:
    orphans = [entry for entry in by_path.values() if len(entry.names) > 1 and _parent(entry) not in by_path]
    known = NearestNames(by_path) if orphans else None
    for entry in orphans:
        parent = _parent(entry)
        nearest = [path for path in known.nearest(parent, at_least=0.9) if path != entry.path] if known else []
        hint = f"add it, or did you mean '{nearest[0]}'?" if nearest else "add a line for it"
        faults.add(entry.line, f"'{entry.path}' has no parent '{parent}': {hint}")


def check_attribute(attribute: Attribute, *, line: int | None, faults: Faults) -> None:
    """Tell what is wrong with an attribute and the words in it."""
    unit = () if attribute.unit is None else (attribute.unit,)
    for problem in problems_of(attribute):
        faults.add(line, f"attribute '{attribute.name}' {problem}")
    for problem in filter(None, map(problem_of_text, (attribute.name, *attribute.values, *unit))):
        faults.add(line, f"attribute '{attribute.name}': {problem}")


def _tree_order(by_path: dict[str, Entry]) -> list[Entry]:
    """Every category followed by all that is below it; those with the same parent in their order."""
    below: dict[str, list[Entry]] = {}
    for entry in by_path.values():
        below.setdefault(_parent(entry), []).append(entry)
    ordered: list[Entry] = []
    waiting = below[""][::-1]
    while waiting:
        ordered.append(waiting.pop())
        waiting += reversed(below.get(ordered[-1].path, ()))
    return ordered


def _parent(entry: Entry) -> str:
    return SEPARATOR.join(entry.names[:-1])


def _also_on(entry: Entry) -> str:
    return f", also on line {entry.line}" if entry.line else ""


def _on(entry: Entry) -> str:
    return f" (line {entry.line})" if entry.line else ""

"""What a category asks of a product, and which answers it allows."""

from dataclasses import dataclass
from enum import StrEnum

MAX_TEXT_CHARACTERS = 1000
DEFAULT_TEXT_CHARACTERS = 100
MAX_VALUES = 20_000


class AttributeKind(StrEnum):
    """What an answer is: one of a list of values, words of its own, a number, or yes or no."""

    CLOSED = "closed"
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A question that a category asks of a product, and the answers it allows.

    Only a closed one has `values`, only a number may have a `unit`, and only a text has `max_characters`; with `many`
    an answer is a list.
    """

    name: str
    values: tuple[str, ...] = ()
    kind: AttributeKind = AttributeKind.CLOSED
    many: bool = False
    unit: str | None = None
    max_characters: int | None = None

    @property
    def is_choice(self) -> bool:
        """Whether an answer is exactly one of its values."""
        return self.kind is AttributeKind.CLOSED and not self.many


def problems_of(attribute: Attribute) -> list[str]:
    """Why no answer could satisfy `attribute`, or what it says that its kind cannot have."""
    is_closed, is_text = attribute.kind is AttributeKind.CLOSED, attribute.kind is AttributeKind.TEXT
    problems = []
    if is_closed and not attribute.values:
        problems.append("has no values: list them, or give it another kind")
    if is_closed and len(attribute.values) > MAX_VALUES:
        problems.append(f"has {len(attribute.values)} values, more than {MAX_VALUES}: make it a text")
    if attribute.values and not is_closed:
        problems.append(f"is a {attribute.kind} and has values: only a closed one has them")
    if attribute.unit is not None and attribute.kind is not AttributeKind.NUMBER:
        problems.append(f"is {attribute.kind} and has a unit: only a number has one")
    if attribute.max_characters is not None and not is_text:
        problems.append(f"is {attribute.kind} and has max_characters: only a text has them")
    if is_text and not 1 <= (attribute.max_characters or 0) <= MAX_TEXT_CHARACTERS:
        problems.append(f"has max_characters {attribute.max_characters}: use 1 to {MAX_TEXT_CHARACTERS}")
    if attribute.many and attribute.kind is AttributeKind.BOOLEAN:
        problems.append("is a boolean with many answers: make it a single one, or closed")
    problems += _equal_values(attribute.values)
    return problems


def _equal_values(values: tuple[str, ...]) -> list[str]:
    """Values that are told apart by case and white space at most."""
    first: dict[str, str] = {}
    problems = []
    for value in values:
        earlier = first.setdefault(folded(value), value)
        if earlier is not value:
            same = f"the value '{value}' twice" if earlier == value else f"the equal values '{earlier}' and '{value}'"
            problems.append(f"has {same}: keep one")
    return problems


def folded(text: str) -> str:
    """`text` without what people do not see as a difference: case, and how much white space there is."""
    return " ".join(text.split()).casefold()

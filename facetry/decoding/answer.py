"""What a model says of a listing."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """A category of the taxonomy and a value for each of its attributes, with the model's own probabilities."""

    category: str
    probability: float
    attributes: Mapping[str, str] = field(default_factory=dict)
    attribute_probabilities: Mapping[str, float] = field(default_factory=dict)

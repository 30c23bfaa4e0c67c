"""Work divided into equal parts, which can be done apart and be put together after."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from facetry.errors import ConfigError

Item = TypeVar("Item")
PART = re.compile("[1-9][0-9]{0,5}/[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Part:
    """One of the equal parts of some work, counted from 0; written `1/4`, `2/4`, … for people."""

    index: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ConfigError(f"no part {self.index + 1} of {self.of}: they are 1 to {self.of}")

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The part that is written as `2/4`."""
        if not PART.fullmatch(text):
            raise ConfigError(f"'{text}' is no part: write 2/4 for the second of four")
        number, _, of = text.partition("/")
        return cls(int(number) - 1, int(of))

    def start(self, total: int) -> int:
        """The first of `total` items that is this part's."""
        return total * self.index // self.of

    def end(self, total: int) -> int:
        """One after the last of `total` items that is this part's."""
        return total * (self.index + 1) // self.of

    def of_sequence(self, items: Sequence[Item]) -> Sequence[Item]:
        """This part's share of `items`."""
        return items[self.start(len(items)) : self.end(len(items))]


WHOLE = Part(0, 1)


def plan(num_parts: int) -> list[Part]:
    """Every part of work that is divided into `num_parts`."""
    return [Part(index, num_parts) for index in range(num_parts)]

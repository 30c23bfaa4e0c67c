"""Parts together are the whole, each item once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetry.errors import ConfigError
from facetry.parts import Part, plan


@given(st.integers(0, 1000), st.integers(1, 50))
def test_every_item_is_in_exactly_one_part_and_the_parts_are_of_a_size(num_items: int, num_parts: int) -> None:
    items = list(range(num_items))
    shares = [part.of_sequence(items) for part in plan(num_parts)]
    assert [item for share in shares for item in share] == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_part_is_written_as_it_is_read() -> None:
    assert [str(part) for part in plan(3)] == ["1/3", "2/3", "3/3"]
    assert [Part.parse(str(part)) for part in plan(3)] == plan(3)


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/2/3"])
def test_what_is_no_part_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="part") as caught:
        Part.parse(text)
    assert "\n" not in str(caught.value)

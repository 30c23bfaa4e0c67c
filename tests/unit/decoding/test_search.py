"""Search held against scoring every label, over random trees and a made-up model; test_exactness has real ones."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetry.decoding.search import Ranking, rank
from facetry.decoding.trie import Trie
from tests.unit.decoding.drawn_reading import NUM_TOKENS, DrawnReading

END = 0
WORDS = st.lists(st.integers(1, NUM_TOKENS - 1), min_size=1, max_size=6)
LABELS = st.lists(WORDS, min_size=1, max_size=40, unique_by=tuple).map(
    lambda rows: {f"label {number}": [*row, END] for number, row in enumerate(rows)}
)
READINGS = st.builds(DrawnReading, st.tuples(st.integers(0, 1000)), st.floats(0, 8), st.builds(list))
ALL = 10**6


def _ranking(reading: DrawnReading, trie: Trie, **options: int | None) -> Ranking:
    [ranking] = rank(reading, [trie], **{"max_expansions": ALL, **options})  # type: ignore[arg-type]  # one mapping for all
    assert ranking is not None
    return ranking


def _probabilities(reading: DrawnReading, labels: Mapping[str, list[int]]) -> dict[str, float]:
    return {label: math.exp(reading.log_probability(0, tokens)) for label, tokens in labels.items()}


@given(READINGS, LABELS, st.integers(1, 50), st.integers(1, 5))
def test_the_top_labels_of_a_made_up_model_are_those_that_scoring_every_label_finds(
    reading: DrawnReading, labels: dict[str, list[int]], top_k: int, at_once: int
) -> None:
    ranking = _ranking(reading, Trie.compile(labels), top_k=top_k, max_prefixes_per_pass=at_once)
    scored = _probabilities(reading, labels)
    assert ranking.is_exact
    assert len(ranking.found) == min(top_k, len(labels))
    assert [found.probability for found in ranking.found] == pytest.approx(
        sorted(scored.values(), reverse=True)[:top_k], rel=1e-9
    )
    for found in ranking.found:
        assert found.probability == pytest.approx(scored[found.label], rel=1e-9)
        assert list(found.tokens) == labels[found.label]


@given(READINGS, LABELS, st.data())
def test_a_shortlist_is_ranked_as_if_it_were_all_there_is(
    reading: DrawnReading, labels: dict[str, list[int]], data: st.DataObject
) -> None:
    shortlist = data.draw(st.lists(st.sampled_from(sorted(labels)), min_size=1, unique=True))
    ranking = _ranking(reading, Trie.compile(labels).among(shortlist), top_k=3)
    alone = _ranking(reading, Trie.compile({label: labels[label] for label in shortlist}), top_k=3)
    assert {found.label for found in ranking.found} <= set(shortlist)
    assert [found.probability for found in ranking.found] == pytest.approx(
        [found.probability for found in alone.found], rel=1e-9
    )


@given(READINGS, LABELS, st.integers(1, 4), st.integers(1, 6), st.sampled_from([1, 2, None]))
def test_search_that_is_cut_short_answers_from_the_trie_and_says_when_it_may_be_wrong(
    reading: DrawnReading, labels: dict[str, list[int]], top_k: int, max_expansions: int, beam: int | None
) -> None:
    ranking = _ranking(reading, Trie.compile(labels), top_k=top_k, beam=beam, max_expansions=max_expansions)
    scored = _probabilities(reading, labels)
    assert ranking.found
    for found in ranking.found:
        assert found.probability == pytest.approx(scored[found.label], rel=1e-9)
    if ranking.is_exact:
        best = sorted(scored.values(), reverse=True)[:top_k]
        assert [found.probability for found in ranking.found] == pytest.approx(best, rel=1e-9)


@given(READINGS, LABELS, st.integers(1, 3), st.integers(0, 20))
def test_the_mass_of_what_is_below_any_node_lies_between_its_bounds(
    reading: DrawnReading, labels: dict[str, list[int]], top_k: int, max_expansions: int
) -> None:
    trie = Trie.compile(labels)
    ranking = _ranking(reading, trie, top_k=top_k, max_expansions=max_expansions)
    scored = _probabilities(reading, labels)
    for node in range(len(trie.child_ends)):
        numbers = trie.labels_below(node)
        true = sum(scored[trie.labels[number]] for number in numbers)
        mass = ranking.mass(numbers)
        assert mass.lower - 1e-12 <= true <= mass.upper + 1e-12
    for found in ranking.found:
        mass = ranking.mass([trie.number(found.label)])
        assert mass.lower == mass.upper == pytest.approx(found.probability)


@given(st.lists(st.tuples(st.integers(0, 99), LABELS), min_size=1, max_size=5), st.floats(0, 8), st.integers(1, 3))
def test_a_batch_is_ranked_as_its_rows_are_one_by_one(
    rows: list[tuple[int, dict[str, list[int]]]], sharpness: float, top_k: int
) -> None:
    together = DrawnReading(tuple(seed for seed, _ in rows), sharpness, [])
    tries = [Trie.compile(labels) for _, labels in rows]
    for row, ranking in enumerate(rank(together, tries, top_k=top_k)):
        assert ranking == replace(
            _ranking(DrawnReading((rows[row][0],), sharpness, []), tries[row], top_k=top_k, max_expansions=256),
            leaves=ranking.leaves if ranking else (),
        )


def test_rows_without_a_trie_are_given_nothing_and_have_no_ranking() -> None:
    trie = Trie.compile({"a": [1, 1, END], "b": [1, 2, END], "c": [2, 2, END]})
    reading = DrawnReading((1, 2, 3), 1.0, [])
    first, second, third = rank(reading, [None, trie, None])
    assert first is third is None
    assert second == replace(_ranking(DrawnReading((2,), 1.0, []), trie), leaves=second.leaves if second else ())
    assert second is not None
    assert sum(reading.num_passes) == second.num_expansions


def test_tokens_that_follow_without_a_choice_cost_one_pass() -> None:
    trie = Trie.compile({"a": [1, 2, 3, 4, 5, END], "b": [2, 2, 3, 4, 5, END]})
    reading = DrawnReading((5,), 0.0, [])
    assert _ranking(reading, trie).num_expansions <= 2
    assert len(reading.num_passes) <= 2


def test_past_the_bound_search_goes_straight_to_an_answer() -> None:
    labels = {f"{a}{b}{c}": [a, b, c, END] for a in range(1, 8) for b in range(1, 8) for c in range(1, 8)}
    flat = DrawnReading((1,), 0.01, [])
    ranking = _ranking(flat, Trie.compile(labels), max_expansions=5)
    assert not ranking.is_exact
    assert 5 <= ranking.num_expansions <= 8
    assert _ranking(flat, Trie.compile(labels)).num_expansions > 20
    assert _ranking(flat, Trie.compile(labels), beam=1).num_expansions <= 3

import pytest

from facetry.decoding.trie import Trie
from facetry.errors import TaxonomyError


def test_a_trie_knows_what_may_follow_and_what_is_whole() -> None:
    trie = Trie({"a": [1, 2, 9], "b": [1, 3, 9]})
    assert trie.children(()) == (1,)
    assert trie.children((1,)) == (2, 3)
    assert trie.children((1, 2, 9)) == ()
    assert trie.label((1, 3, 9)) == "b"
    assert trie.label((1, 3)) is None


def test_labels_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(TaxonomyError, match="same tokens"):
        Trie({"a": [1, 2], "b": [1, 2]})
    with pytest.raises(TaxonomyError, match="begin another label"):
        Trie({"a": [1], "b": [1, 2]})

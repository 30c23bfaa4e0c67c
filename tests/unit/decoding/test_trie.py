"""The tree of tokens: what it holds, what it refuses, how it is kept, and how fast."""

import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facetry.decoding.trie import ROOT, Trie
from facetry.errors import StorageError, TaxonomyError

SHOP = {"Bath > Oil": [1, 2, 3, 9], "Bath > Salts": [1, 2, 4, 4, 9], "Bath": [1, 9], "Pans": [5, 6, 7, 9]}


def _big_taxonomy(num_labels: int) -> dict[str, list[int]]:
    """Labels of 15 tokens, as a tree of ten children a node would spell them."""
    digits = np.array([[number // 10**place % 10 for place in reversed(range(4))] for number in range(num_labels)])
    words = np.repeat(digits, 4, axis=1)[:, :14] * 100 + np.arange(14)
    return {f"category {number}": [*row.tolist(), 5000] for number, row in enumerate(words)}


def test_an_edge_is_the_run_of_tokens_between_two_choices() -> None:
    trie = Trie.compile(SHOP)
    bath, pans = trie.children(ROOT)
    assert trie.first_tokens(trie.children(ROOT)).tolist() == [1, 5]
    assert trie.descend(bath) == ([1], bath)
    assert trie.descend(pans) == ([5, 6, 7, 9], pans)
    assert trie.first_tokens(trie.children(bath)).tolist() == [2, 9]
    assert trie.are_whole(trie.children(bath)).tolist() == [False, True]
    assert len(trie.children(pans)) == 0


def test_the_labels_below_a_node_are_a_range() -> None:
    trie = Trie.compile(SHOP)
    bath, pans = trie.children(ROOT)
    assert [trie.labels[number] for number in trie.labels_below(bath)] == ["Bath > Oil", "Bath > Salts", "Bath"]
    assert [trie.labels[number] for number in trie.labels_below(pans)] == ["Pans"]
    assert trie.labels_below(ROOT) == range(4)


def test_every_label_keeps_its_tokens() -> None:
    trie = Trie.compile(SHOP)
    assert {label: list(trie.tokens(trie.number(label))) for label in SHOP} == SHOP


def test_labels_that_cannot_be_told_apart_are_refused_by_both_names() -> None:
    with pytest.raises(TaxonomyError, match=r"^'a' and 'b' have the same tokens: rename one of them$"):
        Trie.compile({"a": [1, 2], "b": [1, 2]})
    with pytest.raises(TaxonomyError, match=r"^the tokens of 'a' begin another label, 'b': end every label alike$"):
        Trie.compile({"b": [1, 2], "a": [1]})
    with pytest.raises(TaxonomyError, match="'a' has no tokens"):
        Trie.compile({"a": [], "b": [1]})
    with pytest.raises(TaxonomyError, match="no labels"):
        Trie.compile({})


def test_a_shortlist_leaves_out_what_leads_to_none_of_it() -> None:
    trie = Trie.compile(SHOP).among(["Bath > Salts", "Pans", "Pans"])
    bath, pans = trie.children(ROOT)
    assert len(trie) == 2
    assert trie.descend(bath)[0] == [1, 2, 4, 4, 9]
    assert trie.descend(pans)[0] == [5, 6, 7, 9]
    [alone] = trie.among(["Pans"]).children(ROOT)
    assert alone == pans


def test_a_shortlist_with_a_label_that_may_not_be_answered_is_refused_with_the_nearest() -> None:
    trie = Trie.compile(SHOP)
    with pytest.raises(TaxonomyError, match=r"^'Bath > Salt' is not in the taxonomy: did you mean 'Bath > Salts'\?$"):
        trie.among(["Pans", "Bath > Salt"])
    with pytest.raises(TaxonomyError, match="'Bath' is not in the taxonomy: choose from its 1 labels"):
        trie.among(["Pans"]).among(["Bath"])
    with pytest.raises(TaxonomyError, match="shortlist is empty"):
        trie.among([])


def test_a_saved_trie_is_read_as_it_was(tmp_path: Path) -> None:
    trie = Trie.compile({**SHOP, "Bäder > Öl": [1, 3, 9]})
    trie.save(tmp_path / "labels.npz")
    again = Trie.load(tmp_path / "labels.npz")
    assert again.labels == trie.labels
    assert [again.tokens(number) for number in range(len(again))] == [trie.tokens(number) for number in range(5)]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.npz"]


def test_a_damaged_or_foreign_file_is_refused_in_one_line(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.npz", tmp_path / "labels.npz"
    Trie.compile(SHOP).save(whole)
    data = whole.read_bytes()
    foreign = [b"", b"%PDF", data[:-30], data[: len(data) // 2]]
    foreign += [data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :] for place in range(0, len(data), 97)]
    refusals = []
    for content in foreign:
        path.write_bytes(content)
        try:
            assert Trie.load(path).labels == Trie.load(whole).labels  # a byte that says nothing was changed
        except StorageError as error:
            refusals.append(str(error))
    assert len(refusals) > len(foreign) / 2
    assert all(str(path) in refusal and "\n" not in refusal for refusal in refusals)
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(StorageError, match="damaged, or no trie"):
        Trie.load(path)
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("format.npy", b"\x80\x04.")
    with pytest.raises(StorageError, match="compile it again"):
        Trie.load(path)
    with pytest.raises(StorageError, match="No such file"):
        Trie.load(tmp_path / "absent.npz")


def test_arrays_that_are_no_tree_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    Trie.compile(SHOP).save(path)
    saved = dict(np.load(path))
    for name in ("edge_ends", "child_ends", "first_labels", "label_ends"):
        for changed in (saved[name][::-1], saved[name] + 1000, saved[name][:-1], saved[name].astype(float)):
            np.savez(path, **{**saved, name: changed})
            with pytest.raises(StorageError, match="damaged, or no trie"):
                Trie.load(path)


def test_ten_thousand_labels_are_compiled_saved_loaded_and_cut_down_quickly(tmp_path: Path) -> None:
    """The bounds are many times what it takes, so that a busy machine passes: benchmarks/decoding measures it."""
    labels = _big_taxonomy(10_000)
    started = time.process_time()
    trie = Trie.compile(labels)
    compiled = time.process_time()
    trie.save(tmp_path / "labels.npz")
    saved = time.process_time()
    again = Trie.load(tmp_path / "labels.npz")
    loaded = time.process_time()
    shortlist = again.among(list(labels)[::100])
    shortened = time.process_time()
    assert len(shortlist) == 100
    assert trie.nbytes < 50_000_000
    assert compiled - started < 5
    assert loaded - saved < 0.5
    assert shortened - loaded < 0.05

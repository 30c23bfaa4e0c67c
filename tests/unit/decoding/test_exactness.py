"""Search over real, tiny models of every family, held against reading the prompt anew with each label after it."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facetry.backbones.backbone import Backbone
from facetry.backbones.encoder import model_positions
from facetry.decoding.reading import Reading
from facetry.decoding.search import Ranking, rank
from facetry.decoding.trie import Trie
from facetry.prompting import Prompt, category_part
from facetry.taxonomy import Category, Taxonomy
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model

GOOGLE = Path(__file__).parents[2] / "data" / "google-product-taxonomy.en-US.txt.gz"
SHOP = tuple(
    f"{department} > {kind}{end}"
    for department in ("Bath", "Bath Linen", "Home", "Home > Pans")
    for kind in ("Oil", "Oil Lamps", "Salts", "Towels")
    for end in ("", " for children")
)
TOLERANCE = 1e-4
ALL = 10**6


def _prompt(text: str, *, num_images: int) -> Prompt:
    content = [*({"type": "image"} for _ in range(num_images)), {"type": "text", "text": text}]
    images = tuple(Image.effect_noise((40 + 20 * number, 50), 90).convert("RGB") for number in range(num_images))
    return Prompt(({"role": "user", "content": content},), images)


PROMPTS = [
    _prompt("Title: bath oil\nWhat is it?", num_images=1),
    _prompt("What is it?", num_images=0),
    _prompt("Title: lamps for children, of brass, and oil for them\nWhat is it?", num_images=2),
]


def _taxonomy(paths: Sequence[str]) -> Taxonomy:
    return Taxonomy(tuple(Category(path.replace(" > ", " / ")) for path in paths))


def _compile(backbone: Backbone, paths: Sequence[str]) -> Trie:
    return Trie.compile({path: backbone.token_ids(category_part(path)) for path in paths})


@torch.inference_mode()
def _score_every_label(backbone: Backbone, prompt: Prompt, trie: Trie, *, at_once: int = 128) -> dict[str, float]:
    """The log-probability of each label by plain forward passes: nothing is kept from one to the next."""
    scores = {}
    numbers = np.array(sorted(_numbers(trie), key=lambda number: len(trie.tokens(number))))
    for part in np.split(numbers, range(at_once, len(numbers), at_once)):
        labels = [list(trie.tokens(number)) for number in part]
        longest = max(map(len, labels))
        batch = backbone.encode([prompt] * len(labels))
        padded = torch.tensor([[*tokens, *[0] * (longest - len(tokens))] for tokens in labels])
        num_prompt = batch["input_ids"].shape[1]
        positions = batch.pop("position_ids")
        following = positions.amax(dim=(0, 2))[:, None] + 1 + torch.arange(longest)
        ids = torch.cat([batch.pop("input_ids"), padded], dim=1)
        mask = torch.cat([batch.pop("attention_mask"), torch.ones_like(padded)], dim=1)
        positions = torch.cat([positions, following.expand(len(positions), -1, -1)], dim=2)
        logits = backbone.model(
            input_ids=ids, attention_mask=mask, position_ids=model_positions(positions), use_cache=False, **batch
        ).logits[:, num_prompt - 1 : -1]
        found = logits.double().log_softmax(dim=-1).gather(2, padded[:, :, None])[:, :, 0]
        for number, tokens, of_label in zip(part, labels, found, strict=True):
            scores[trie.labels[number]] = float(of_label[: len(tokens)].sum())
    return scores


def _numbers(trie: Trie) -> Sequence[int]:
    return range(len(trie)) if trie.kept is None else trie.kept.tolist()


@torch.inference_mode()
def _rank(backbone: Backbone, prompts: Sequence[Prompt], tries: Sequence[Trie], **options: int) -> list[Ranking]:
    rankings = rank(Reading(backbone, prompts), tries, **options)
    return [ranking for ranking in rankings if ranking is not None]


def _assert_same(ranking: Ranking, scores: Mapping[str, float], *, top_k: int) -> None:
    best = sorted(scores.values(), reverse=True)[:top_k]
    assert ranking.is_exact
    assert np.log([found.probability for found in ranking.found]) == pytest.approx(best, abs=TOLERANCE)
    for found in ranking.found:
        assert np.log(found.probability) == pytest.approx(scores[found.label], abs=TOLERANCE)


@pytest.fixture(scope="module", params=ANSWERING_MODEL_TYPES)
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = tmp_path_factory.mktemp("model") / str(request.param)
    write_tiny_model(folder, str(request.param), taxonomy=_taxonomy(SHOP))
    return Backbone.load(folder)


def test_the_top_labels_of_every_family_are_those_that_scoring_every_label_finds(backbone: Backbone) -> None:
    trie = _compile(backbone, SHOP)
    for at_once in (1, 8):
        rankings = _rank(
            backbone, PROMPTS, [trie] * len(PROMPTS), top_k=5, max_expansions=ALL, max_prefixes_per_pass=at_once
        )
        for prompt, ranking in zip(PROMPTS, rankings, strict=True):
            _assert_same(ranking, _score_every_label(backbone, prompt, trie), top_k=5)


def test_each_row_of_a_batch_is_ranked_by_its_own_shortlist_as_it_is_alone(backbone: Backbone) -> None:
    trie = _compile(backbone, SHOP)
    tries = [trie.among(SHOP[:3]), trie, trie.among(SHOP[5:6])]
    together = _rank(backbone, PROMPTS, tries, top_k=3)
    for prompt, ranking, shortlist in zip(PROMPTS, together, tries, strict=True):
        [alone] = _rank(backbone, [prompt], [shortlist], top_k=3)
        assert [found.label for found in ranking.found] == [found.label for found in alone.found]
        _assert_same(ranking, _score_every_label(backbone, prompt, shortlist), top_k=3)


def test_search_leaves_what_was_read_as_it_was(backbone: Backbone) -> None:
    trie = _compile(backbone, SHOP)
    every_token = list(range(200))
    with torch.inference_mode():
        searched, other = Reading(backbone, PROMPTS), Reading(backbone, PROMPTS)
        rank(searched, [trie, None, trie], top_k=3)
        for reading in (searched, other):
            reading.read([[5, 6, 7], [], [8]])
        for row in range(len(PROMPTS)):
            assert np.allclose(searched.expect(row, every_token), other.expect(row, every_token), atol=1e-6)
        [first], [second] = (_best(rank(reading, [None, trie, None])) for reading in (searched, other))
    assert first == second


def _best(rankings: Sequence[Ranking | None]) -> list[str]:
    return [ranking.found[0].label for ranking in rankings if ranking]


def test_the_top_ten_of_googles_categories_are_those_that_scoring_every_one_finds(tmp_path: Path) -> None:
    with gzip.open(GOOGLE, "rt", encoding="utf-8") as file:
        paths = [line.rstrip("\n").partition(" - ")[2] for line in file if not line.startswith("#")]
    write_tiny_model(tmp_path / "model", "qwen2_vl", taxonomy=_taxonomy(paths))
    backbone = Backbone.load(tmp_path / "model")
    trie = _compile(backbone, paths)
    scores = _score_every_label(backbone, PROMPTS[1], trie)
    [ranking] = _rank(backbone, [PROMPTS[1]], [trie], top_k=10)
    assert len(scores) == len(paths) == 5582
    _assert_same(ranking, scores, top_k=10)
    for shortlist in (paths[::50], paths[7::400], paths[-1:]):
        [of_shortlist] = _rank(backbone, [PROMPTS[1]], [trie.among(shortlist)], top_k=10)
        _assert_same(of_shortlist, {path: scores[path] for path in shortlist}, top_k=10)

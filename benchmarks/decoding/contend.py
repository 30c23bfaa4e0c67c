"""Measures all contenders in turns, with one thread, and prints what each takes, as a line of JSON."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.decoding.labels import NUMBERS_OF_LABELS, labels
from benchmarks.decoding.model import prompts
from facetry.backbones.backbone import Backbone
from facetry.backbones.encoder import model_positions
from facetry.decoding.reading import Continuation, Reading
from facetry.decoding.search import Ranking, rank
from facetry.decoding.trie import Trie
from facetry.prompting import END_OF_PART, Prompt, category_part

NUM_ROUNDS = 3
NUM_FREE_TOKENS = 30
NUM_SCORED = 6
"""Of the labels, one by one, in each round: all would take an hour."""


@dataclass(frozen=True)
class Asked:
    """A model, and the labels it is to choose from."""

    backbone: Backbone
    tries: dict[int, Trie]

    def search(self, prompt: Prompt, number: int, *, top_k: int = 1) -> Ranking:
        rankings = rank(Reading(self.backbone, [prompt]), [self.tries[number]], top_k=top_k)
        return next(ranking for ranking in rankings if ranking)

    def generate(self, prompt: Prompt) -> str | None:
        """What the model says, as a label, if it is one."""
        batch = self.backbone.encode([prompt])
        num_prompt = batch["input_ids"].shape[1]
        del batch["position_ids"]  # generate finds them itself, from what kind each token is
        model: Any = self.backbone.model  # transformers gives generate no types
        is_image = batch["input_ids"] == self.backbone.encoder.image_token_id
        said = model.generate(
            **batch,
            mm_token_type_ids=is_image.int(),
            max_new_tokens=NUM_FREE_TOKENS,
            min_new_tokens=NUM_FREE_TOKENS,
            do_sample=False,
        )
        label = str(self.backbone.encoder.tokenizer.decode(said[0, num_prompt:])).partition(END_OF_PART)[0]
        return label if label in self.tries[max(self.tries)].numbers else None

    def score(self, prompt: Prompt, number: int) -> float:
        """The log-probability of one label: the prompt is read with the label after it."""
        tokens = torch.tensor([self.tries[max(self.tries)].tokens(number)])
        batch = self.backbone.encode([prompt])
        positions = batch.pop("position_ids")
        following = positions.amax(dim=(0, 2))[:, None] + 1 + torch.arange(tokens.shape[1])
        following = following.expand(len(positions), -1, -1)
        ids = torch.cat([batch.pop("input_ids"), tokens], dim=1)
        logits = self.backbone.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            position_ids=model_positions(torch.cat([positions, following], dim=2)),
            pixel_values=batch["pixel_values"],
            image_grid_thw=batch["image_grid_thw"],
            logits_to_keep=tokens.shape[1] + 1,
            use_cache=False,
        ).logits[0, :-1]
        return float(logits.double().log_softmax(dim=-1).gather(1, tokens.T).sum())

    def score_after(self, reading: Reading, number: int) -> float:
        """The log-probability of one label after a prompt that is read once for all labels."""
        first, *rest = self.tries[max(self.tries)].tokens(number)
        [tried] = reading.fork([0]).attempt([Continuation(0, (first, *rest[:-1]), rest[-1:])])
        return float(reading.expect(0, [first])[0] + tried.log_probability + tried.next_log_probabilities[0])


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    taught, untrained = (Backbone.load(folder / name) for name in ("taught", "untrained"))
    compiled = {number: compile_labels(taught, number) for number in NUMBERS_OF_LABELS}
    tries = {number: trie for number, (trie, _) in compiled.items()}
    with torch.inference_mode():
        findings = {
            "compiling": {number: figures for number, (_, figures) in compiled.items()},
            "taught": {**time_contenders(Asked(taught, tries)), **count(Asked(taught, tries))},
            "untrained": {**time_search(Asked(untrained, tries)), **count(Asked(untrained, tries))},
        }
    print(json.dumps(findings))


def compile_labels(backbone: Backbone, number: int) -> tuple[Trie, dict[str, float]]:
    """The trie of so many labels, what it takes to make, keep and cut it down, and how large it is."""
    chosen = labels(number)
    started = time.process_time()
    tokens = {label: backbone.token_ids(category_part(label)) for label in chosen}
    tokenized = time.process_time()
    trie = Trie.compile(tokens)
    compiled = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.npz"
        trie.save(path)
        loading = cpu_seconds(Trie.load, path)
    shortlist = chosen[:: max(1, number // 100)]
    return trie, {
        "tokenize_seconds": tokenized - started,
        "compile_seconds": compiled - tokenized,
        "load_seconds": loading,
        "microseconds_per_shortlisted": cpu_seconds(trie.among, shortlist) / len(shortlist) * 1e6,
        "megabytes": trie.nbytes / 1e6,
        "nodes": len(trie.child_ends),
        "tokens_per_label": sum(map(len, tokens.values())) / len(tokens),
    }


def time_contenders(asked: Asked) -> dict[str, float]:
    """The median CPU-seconds of each contender over rounds and listings, in which they take turns."""
    every = max(NUMBERS_OF_LABELS)
    seconds: dict[str, list[float]] = {}

    def note(name: str, taken: float) -> None:
        seconds.setdefault(name, []).append(taken)

    for turn in range(NUM_ROUNDS):
        for prompt in prompts():
            note("prompt", cpu_seconds(Reading, asked.backbone, [prompt]))
            for number in NUMBERS_OF_LABELS:
                note(str(number), cpu_seconds(asked.search, prompt, number))
            note("free", cpu_seconds(asked.generate, prompt))
            reading = Reading(asked.backbone, [prompt])
            for number in range(turn, every, every // NUM_SCORED):
                note("one_label", cpu_seconds(asked.score, prompt, number))
                note("one_label_after", cpu_seconds(asked.score_after, reading, number))
        print(f"round {turn + 1} of {NUM_ROUNDS} done", file=sys.stderr)
    return {name: statistics.median(of_name) for name, of_name in seconds.items()}


def time_search(asked: Asked) -> dict[str, float]:
    return {
        str(number): statistics.median(cpu_seconds(asked.search, prompt, number) for prompt in prompts())
        for number in NUMBERS_OF_LABELS
    }


def count(asked: Asked) -> dict[str, object]:
    """How many nodes search reads, whether it is exact, and what it finds."""
    answered: dict[str, object] = {}
    for number in NUMBERS_OF_LABELS:
        rankings = [asked.search(prompt, number) for prompt in prompts()]
        answered[f"{number} of 1"] = {
            "nodes": statistics.mean(ranking.num_expansions for ranking in rankings),
            "nodes_for_5": statistics.mean(
                asked.search(prompt, number, top_k=5).num_expansions for prompt in prompts()
            ),
            "is_exact": all(ranking.is_exact for ranking in rankings),
            "probability": statistics.mean(ranking.found[0].probability for ranking in rankings),
        }
    return answered


def cpu_seconds(work: Callable[..., object], *given: object) -> float:
    started = time.process_time()
    work(*given)
    return time.process_time() - started


if __name__ == "__main__":
    main(Path(sys.argv[1]))

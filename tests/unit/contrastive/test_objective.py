"""The objective on real, tiny models: held against transformers' own losses, and one rank against two."""

import multiprocessing
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import distributed

from facetry.backbones.dual_encoder import DualEncoder
from facetry.config import ContrastiveParams, TrainParams
from facetry.decoding.captions import learnt_facets
from facetry.listing import Split
from facetry.training.contrastive.captions import CaptionTable
from facetry.training.contrastive.dataset import PictureCollator, PictureDataset
from facetry.training.contrastive.objective import CaptionObjective
from facetry.training.feed import Feed, write_feed
from facetry.training.sampling import Draw
from tests.tiny_clip import DUAL_MODEL_TYPES, write_tiny_clip
from tests.unit.contrastive.shop import TAXONOMY, TEXTS, pan, write_shop
from tests.unit.contrastive.test_dual_encoders import family_of

Kind = Literal["contrastive", "cross_entropy"]
KINDS: tuple[Kind, ...] = ("contrastive", "cross_entropy")
SHARES = ([0, 1, 2, 3, 7], [4, 5])
PARAMS = TrainParams(contrastive=ContrastiveParams(learn=("colour", "lid")), category_weight=1)


class Bench:
    """A model, a feed, and all that lies between them."""

    def __init__(
        self, model_folder: Path, feed: Feed, kind: Kind, *, learn: tuple[str, ...] = ("colour", "lid")
    ) -> None:
        self.dual_encoder = DualEncoder.load(model_folder, family=family_of(model_folder))
        encoder = self.dual_encoder.encoder
        params = PARAMS.model_copy(update={"contrastive": ContrastiveParams(learn=learn)})
        captions = CaptionTable.of(learnt_facets(TAXONOMY, params=params.contrastive), encoder=encoder)
        self.dataset = PictureDataset(feed, captions=captions, encoder=encoder, params=params)
        self.collate = PictureCollator(encoder, num_facets=len(captions.facets))
        self.objective = CaptionObjective(captions, family=encoder.family, blank=encoder.blank_image(), objective=kind)
        self.model = self.dual_encoder.model.train()
        self.model.forward = partial(encoder.family.compare, self.model)

    def batch(self, indices: list[int]) -> dict[str, Any]:
        return self.collate([self.dataset[Draw(0, index)] for index in indices])

    def loss(self, indices: list[int], *, weight: float | None = None) -> torch.Tensor:
        batch = self.batch(indices)
        return self.objective.learn(self.model, batch).loss_sum / (weight or self.objective.weight(batch))

    def gradients(self) -> dict[str, torch.Tensor]:
        return {name: each.grad for name, each in self.model.named_parameters() if each.grad is not None}


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    folder = tmp_path_factory.mktemp("feed")
    listings = [pan(number) for number in range(12)]
    write_feed(write_shop(folder / "shop", listings), split=Split.TRAIN, params=PARAMS, path=folder / "train.arrow")
    return Feed(folder / "train.arrow")


def test_with_a_caption_for_each_picture_the_loss_is_the_models_own(model_folder: Path, feed: Feed) -> None:
    bench = Bench(model_folder, feed, "contrastive", learn=("colour",))
    batch = bench.batch([0, 1, 2])
    plain = DualEncoder.load(model_folder, family=family_of(model_folder))
    captions = plain.encoder.encode_captions(["red", "green", "blue"])
    with torch.no_grad():
        expected = plain.model(pixel_values=batch["pixel_values"], return_loss=True, **captions).loss
    assert torch.allclose(bench.loss([0, 1, 2]), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_steps_teach_colour_and_lid(model_folder: Path, feed: Feed, kind: Kind) -> None:
    bench = Bench(model_folder, feed, kind)
    optimizer = torch.optim.AdamW(bench.model.parameters(), lr=1e-3)
    batch = bench.batch(list(range(12)))
    for _ in range(100):
        optimizer.zero_grad()
        torch.autograd.backward(bench.objective.learn(bench.model, batch).loss_sum / bench.objective.weight(batch))
        optimizer.step()
    bench.model.eval()
    with torch.no_grad():
        sums = bench.objective.sums(bench.objective.learn(bench.model, batch), batch)
    metrics = bench.objective.metrics(sums.tolist())
    assert metrics["answer_accuracy"] > 0.8
    assert metrics["loss"] < 0.2
    assert "category_accuracy" not in metrics


def test_the_look_at_the_end_does_not_depend_on_how_listings_are_batched(model_folder: Path, feed: Feed) -> None:
    bench = Bench(model_folder, feed, "contrastive", learn=("category", "lid"))
    bench.model.eval()
    with torch.no_grad():
        sums = [
            sum(
                bench.objective.sums(bench.objective.learn(bench.model, batch), batch)
                for batch in (bench.batch(indices) for indices in batches)
            )
            for batches in ([list(range(12))], [[0, 5, 7], [], [1, 2, 3, 4, 6, 8, 9, 10, 11]])
        ]
    assert isinstance(sums[0], torch.Tensor)
    assert isinstance(sums[1], torch.Tensor)
    assert sums[0].tolist() == pytest.approx(sums[1].tolist(), rel=1e-5)
    assert set(bench.objective.metrics(sums[0].tolist())) == {"loss", "answer_accuracy", "category_accuracy"}


def test_a_facet_that_no_listing_of_a_batch_tells_costs_nothing(clip_folder: Path, tmp_path: Path) -> None:
    catalogue = write_shop(tmp_path / "shop", [pan(number) for number in range(4)])
    write_feed(catalogue, split=Split.TRAIN, params=PARAMS, path=tmp_path / "train.arrow")
    bench = Bench(clip_folder, Feed(tmp_path / "train.arrow"), "contrastive")
    batch = bench.batch([0, 1])
    batch["values"][:, 1] = -1
    batch["weights"][:, 1] = 0
    learnt = bench.objective.learn(bench.model, batch)
    assert (learnt.losses[:, 1] == 0).all()
    assert learnt.loss_by_listing(2).tolist() == pytest.approx(learnt.losses[:, 0].tolist())


def _learn_as_a_rank(rank: int, folder: Path, feed: Feed) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    found: dict[str, dict[str, torch.Tensor]] = {}
    for model_type, kind in product(DUAL_MODEL_TYPES, KINDS):
        bench = Bench(folder / model_type, feed, kind)
        total = sum(float(bench.objective.weight(bench.batch(share))) for share in SHARES)
        loss = bench.loss(SHARES[rank], weight=total)
        torch.autograd.backward(loss)
        found[f"{model_type} {kind}"] = {"loss": loss.detach(), **bench.gradients()}
        for each in found[f"{model_type} {kind}"].values():
            distributed.all_reduce(each)
        found[f"{model_type} {kind} alone"] = {"loss": bench.loss([[0, 1], []][rank], weight=1.0).detach()}
    torch.save(found, folder / f"rank-{rank}.pt")
    distributed.destroy_process_group()


def test_two_ranks_learn_the_same_as_one_however_the_listings_are_dealt(feed: Feed, tmp_path: Path) -> None:
    for model_type in DUAL_MODEL_TYPES:
        write_tiny_clip(tmp_path / model_type, model_type, texts=TEXTS)
    spawning = multiprocessing.get_context("spawn")
    ranks = [spawning.Process(target=_learn_as_a_rank, args=(rank, tmp_path, feed)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    first, second = (torch.load(tmp_path / f"rank-{rank}.pt") for rank in range(2))
    for model_type, kind in product(DUAL_MODEL_TYPES, KINDS):
        bench = Bench(tmp_path / model_type, feed, kind)
        loss = bench.loss([*SHARES[0], *SHARES[1]])
        torch.autograd.backward(loss)
        shared = first[f"{model_type} {kind}"]
        assert float(shared["loss"]) == pytest.approx(float(loss.detach()), rel=1e-5)
        for name, gradient in bench.gradients().items():
            assert torch.allclose(shared[name], gradient, atol=2e-5), name
        assert first[f"{model_type} {kind} alone"]["loss"] > second[f"{model_type} {kind} alone"]["loss"] == 0

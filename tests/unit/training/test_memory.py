"""What a run is reckoned to take is what it takes: of what is held exactly, of what is kept on the way back about."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from facetry.backbones.backbone import load_weights
from facetry.backbones.encoder import PromptEncoder, load_config
from facetry.backbones.registry import ANSWERING
from facetry.config import AdapterParams, PartsParams, TrainParams
from facetry.listing import ListingImage, Split
from facetry.taxonomy import load_yaml
from facetry.training.adapters import add_adapter, quantisation_options
from facetry.training.batching import Packer
from facetry.training.dataset import ListingDataset
from facetry.training.feed import Feed, write_feed
from facetry.training.measure import measure
from facetry.training.memory import NF4_BYTES, Load, Way, estimate, size_up
from facetry.training.parts import choose_trained, count_by_part
from facetry.training.sampling import Draw
from facetry.training.segments import attend_within_segments
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model
from tests.unit.training.shops import TAXONOMY, catalogue, jpeg, listing

ROOT = Path(__file__).parents[3]
TREE = load_yaml(TAXONOMY, origin="the test")
NOTHING = Load(0, 0, 0)
PLAIN = Way(zero_stage=0, offload="none", accumulation_steps=1, gradient_checkpointing=False)
NUM_LISTINGS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_tiny_model(folder, "qwen2_vl", taxonomy=TREE)
    return folder


def model_of(folder: Path, params: TrainParams) -> nn.Module:
    """The model as it is trained."""
    family = ANSWERING[load_config(folder).model_type]
    options = quantisation_options(params.adapter, family=family, dtype=torch.float32)
    model = load_weights(folder, family=family, dtype=torch.float32, **options)
    choose_trained(model, family=family, params=params.parts, adapter=params.adapter)
    if params.adapter is None:
        return model
    return add_adapter(model, family=family, adapter=params.adapter, seed=0)


@pytest.mark.parametrize(
    "params",
    [
        TrainParams(),
        TrainParams(parts=PartsParams(vision="last 1", language="last 1")),
        TrainParams(parts=PartsParams(vision="none"), adapter=AdapterParams(rank=4)),
        TrainParams(parts=PartsParams(vision="none"), adapter=AdapterParams(rank=4, quantise="nf4")),
    ],
)
def test_weights_are_counted_without_loading_them(folder: Path, params: TrainParams) -> None:
    family = ANSWERING["qwen2_vl"]
    size = size_up(load_config(folder), family=family, params=params)
    counts = count_by_part(model_of(folder, params), family=family)
    assert size.num_trained == sum(count.num_trained for count in counts)
    assert size.num_all == sum(count.num_all for count in counts)
    assert (size.num_quantised > 0) == (params.adapter is not None and params.adapter.quantise == "nf4")


def test_a_plain_step_holds_weights_gradients_and_moments_to_the_byte(folder: Path) -> None:
    params = TrainParams(parts=PartsParams(vision="none"))
    model = model_of(folder, params)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trained:
        weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.AdamW(trained)
    optimizer.step()
    moments = sum(state[name].nbytes for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq"))
    size = size_up(load_config(folder), family=ANSWERING["qwen2_vl"], params=params)
    footprint = estimate(size, PLAIN, load=NOTHING, num_processes=1, params=params)
    assert footprint.weights == sum(weight.nbytes for weight in model.parameters())
    assert footprint.gradients == sum(weight.grad.nbytes for weight in trained if weight.grad is not None)
    assert footprint.optimizer == moments
    assert footprint.total == footprint.weights + footprint.gradients + footprint.optimizer


def test_weights_in_four_bits_take_what_bitsandbytes_holds(folder: Path) -> None:
    params = TrainParams(adapter=AdapterParams(rank=4, quantise="nf4"))
    size = size_up(load_config(folder), family=ANSWERING["qwen2_vl"], params=params)
    held = [weight for weight in model_of(folder, params).parameters() if hasattr(weight, "quant_state")]
    num_bytes = sum(weight.nbytes + weight.quant_state.absmax.nbytes for weight in held)
    assert size.num_quantised * NF4_BYTES == pytest.approx(num_bytes, rel=0.02)


def test_two_ranks_hold_what_is_reckoned_under_every_zero_stage(tmp_path: Path) -> None:
    out = tmp_path / "bytes.json"
    launcher = [sys.executable, "-m", "facetry.training.elastic", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [*launcher, "-m", "tests.unit.training.bytes_of_a_step", str(out)],
        env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        check=True,
    )
    told = json.loads(out.read_bytes())
    assert [each[1] for each in told] == [0, 1, 2, 3, 1, 3]
    for precision, zero_stage, measured, held, buffers in told:
        assert held * 0.999 <= measured <= (held + buffers) * 1.001, f"{precision} under ZeRO {zero_stage}"


@pytest.mark.parametrize("model_type", ANSWERING_MODEL_TYPES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_kept_for_the_way_back_is_reckoned_about_right(tmp_path: Path, model_type: str, precision: str) -> None:
    params = TrainParams.model_validate({"precision": precision})
    write_tiny_model(tmp_path, model_type, taxonomy=TREE)
    batch, load = batch_of(tmp_path, params)
    family = ANSWERING[model_type]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = load_weights(tmp_path, family=family, dtype=dtype)
    attend_within_segments(model)
    size = size_up(load_config(tmp_path), family=family, params=params)
    footprint = estimate(size, PLAIN, load=load, num_processes=1, params=params)
    assert footprint.activations == pytest.approx(kept_bytes(model, batch), rel=0.5)
    checkpointed = Way(0, "none", 1, gradient_checkpointing=True)
    assert estimate(size, checkpointed, load=load, num_processes=1, params=params).activations < footprint.activations


def batch_of(folder: Path, params: TrainParams) -> tuple[dict[str, object], Load]:
    """A micro-batch of the model's arguments, and what it is by measure."""
    encoder = PromptEncoder.load(folder)
    image = ListingImage(jpeg(side=90), "a.jpg")
    shop = catalogue(
        folder / "shop", [listing(f"A{i}", title="a pan " * 9, images=(image,)) for i in range(NUM_LISTINGS)]
    )
    write_feed(shop, split=Split.TRAIN, params=params, path=folder / "train.arrow")
    feed = Feed(folder / "train.arrow")
    examples = ListingDataset(feed, taxonomy=TREE, params=params, varied=False)
    lengths = measure(feed, encoder=encoder, taxonomy=TREE, params=params)
    batch = Packer(encoder, category_weight=1.0)([examples[Draw(0, index)] for index in range(len(feed))])
    return batch["model"], Load(int(lengths.text_tokens.sum()), int(lengths.image_tokens.sum()), 0)


def kept_bytes(model: PreTrainedModel, arguments: dict[str, object]) -> int:
    """What autograd keeps of a forward pass without logits, beside the weights."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    storages: dict[int, int] = {}
    alive: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.model(**arguments, use_cache=False)
    return sum(num_bytes for place, num_bytes in storages.items() if place not in weights)


def test_only_the_blocks_behind_the_first_trained_one_keep_anything(folder: Path) -> None:
    def towers(parts: PartsParams, adapter: AdapterParams | None = None) -> tuple[int, int]:
        params = TrainParams(parts=parts, adapter=adapter)
        size = size_up(load_config(folder), family=ANSWERING["qwen2_vl"], params=params)
        return size.vision.num_keeping, size.language.num_keeping

    assert towers(PartsParams()) == (2, 2)
    assert towers(PartsParams(vision="last 1", language="last 1")) == (1, 2)
    assert towers(PartsParams(vision="none", projector="all", language="none")) == (0, 2)
    assert towers(PartsParams(vision="none", projector="none", language="last 1")) == (0, 1)
    assert towers(PartsParams(vision="none", projector="none"), AdapterParams(rank=2)) == (0, 2)


def test_stages_and_offload_take_from_each_accelerator_what_they_promise(folder: Path) -> None:
    params = TrainParams(precision="bf16")
    size = size_up(load_config(folder), family=ANSWERING["qwen2_vl"], params=params)
    num = size.num_trained

    def footprint(zero_stage: int, offload: str = "none", accumulation_steps: int = 1) -> tuple[float, ...]:
        way = Way(zero_stage, offload, accumulation_steps, False)  # type: ignore[arg-type]  # a literal in each call
        found = estimate(size, way, load=NOTHING, num_processes=4, params=params)
        return found.weights / num, found.gradients / num, found.optimizer / num, found.host / num

    assert footprint(0) == (2, 2, 12, 0)
    assert footprint(1) == (2, 0.5, 3, 0)
    assert footprint(1, accumulation_steps=2) == (2, 2, 3, 0)
    assert footprint(2, accumulation_steps=2) == (2, 0.5, 3, 0)
    assert footprint(3) == (0.5, 0.5, 3, 0)
    assert footprint(2, "optimizer") == (2, 0.5, 0, 4)
    assert footprint(3, "all") == (0, 0.5, 0, 4.5)

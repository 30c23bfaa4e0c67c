"""The stage on real DeepSpeed with real models, as small as they get."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from facetry import storage
from facetry.catalogue import Catalogue, VersionRecord, record_version
from facetry.config import TrainParams
from facetry.decoding import Answer, Engine
from facetry.decoding.checkpoint import Checkpoint
from facetry.errors import StorageError, TrainingError
from facetry.listing import Listing, ListingImage, Split
from facetry.training import train
from tests.conftest import TinyRun
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model
from tests.unit.training.shops import catalogue, jpeg, listing

COLOURS = {"Pan": "red", "Pot": "green", "Wok": "blue"}
TRAIN = """
import sys
from pathlib import Path
from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.training import train
train(Catalogue.open(sys.argv[1]), params=TrainParams.model_validate_json(sys.argv[2]), out=Path(sys.argv[3]))
"""


def _listings() -> Iterator[Listing]:
    """Listings of different lengths, every third of them without a picture."""
    random = Random(3)
    for number in range(28):
        category, colour = random.choice(list(COLOURS.items()))
        images = () if number % 3 == 0 else (ListingImage(jpeg(colour, side=24 + number), f"{number}.jpg"),)
        title = f"{category} " + "with a lid " * random.randrange(6)
        split = Split.TRAIN if number < 20 else Split.VALIDATION
        lid = random.choice(["yes", "no"]) if category == "Pan" else None
        yield listing(f"listing-{number}", category=category, images=images, title=title, split=split, lid=lid)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return catalogue(tmp_path_factory.mktemp("shop") / "split", _listings())


@pytest.fixture(scope="module")
def base_model(shop: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "base"
    write_tiny_model(folder, "qwen2_vl", taxonomy=shop.taxonomy, texts=["Pan Pot Wok with a lid"])
    return folder


def _params(base_model: Path, **changes: object) -> TrainParams:
    mask = dict.fromkeys(("title", "description", "brand", "brand_description", "images"), 0.2)
    settings = {"epochs": 2, "batch_size": 8, "checkpoint_steps": 2, "num_golden_listings": 2, "num_processes": 1}
    return TrainParams.model_validate({"base_model": str(base_model), "mask": mask, **settings, **changes})


def _weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(checkpoint / "model.safetensors")
    return weights


@pytest.mark.parametrize("model_type", ANSWERING_MODEL_TYPES)
def test_every_backbone_trains_saves_reloads_and_answers(shop: Catalogue, model_type: str, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "base", model_type, taxonomy=shop.taxonomy, texts=["Pan Pot Wok with a lid"])
    params = _params(tmp_path / "base", epochs=1, parts={"vision": "last 1", "language": "last 1"})
    summary = train(shop, params=params, out=tmp_path / "checkpoint")
    assert summary.result is not None
    assert summary.result.num_listings == 20
    assert 0 < summary.result.num_trained_parameters < summary.result.num_parameters
    before, after = _weights(tmp_path / "base"), _weights(tmp_path / "checkpoint")
    assert before.keys() == after.keys()
    changed = [name for name, weight in after.items() if not torch.equal(weight, before[name])]
    assert 0 < len(changed) < len(after)
    AutoModelForImageTextToText.from_pretrained(tmp_path / "checkpoint")
    [answer] = Engine.load(tmp_path / "checkpoint").answer(list(shop.listings())[:1])
    assert isinstance(answer, Answer)


@pytest.fixture(scope="module")
def on_one_rank(shop: Catalogue, base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one-rank") / "checkpoint"
    train(shop, params=_params(base_model), out=out)
    return out


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_two_ranks_come_to_the_same_loss_as_one_and_save_a_plain_folder(
    shop: Catalogue, base_model: Path, on_one_rank: Path, zero_stage: int, tmp_path: Path
) -> None:
    params = _params(base_model, num_processes=2, zero_stage=zero_stage, accumulation_steps=2)
    train(shop, params=params, out=tmp_path / "checkpoint")
    expected, found = (Checkpoint.open(folder).card.summary for folder in (on_one_rank, tmp_path / "checkpoint"))
    assert found["num_steps"] == expected["num_steps"]
    assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-3)
    assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)
    assert _weights(tmp_path / "checkpoint").keys() == _weights(on_one_rank).keys()
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl")]


def _start(shop: Catalogue, params: TrainParams, out: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", TRAIN, shop.location, params.model_dump_json(), str(out)]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)


def _kill_when_there_is(pattern: str, running: "subprocess.Popen[str]", *, state: Path) -> None:
    deadline = time.monotonic() + 200
    while not list(state.glob(pattern)):
        assert running.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.parametrize("moment", ["0/checkpoint-2/whole.json", "0/checkpoint-4/*.safetensors"])
def test_a_run_killed_at_any_moment_and_started_again_ends_with_the_same_weights(
    shop: Catalogue, base_model: Path, on_one_rank: Path, moment: str, tmp_path: Path
) -> None:
    out, params = tmp_path / "checkpoint", _params(base_model)
    _kill_when_there_is(moment, _start(shop, params, out), state=tmp_path / ".checkpoint-state")
    assert not out.exists()
    with pytest.raises(
        TrainingError, match=r"begun otherwise \(train\.learning_rate was 0\.001, now 0\.002\): train as"
    ):
        train(shop, params=params.model_copy(update={"learning_rate": 0.002}), out=out)
    again = _start(shop, params, out)
    told, _ = again.communicate(timeout=200)
    assert again.returncode == 0
    assert re.search(r"^continuing from checkpoint-[24]$", told, re.MULTILINE)  # the kill may come after the next one
    undisturbed = _weights(on_one_rank)
    assert all(torch.equal(weight, undisturbed[name]) for name, weight in _weights(out).items())
    assert not (tmp_path / ".checkpoint-state").exists()


@pytest.mark.parametrize(("zero_stage", "before", "after"), [(1, 2, 1), (3, 1, 2)])
def test_a_run_goes_on_with_another_number_of_ranks(
    shop: Catalogue, base_model: Path, on_one_rank: Path, zero_stage: int, before: int, after: int, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoint"
    params = _params(base_model, zero_stage=zero_stage, num_processes=before)
    running = _start(shop, params, out)
    _kill_when_there_is("0/checkpoint-2/whole.json", running, state=tmp_path / ".checkpoint-state")
    train(shop, params=params.model_copy(update={"num_processes": after}), out=out)
    undisturbed = Checkpoint.open(on_one_rank).card.summary["validation_loss"]
    assert Checkpoint.open(out).card.summary["validation_loss"] == pytest.approx(undisturbed, rel=1e-3)


def test_runs_follow_each_other_qlora_first_and_then_everything(
    shop: Catalogue, base_model: Path, tmp_path: Path
) -> None:
    first = {"adapter": {"rank": 4, "quantise": "nf4"}, "parts": {"vision": "none", "projector": "none"}}
    then = {"learning_rate": 1e-4, "schedule": "cosine_restarts", "num_restarts": 2, "stopping": {"patience": 1}}
    train(shop, params=_params(base_model, stages=[first, then]), out=tmp_path / "checkpoint")
    assert _weights(tmp_path / "checkpoint").keys() == _weights(base_model).keys()
    assert "quantization_config" not in json.loads((tmp_path / "checkpoint/config.json").read_bytes())
    assert Engine.load(tmp_path / "checkpoint").taxonomy == shop.taxonomy


def test_a_projector_is_aligned_by_titles_before_labels_are_learnt(
    shop: Catalogue, base_model: Path, tmp_path: Path
) -> None:
    align = {"learn": "title", "parts": {"vision": "none", "language": "none"}, "epochs": 1}
    summary = train(shop, params=_params(base_model, stages=[align, {"epochs": 1}]), out=tmp_path / "checkpoint")
    assert summary.num_runs == 2
    curves = (tmp_path / "checkpoint" / "curves").glob("*/events.*")
    assert {file.parent.name for file in curves} == {"0", "1"}


def test_two_runs_do_not_write_the_same_checkpoint(shop: Catalogue, base_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "checkpoint"
    with (
        storage.only_user(tmp_path / ".checkpoint-state", of=out),
        pytest.raises(StorageError, match=f"another run is writing {out}"),
    ):
        train(shop, params=_params(base_model), out=out)


def test_a_checkpoint_is_an_ordinary_model_folder_that_knows_its_data(tiny_run: TinyRun, tmp_path: Path) -> None:
    names = {path.name for path in tiny_run.checkpoint.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json", "facetry.json"} <= names
    assert json.loads((tiny_run.checkpoint / "facetry.json").read_bytes())["data_revision"]


def test_a_checkpoint_names_the_version_of_the_data(base_model: Path, tmp_path: Path) -> None:
    versioned = catalogue(tmp_path / "split", _listings())
    record_version(tmp_path / "split", VersionRecord(catalogue="listings", version="v2", digest=versioned.digest))
    train(Catalogue.open(tmp_path / "split"), params=_params(base_model, epochs=0.5), out=tmp_path / "checkpoint")
    assert Checkpoint.open(tmp_path / "checkpoint").card.data_version == "listings/v2"


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step_and_listings(
    shop: Catalogue, base_model: Path, tmp_path: Path
) -> None:
    params = _params(base_model, learning_rate=1e6, max_gradient_norm=1e9, warmup_share=0, epochs=20)
    with pytest.raises(TrainingError, match=r"the loss is .* at step \d+, listings listing-"):
        train(shop, params=params, out=tmp_path / "out")


def test_a_base_model_that_is_not_there_is_named(shop: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.base_model: no model folder at data/nothing/here"):
        train(shop, params=_params(Path("data/nothing/here")), out=tmp_path / "out")


def test_a_catalogue_that_was_not_split_is_refused_before_anything_starts(base_model: Path, tmp_path: Path) -> None:
    unsplit = catalogue(tmp_path / "clean", [listing("1", split=None)])
    with pytest.raises(TrainingError, match="has no listing in split 'train'"):
        train(unsplit, params=_params(base_model), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_batch_that_cannot_be_shared_is_refused(shop: Catalogue, base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.batch_size: 2, must be at least 3"):
        train(shop, params=_params(base_model, num_processes=3, batch_size=2), out=tmp_path / "out")

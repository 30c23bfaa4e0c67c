"""The stage on real DeepSpeed with a real Qwen2-VL, as small as it gets."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import Qwen2VLForConditionalGeneration

from facetry.catalogue import Catalogue, CatalogueWriter, VersionRecord, record_version
from facetry.decoding import Engine
from facetry.decoding.checkpoint import Checkpoint
from facetry.errors import TrainingError
from facetry.listing import Split
from facetry.training import train
from tests.conftest import TinyRun

TRAIN = """
import sys
from pathlib import Path
from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.training import train
train(Catalogue.open(sys.argv[1]), params=TrainParams.model_validate_json(sys.argv[2]), out=Path(sys.argv[3]))
"""


def test_a_checkpoint_is_an_ordinary_model_folder_without_pickles(tiny_run: TinyRun) -> None:
    names = {path.name for path in tiny_run.checkpoint.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "processor_config.json", "facetry.json"} <= names
    assert not [path for path in tiny_run.checkpoint.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]
    model = Qwen2VLForConditionalGeneration.from_pretrained(tiny_run.checkpoint)
    assert json.loads((tiny_run.checkpoint / "facetry.json").read_bytes())["data_revision"]
    assert model.config.model_type == "qwen2_vl"


def test_two_ranks_under_zero_3_save_an_ordinary_model_folder_that_knows_its_data_version(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    params = tiny_run.params.train.model_copy(update={"zero_stage": 3, "num_processes": 2, "epochs": 0.2})
    folder = shutil.copytree(tiny_run.split, tmp_path / "split")
    catalogue = Catalogue.open(folder)
    record_version(folder, VersionRecord(catalogue="listings", version="v2", digest=catalogue.digest))
    summary = train(catalogue, params=params, out=tmp_path / "checkpoint")
    assert summary.num_steps > 0
    assert Engine.load(tmp_path / "checkpoint").taxonomy == catalogue.taxonomy
    assert Checkpoint.open(tmp_path / "checkpoint").card.data_version == "listings/v2"


def test_ranks_learn_the_same_as_one_when_some_of_them_see_no_picture(tiny_run: TinyRun, tmp_path: Path) -> None:
    listings = [each for each in Catalogue.open(tiny_run.split).listings() if each.label and each.usable_images][:16]
    label = listings[0].label
    mixed = [
        replace(each, label=label, split=side, title=f"Pan {number}", images=each.images if number % 2 else ())
        for number, each in enumerate(listings)
        for side in ([Split.TRAIN] if number < 12 else [Split.VALIDATION])
    ]
    given = Catalogue.open(tiny_run.split)
    with CatalogueWriter(
        tmp_path, stage="split", params=tiny_run.params.split, taxonomy_yaml=given.taxonomy_yaml, parent=given
    ) as writer:
        for listing in mixed:
            writer.add(listing)
    changes = {"field_mask_probability": 0, "batch_size": 2, "epochs": 1}
    losses = [
        train(
            Catalogue.open(tmp_path),
            params=tiny_run.params.train.model_copy(update={**changes, "num_processes": num_processes}),
            out=tmp_path / f"on-{num_processes}",
        ).validation_loss
        for num_processes in (1, 2)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_killed_run_started_again_continues_from_its_last_checkpoint(tiny_run: TinyRun, tmp_path: Path) -> None:
    out = tmp_path / "checkpoint"
    command = [sys.executable, "-c", TRAIN, str(tiny_run.split), tiny_run.params.train.model_dump_json(), str(out)]
    killed = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 200
    while not (tmp_path / ".checkpoint-state/checkpoint-4/trainer_state.json").is_file():
        assert killed.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not out.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "continuing from checkpoint-" in again.stdout
    assert (out / "facetry.json").is_file()
    assert not (tmp_path / ".checkpoint-state").exists()


def test_a_base_model_that_is_not_there_is_named(tiny_run: TinyRun, tmp_path: Path) -> None:
    params = tiny_run.params.train.model_copy(update={"base_model": "data/nothing/here"})
    with pytest.raises(TrainingError, match=r"train\.base_model: no model folder at data/nothing/here"):
        train(Catalogue.open(tiny_run.split), params=params, out=tmp_path / "out")


def test_a_catalogue_that_was_not_split_is_refused_before_anything_starts(tiny_run: TinyRun, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no usable listing in split 'train'"):
        train(Catalogue.open(tiny_run.split.parent / "clean"), params=tiny_run.params.train, out=tmp_path / "out")


def test_a_batch_that_cannot_be_shared_is_refused_and_leaves_nothing(tiny_run: TinyRun, tmp_path: Path) -> None:
    params = tiny_run.params.train.model_copy(update={"num_processes": 3})
    with pytest.raises(TrainingError, match=r"train\.batch_size: 8, must be a multiple of 3"):
        train(Catalogue.open(tiny_run.split), params=params, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_split_of_the_tiny_run_has_all_three_sides(tiny_run: TinyRun) -> None:
    catalogue = Catalogue.open(tiny_run.split)
    assert all(any(catalogue.listings(split=split)) for split in Split)

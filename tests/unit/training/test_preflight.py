"""The fastest way that fits is taken, what is set stays as it is, and what cannot fit is refused with its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen2VLConfig

from facetry.backbones.registry import ANSWERING
from facetry.config import TrainParams
from facetry.errors import TrainingError
from facetry.taxonomy import load_yaml
from facetry.training.deepspeed_config import deepspeed_config
from facetry.training.measure import Lengths
from facetry.training.memory import Load
from facetry.training.preflight import (
    GIGABYTE,
    Plan,
    available_bytes,
    available_host_bytes,
    explain,
    fullest,
    out_of_memory,
    plan,
)
from tests.tiny_models import write_tiny_model

TREE = load_yaml("Pan:\nPot:\n", origin="the test")
SHORT = Lengths(*(np.full(64, tokens, dtype=np.int32) for tokens in (40, 9, 6)))
LONG = Lengths(*(np.full(640, tokens, dtype=np.int32) for tokens in (200, 2000, 12)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_model(folder, "qwen2_vl", taxonomy=TREE)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of a model of two billion weights; nothing else of it is looked at."""
    folder = tmp_path_factory.mktemp("large")
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    text = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12}
    Qwen2VLConfig(
        text_config={**text, "num_key_value_heads": 2, "vocab_size": 151936, "rope_parameters": rope},
        vision_config={"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 1536},
        tie_word_embeddings=True,
    ).save_pretrained(folder)
    return folder


def plan_of(
    base_model: Path,
    *,
    lengths: Lengths = LONG,
    gigabytes: float = 80,
    num_processes: int = 1,
    **params: Any,  # noqa: ANN401 - of all kinds
) -> Plan:
    return plan(
        lengths=lengths,
        base_model=base_model,
        family=ANSWERING["qwen2_vl"],
        params=TrainParams.model_validate({"precision": "bf16", "memory_gigabytes": gigabytes, **params}),
        num_processes=num_processes,
        memory_bytes=int(gigabytes * GIGABYTE),
        host_bytes=200 * GIGABYTE,
    )


def way(found: Plan) -> tuple[int, str, int, bool]:
    return found.zero_stage, found.offload, found.accumulation_steps, found.gradient_checkpointing


def test_with_plenty_of_memory_nothing_is_done_to_save_any(tiny: Path) -> None:
    assert way(plan_of(tiny, lengths=SHORT)) == (1, "none", 1, False)
    assert way(plan_of(tiny, lengths=SHORT, num_processes=4)) == (1, "none", 1, False)


def test_the_less_memory_there_is_the_slower_the_way(large: Path) -> None:
    roomy, tight, tighter = (plan_of(large, gigabytes=size, batch_size=8) for size in (400, 80, 52))
    assert way(roomy) == (1, "none", 1, False)
    assert way(tight) == (1, "none", 8, False)
    assert (tighter.offload, tighter.gradient_checkpointing) == ("none", True)
    assert roomy.rows[-1].time < tight.rows[-1].time < tighter.rows[-1].time
    for found in (roomy, tight, tighter):
        assert [row.fits for row in found.rows] == [False] * (len(found.rows) - 1) + [True]
        assert [row.time for row in found.rows] == sorted(row.time for row in found.rows)


def test_many_processes_share_what_one_cannot_hold(large: Path) -> None:
    assert plan_of(large, gigabytes=8, num_processes=16, batch_size=64).zero_stage == 3
    assert plan_of(large, gigabytes=16, batch_size=64).offload == "optimizer"


def test_what_is_set_is_kept(large: Path, tiny: Path) -> None:
    settings: Mapping[str, Any] = {
        "zero_stage": 2,
        "offload": "optimizer",
        "accumulation_steps": 3,
        "gradient_checkpointing": True,
    }
    assert way(plan_of(large, batch_size=32, **settings)) == (2, "optimizer", 3, True)
    assert plan_of(tiny, zero_stage=0).zero_stage == 0
    assert plan_of(large, offload="all").zero_stage == 3


def test_what_cannot_fit_is_refused_with_the_numbers_and_the_table(
    large: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = r"no way to train fits: ZeRO 3, offload of all, 16 accumulation steps, .* takes [\d.]+ GB and [\d.]+ GB of"
    with pytest.raises(TrainingError, match=told):
        plan_of(large, gigabytes=1)
    table = capsys.readouterr().out
    assert "more that do not fit" in table
    assert "activations" in table


def test_the_table_tells_what_was_considered_and_chosen(large: Path) -> None:
    lines = explain(plan_of(large, gigabytes=80, batch_size=8)).splitlines()
    assert lines[0] == "640 listings, in tokens: half of them up to 2200, 95% up to 2200, the longest 2200"
    assert lines[2].startswith(
        "a micro-batch has at most 200 tokens of text and 2000 of images, of which 12 are learnt;"
    )
    assert lines[3] == "gigabytes for each of 1 processes, 80 GB and 200 GB of RAM are there, 90% of them usable:"
    assert lines[4].split()[:4] == ["ZeRO", "offload", "accumulation", "checkpointing"]
    assert [line.endswith("fits") for line in lines[5:]] == [False, False, False, True]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"batch_size": 3}, r"train.batch_size: 3, must be at least 4 \(4 processes\)"),
        (
            {"batch_size": 8, "accumulation_steps": 4},
            r"train.batch_size: 8, must be at least 16 \(4 processes x 4 accumulation steps\)",
        ),
        ({"offload": "all", "zero_stage": 2}, "train.offload: all, but train.zero_stage: 2: set it to 3 or to null"),
        ({"offload": "optimizer", "zero_stage": 0}, "train.offload: optimizer, but train.zero_stage: 0"),
        ({"adapter": {"quantise": "nf4"}, "zero_stage": 3}, "train.zero_stage: 3, but weights in 4 bits"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tiny: Path, params: Mapping[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        plan_of(tiny, num_processes=4, **params)


def test_the_fullest_micro_batch_has_the_longest_listings(tiny: Path) -> None:
    text = np.array([10, 90, 20, 80, 30, 70], dtype=np.int32)
    lengths = Lengths(text, np.zeros_like(text), np.full_like(text, 2))
    params = TrainParams(batch_size=4)
    assert fullest(lengths, params=params, num_parts=1) == Load(270, 0, 8)
    assert fullest(lengths, params=params, num_parts=2) == Load(150, 0, 4)
    assert fullest(lengths, params=params, num_parts=4) == Load(90, 0, 2)


def test_memory_that_was_not_enough_after_all_is_told_with_the_next_thing_to_try(large: Path) -> None:
    told = str(out_of_memory(plan_of(large, gigabytes=80, batch_size=8)))
    assert "out of memory: ZeRO 1, 8 accumulation steps takes" in told
    assert "set train.accumulation_steps: 16 or train.gradient_checkpointing: true" in told


def test_the_memory_is_what_params_say_or_else_this_machine_has() -> None:
    assert available_bytes(TrainParams(memory_gigabytes=16), num_processes=2) == 16 * GIGABYTE
    if not torch.cuda.is_available():
        all_of_it = available_host_bytes(1)
        assert 0 < all_of_it < 2**44
        assert available_bytes(TrainParams(), num_processes=4) == pytest.approx(all_of_it / 4, rel=0.2)


def test_deepspeed_is_told_what_was_planned(large: Path) -> None:
    found = plan_of(large, gigabytes=8, num_processes=16, batch_size=64)
    config = deepspeed_config(TrainParams(precision="bf16"), found, num_processes=16, load_universal=True)
    assert config["train_batch_size"] == 16 * found.accumulation_steps
    assert config["checkpoint"] == {"load_universal": True}
    zero = config["zero_optimization"]
    assert isinstance(zero, dict)
    assert zero["stage"] == 3
    assert zero["stage3_gather_16bit_weights_on_model_save"] is True
    assert "offload_param" not in zero

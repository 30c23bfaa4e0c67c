"""params.yaml is read whole or refused with all that is wrong with it."""

from pathlib import Path

import pytest

from facetry.config import Params, load_params, parse_params
from facetry.errors import ConfigError


def test_unknown_keys_and_values_out_of_range_are_reported_together() -> None:
    tree = {
        "train": {"epocs": 3, "batch_size": 0, "precision": "fp8"},
        "split": {"ratios": {"train": 0.7, "validation": 0.7, "test": 0.2}},
        "serve": {"http_port": 99_999},
        "trane": {},
    }
    with pytest.raises(ConfigError) as failure:
        parse_params(tree, origin="params.yaml")
    lines = str(failure.value).splitlines()
    assert lines[0] == "params.yaml has 6 errors"
    assert sorted(lines[1:]) == sorted(
        [
            "  train.epocs: unknown key, did you mean epochs?",
            "  train.batch_size: 0, must be at least 1",
            "  train.precision: 'fp8', must be 'fp32' or 'bf16'",
            "  split.ratios: sum to 1.6, must sum to 1",
            "  serve.http_port: 99999, must be at most 65535",
            "  trane: unknown key, did you mean train?",
        ]
    )


def test_an_override_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {epochs: 2, batch_size: 4}\n")
    params = load_params(path, ["train.epochs=3", "split.ratios.train=0.6", "split.ratios.test=0.3"])
    assert (params.train.epochs, params.train.batch_size) == (3, 4)
    assert params.train.learning_rate == Params().train.learning_rate
    assert params.split.ratios.train == 0.6


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "write section.key=value"),
        ("epochs=2", "write section.key=value"),
        ("train.epochs.more=2", "'epochs' is a value, not a section"),
        ("train.epochs=[", "is not YAML"),
        ("train.epochs=many", r"train\.epochs: 'many'"),
    ],
)
def test_an_override_that_cannot_be_applied_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_params(None, ["train.epochs=1", override])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"train: [", "is not YAML"), (b"- train", "must map sections"), (b"\xff", "not UTF-8")],
)
def test_a_file_that_holds_no_parameters_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_params(path)
    with pytest.raises(ConfigError, match="cannot read"):
        load_params(tmp_path / "none.yaml")


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("# nothing yet\n")
    assert load_params(tmp_path / "params.yaml") == Params()


def test_columns_must_make_a_listing() -> None:
    with pytest.raises(ConfigError, match=r"ingest\.columns: no field of a listing is called colour: use id, title"):
        parse_params({"ingest": {"columns": {"id": "sku", "title": "name", "colour": "hue"}}}, origin="x")
    with pytest.raises(ConfigError, match=r"ingest\.columns: must have title or images"):
        parse_params({"ingest": {"columns": {"id": "sku"}}}, origin="x")
    with pytest.raises(ConfigError, match="ingest: columns must name one for id, or else id_from_content"):
        parse_params({"ingest": {"columns": {"title": "name"}}}, origin="x")
    parse_params({"ingest": {"columns": {"title": "name"}, "id_from_content": True}}, origin="x")


def test_a_stage_overrides_what_all_stages_share() -> None:
    shared = {"batch_size": 4, "adapter": {"rank": 8}}
    stages = [{"adapter": {"quantise": "nf4"}}, {"adapter": None, "epochs": 1, "parts": {"vision": "none"}}]
    first, second = parse_params({"train": {**shared, "stages": stages}}, origin="x").train.runs()
    assert first.adapter is not None
    assert (first.adapter.rank, first.adapter.quantise, first.batch_size) == (8, "nf4", 4)
    assert (second.adapter, second.epochs, second.parts.vision, second.parts.language) == (None, 1, "none", "all")


def test_what_is_wrong_in_any_stage_is_reported_with_its_path() -> None:
    stages = [
        {"epoch": 1},
        {"batch_size": 0, "parts": {"visoin": "all"}, "base_model": "other"},
        {"contrastive": {"sentence": "a photo"}, "adapter": {"rank": 0}},
    ]
    with pytest.raises(ConfigError) as failure:
        parse_params({"train": {"stages": stages}, "draw": {"seeds": 1}}, origin="params.yaml")
    lines = str(failure.value).splitlines()
    assert lines[0] == "params.yaml has 7 errors"
    assert sorted(lines[1:]) == sorted(
        [
            "  draw.seeds: unknown key, did you mean seed?",
            "  train.stages.0.epoch: unknown key, did you mean epochs?",
            "  train.stages.1.base_model: cannot differ between stages, set it for all of them",
            "  train.stages.1.batch_size: 0, must be at least 1",
            "  train.stages.1.parts.visoin: unknown key, did you mean vision?",
            "  train.stages.2.adapter.rank: 0, must be at least 1",
            "  train.stages.2.contrastive.sentence: must hold {value}, as in 'a photo of a {value}'",
        ]
    )


def test_the_parameters_to_copy_for_a_real_model_are_valid() -> None:
    files = list((Path(__file__).parents[2] / "recipes" / "params").glob("*.yaml"))
    assert files
    for file in files:
        assert load_params(file, []).train.precision == "bf16"

"""A model that is not whole, or whose pieces do not belong together, is refused in one line that says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from facetry.backbones.backbone import Backbone, check_weights
from facetry.backbones.encoder import PromptEncoder, load_config
from facetry.backbones.registry import answering_family
from facetry.errors import CheckpointError
from facetry.taxonomy import load_yaml
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a tiny model of the type that is asked for; only to be copied."""
    folder = tmp_path_factory.mktemp("whole")

    def write(model_type: str) -> Path:
        if not (folder / model_type).is_dir():
            write_tiny_model(folder / model_type, model_type, taxonomy=load_yaml("Pans:", origin="test"))
        return folder / model_type

    return write


@pytest.fixture
def copy(whole: Callable[[str], Path], tmp_path: Path) -> Path:
    return shutil.copytree(whole("llava"), tmp_path / "model")


def _leave_one_out(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    del weights[next(name for name in weights if "mlp" in name)]
    save_file(weights, folder / WEIGHTS, {"format": "pt"})


def _add_one(folder: Path) -> None:
    save_file({**load_file(folder / WEIGHTS), "extra": torch.zeros(1)}, folder / WEIGHTS, {"format": "pt"})


def _shorten_one(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    name = next(name for name in weights if "mlp" in name)
    save_file({**weights, name: weights[name][:-1].clone()}, folder / WEIGHTS, {"format": "pt"})


def _lose_a_shard(folder: Path) -> None:
    model = Backbone.load(folder).model
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    next(folder.glob("model-00002-of-*.safetensors")).unlink()


def _cut_short(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("model_type", ANSWERING_MODEL_TYPES)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_leave_one_out, "has 1 missing keys, first '.*mlp.*': take files that belong together"),
        (_add_one, "has 1 unexpected keys, first 'extra': take files that belong together"),
        (_shorten_one, r"weight '.*mlp.*' is \[\d+.*\] in its files and \[\d+.*\] by its config\.json"),
        (_lose_a_shard, r"model-00002-of-\d+\.safetensors: copy or download the model again, whole"),
        (_cut_short, "cannot load model .*: copy or download the model again, whole"),
    ],
)
def test_weights_that_are_not_the_model_s_are_refused_loaded_or_only_checked(
    whole: Callable[[str], Path], tmp_path: Path, model_type: str, damage: Callable[[Path], None], said: str
) -> None:
    folder = shutil.copytree(whole(model_type), tmp_path / "model")
    family = answering_family(load_config(folder), folder=folder)
    check_weights(folder, family=family)
    damage(folder)
    for load in (lambda: Backbone.load(folder), lambda: check_weights(folder, family=family)):
        with pytest.raises(CheckpointError, match=said) as refused:
            load()
        assert "\n" not in str(refused.value)


def test_other_weights_are_taken_when_that_is_asked_for(copy: Path) -> None:
    _add_one(copy)
    check_weights(copy, family=answering_family(load_config(copy), folder=copy), allow_other_weights=True)


def _edit(file: Path, **changes: object) -> None:
    settings: dict[str, Any] = json.loads(file.read_bytes())
    file.write_text(json.dumps({**settings, **changes}), encoding="utf-8")


def _say_less(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for message in messages %}{{ message['role'] }}{% endfor %}")


def _speak_only(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: _edit(folder / "config.json", image_token_index=9999), r"lacks the image token \(id 9999"),
        (
            lambda folder: _edit(folder / "config.json", image_token_index=40),
            "gives an image 0 image tokens, must be 1",
        ),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "has no chat template"),
        (_say_less, "gives an image 0 image tokens, must be 1"),
        (_speak_only, r"its chat template takes no images \(can only concatenate"),
        (lambda folder: _edit(folder / "tokenizer_config.json", eos_token=None), "its tokenizer has no eos_token"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "has no usable processor"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "has no usable processor"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
        (lambda folder: _edit(folder / "config.json", model_type="bert"), "is a bert: use one of qwen2_vl, "),
        (
            lambda folder: _edit(folder / "config.json", vision_config={"model_type": "pixtral"}),
            "is a llava that sees through a pixtral: use one with clip_vision_model or siglip_vision_model",
        ),
    ],
)
def test_a_processor_that_is_not_the_model_s_is_refused_before_its_weights_are_looked_at(
    copy: Path, damage: Callable[[Path], object], said: str
) -> None:
    (copy / WEIGHTS).unlink()
    damage(copy)
    with pytest.raises(CheckpointError, match=said) as refused:
        PromptEncoder.load(copy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("model_type", "settings", "said"),
    [
        ("qwen2_vl", {"merge_size": 4}, "merge_size is 4 for its image processor and 2 in its config"),
        ("qwen3_vl", {"patch_size": 14}, "patch_size is 14 for its image processor and 8 in its config"),
        ("llava", {"crop_size": {"height": 64, "width": 64}}, "makes squares of 64 x 64 pixels and it sees 32 x 32"),
        ("llava_onevision", {"size": {"height": 16, "width": 16}}, "squares of 16 x 16 pixels and it sees 32 x 32"),
    ],
)
def test_an_image_processor_of_another_model_is_refused(
    whole: Callable[[str], Path], tmp_path: Path, model_type: str, settings: dict[str, object], said: str
) -> None:
    folder = shutil.copytree(whole(model_type), tmp_path / "model")
    _edit(folder / "preprocessor_config.json", **settings)
    with pytest.raises(CheckpointError, match=said):
        PromptEncoder.load(folder)


def test_a_folder_that_is_not_there_or_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no model folder at .*nowhere: give a folder"):
        Backbone.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="cannot load model") as refused:
        Backbone.load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_chat_template_that_an_older_folder_keeps_apart_is_found(copy: Path) -> None:
    template = (copy / "chat_template.jinja").read_text()
    (copy / "chat_template.jinja").unlink()
    (copy / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    assert PromptEncoder.load(copy).tokenizer.chat_template == template

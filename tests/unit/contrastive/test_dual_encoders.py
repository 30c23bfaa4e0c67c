"""What every dual encoder must do, on tiny models of each family."""

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from facetry.backbones.dual_encoder import DualEncoder, PairEncoder
from facetry.backbones.dual_family import DualEncoderFamily
from facetry.backbones.encoder import load_config
from facetry.backbones.registry import find_family
from facetry.errors import CheckpointError
from facetry.prompting import decode_image

CAPTIONS = ["red", "a photo of a product, lid: yes"]


def family_of(folder: Path) -> DualEncoderFamily:
    family = find_family(load_config(folder), folder=folder)
    assert isinstance(family, DualEncoderFamily)
    return family


@pytest.fixture(scope="module")
def dual_encoder(model_folder: Path) -> DualEncoder:
    return DualEncoder.load(model_folder, family=family_of(model_folder))


def noise(seed: int) -> Image.Image:
    return Image.effect_noise((60, 40 + seed), 50).convert("RGB")


def test_every_weight_belongs_to_a_part_and_every_part_has_weights(dual_encoder: DualEncoder) -> None:
    family = dual_encoder.encoder.family
    owners = {name: family.part_of(name) for name, _ in dual_encoder.model.named_parameters()}
    assert set(owners.values()) == {"vision", "projector", "language"}
    assert {owners[name] for name in owners if name.startswith("logit_")} == {"projector"}


def test_logits_are_those_of_the_model_itself(dual_encoder: DualEncoder) -> None:
    pixels = torch.stack([dual_encoder.encoder.encode_image(noise(seed)) for seed in range(3)])
    captions = dual_encoder.encoder.encode_captions(CAPTIONS)
    with torch.inference_mode():
        expected = dual_encoder.model(pixel_values=pixels, **captions).logits_per_image
        found = dual_encoder.logits(dual_encoder.embed_images(pixels), dual_encoder.embed_captions(captions))
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_caption_is_read_alike_alone_and_beside_a_longer_one(dual_encoder: DualEncoder) -> None:
    with torch.inference_mode():
        alone = dual_encoder.embed_captions(dual_encoder.encoder.encode_captions(CAPTIONS[:1]))
        beside = dual_encoder.embed_captions(dual_encoder.encoder.encode_captions(CAPTIONS))
    assert torch.allclose(alone[0], beside[0], atol=1e-6)


def test_siglip_reads_a_caption_to_the_end_of_its_places(tmp_path: Path, model_folder: Path) -> None:
    encoder = PairEncoder.load(model_folder, family=family_of(model_folder))
    encoded = encoder.encode_captions(["red"])
    if encoder.family.model_type == "siglip":
        assert list(encoded) == ["input_ids"]
        assert encoded["input_ids"].shape == (1, encoder.num_caption_tokens)
    else:
        assert encoded["attention_mask"].all()


def test_a_large_jpeg_that_is_decoded_at_a_fraction_of_its_size_looks_the_same(dual_encoder: DualEncoder) -> None:
    encoder = dual_encoder.encoder
    side = encoder.config.vision_config.image_size
    smooth = Image.radial_gradient("L").resize((300, 260)).convert("RGB")
    file = io.BytesIO()
    smooth.save(file, "JPEG", quality=95)
    whole, part = decode_image(file.getvalue()), decode_image(file.getvalue(), resized_to=encoder.resized_to)
    assert side <= min(part.size) < min(whole.size)
    pixels = encoder.encode_image(part)
    assert pixels.shape == (3, side, side)
    assert (pixels - encoder.encode_image(whole)).abs().mean() < 0.05


def test_a_model_with_a_weight_missing_is_refused(model_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    weights.pop("logit_scale")
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="1 missing keys, first 'logit_scale'"):
        DualEncoder.load(copy, family=family_of(copy))


def test_a_processor_that_belongs_to_another_model_is_refused(model_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    settings = json.loads((copy / "preprocessor_config.json").read_bytes())
    larger = {"height": 64, "width": 64}
    settings.update(crop_size=larger, size=larger)
    (copy / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match="makes pictures of 64 x 64 pixels and the model sees 32 x 32"):
        PairEncoder.load(copy, family=family_of(copy))

"""CLIP and SigLIP as small as they get, untrained, saved as the ordinary Hugging Face folders that others are."""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from tokenizers.trainers import WordLevelTrainer
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

DUAL_MODEL_TYPES = ("clip", "siglip")
IMAGE_SIDE_PIXELS = 32
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SPECIAL = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "</s>"}


def write_tiny_clip(folder: Path, model_type: str, *, texts: Iterable[str], seed: int = 3) -> None:
    """Write an untrained model of `DUAL_MODEL_TYPES` whose tokenizer knows the words of `texts`."""
    torch.manual_seed(seed)
    {"clip": _write_clip, "siglip": _write_siglip}[model_type](folder, [*texts] * 20)


def _write_clip(folder: Path, texts: list[str]) -> None:
    tokenizer = CLIPTokenizer().train_new_from_iterator(texts, vocab_size=512, show_progress=False)
    config = CLIPConfig(
        text_config={
            **TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 24,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={**TOWER, "image_size": IMAGE_SIDE_PIXELS, "patch_size": 8},
        projection_dim=24,
    )
    side = {"height": IMAGE_SIDE_PIXELS, "width": IMAGE_SIDE_PIXELS}
    CLIPModel._from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIDE_PIXELS}, crop_size=side).save_pretrained(folder)


def _write_siglip(folder: Path, texts: list[str]) -> None:
    words = Tokenizer(WordLevel(unk_token=SPECIAL["unk_token"]))
    words.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\w ]"), "")])
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(texts, WordLevelTrainer(special_tokens=["<unk>", "</s>"], show_progress=False))
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **SPECIAL)
    config = SiglipConfig(
        text_config={
            **TOWER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 16,
            "bos_token_id": None,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        vision_config={**TOWER, "image_size": IMAGE_SIDE_PIXELS, "patch_size": 8},
    )
    model = SiglipModel._from_config(config)
    torch.nn.init.constant_(model.logit_scale, math.log(10))  # as SigLIP begins; the class itself leaves it at 0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    side = {"height": IMAGE_SIDE_PIXELS, "width": IMAGE_SIDE_PIXELS}
    SiglipImageProcessorPil(size=side).save_pretrained(folder)

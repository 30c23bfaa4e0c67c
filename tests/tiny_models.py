"""Models of every family that answers, as small as they get, saved as the ordinary Hugging Face folders others are."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    CLIPImageProcessorPil,
    LlamaTokenizer,
    LlavaConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionImageProcessorPil,
    PreTrainedTokenizerBase,
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
)

from facetry.backbones.quiet import quietly
from facetry.backbones.registry import ANSWERING
from facetry.synthetic.models import CHAT_TEMPLATE, SPECIAL_TOKENS
from facetry.taxonomy import Taxonomy

ANSWERING_MODEL_TYPES = tuple(ANSWERING)
NUM_CONTEXT_TOKENS = 1024
PATCH_SIDE_PIXELS = 8
SQUARE_SIDE_PIXELS = 32
MAX_GRID_PIXELS = 96 * 96

TEXT: Mapping[str, object] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": NUM_CONTEXT_TOKENS,
    "initializer_range": 0.1,
}
GRID_TOWER: Mapping[str, object] = {
    "depth": 2,
    "num_heads": 2,
    "patch_size": PATCH_SIDE_PIXELS,
    "spatial_merge_size": 2,
    "initializer_range": 0.1,
}
GRID_TOWERS: Mapping[str, Mapping[str, object]] = {
    "qwen2_vl": {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2},
    # The first block looks at windows of 2 x 2 tokens, the second at the whole.
    "qwen2_5_vl": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "window_size": 32,
        "fullatt_block_indexes": [1],
        "out_hidden_size": 64,
    },
    "qwen3_vl": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "out_hidden_size": 64,
    },
}
SQUARE_TOWER: Mapping[str, object] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SQUARE_SIDE_PIXELS,
    "patch_size": PATCH_SIDE_PIXELS,
}
PINPOINTS = [[32, 32], [32, 64], [64, 32], [64, 64], [32, 96], [96, 32]]
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }} {% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
ONE_VISION_TEMPLATE = CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")


def write_tiny_model(
    folder: Path, model_type: str, *, taxonomy: Taxonomy, texts: Iterable[str] = (), seed: int = 3
) -> None:
    """Write an untrained model of `ANSWERING_MODEL_TYPES` whose tokenizer knows the words of `texts` and `taxonomy`."""
    torch.manual_seed(seed)
    words = [*texts, *_labels(taxonomy)] * 20
    with quietly():
        if model_type == "llava":
            _write_llava(folder, words)
        elif model_type == "llava_onevision":
            _write_llava_onevision(folder, words)
        else:
            _write_qwen(folder, words, model_type=model_type)


def _labels(taxonomy: Taxonomy) -> Iterable[str]:
    for leaf in taxonomy.leaves:
        yield leaf.path
        yield from (f"{attribute.name}: {value}" for attribute in leaf.attributes for value in attribute.values)


def _write_qwen(folder: Path, words: list[str], *, model_type: str) -> None:
    tokenizer = _qwen_tokenizer(words, special=SPECIAL_TOKENS, template=CHAT_TEMPLATE)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
    text = {**_text(tokenizer), "rope_parameters": rope}
    if model_type == "qwen3_vl":
        text |= {"head_dim": 16, "rope_parameters": {**rope, "mrope_interleaved": True}}
    config = AutoConfig.for_model(
        model_type,
        text_config=text,
        vision_config={**GRID_TOWER, **GRID_TOWERS[model_type]},
        image_token_id=_id(tokenizer, "<|image_pad|>"),
        video_token_id=_id(tokenizer, "<|video_pad|>"),
        vision_start_token_id=_id(tokenizer, "<|vision_start|>"),
        vision_end_token_id=_id(tokenizer, "<|vision_end|>"),
        tie_word_embeddings=model_type == "qwen2_vl",
    )
    ANSWERING[model_type].model_class._from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    smallest = (2 * PATCH_SIDE_PIXELS) ** 2
    Qwen2VLImageProcessorPil(
        patch_size=PATCH_SIDE_PIXELS, merge_size=2, min_pixels=smallest, max_pixels=MAX_GRID_PIXELS
    ).save_pretrained(folder)


def _write_llava(folder: Path, words: list[str]) -> None:
    tokenizer = _llama_tokenizer(words)
    config = LlavaConfig(
        text_config={**_text(tokenizer), "model_type": "llama"},
        vision_config={**SQUARE_TOWER, "model_type": "clip_vision_model"},
        image_token_index=_id(tokenizer, "<image>"),
        image_seq_length=(SQUARE_SIDE_PIXELS // PATCH_SIDE_PIXELS) ** 2,
    )
    ANSWERING["llava"].model_class._from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": SQUARE_SIDE_PIXELS},
        crop_size={"height": SQUARE_SIDE_PIXELS, "width": SQUARE_SIDE_PIXELS},
    ).save_pretrained(folder)


def _write_llava_onevision(folder: Path, words: list[str]) -> None:
    tokenizer = _qwen_tokenizer(words, special=(*SPECIAL_TOKENS, "<image>", "<video>"), template=ONE_VISION_TEMPLATE)
    config = LlavaOnevisionConfig(
        text_config={**_text(tokenizer), "model_type": "qwen2"},
        vision_config={**SQUARE_TOWER, "model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_index=_id(tokenizer, "<image>"),
        video_token_index=_id(tokenizer, "<video>"),
        image_grid_pinpoints=PINPOINTS,
        vision_aspect_ratio="anyres_max_2",
    )
    ANSWERING["llava_onevision"].model_class._from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    LlavaOnevisionImageProcessorPil(
        size={"height": SQUARE_SIDE_PIXELS, "width": SQUARE_SIDE_PIXELS}, image_grid_pinpoints=PINPOINTS
    ).save_pretrained(folder)


def _qwen_tokenizer(words: list[str], *, special: tuple[str, ...], template: str) -> Qwen2Tokenizer:
    tokenizer: Qwen2Tokenizer = Qwen2Tokenizer(vocab={}, merges=[]).train_new_from_iterator(
        words, vocab_size=512, new_special_tokens=list(special), show_progress=False
    )
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.chat_template = template
    return tokenizer


def _llama_tokenizer(words: list[str]) -> LlamaTokenizer:
    """One that spells what it does not know in bytes, as all of its kind do; training alone leaves the bytes out."""
    trained = LlamaTokenizer().train_new_from_iterator(words, vocab_size=256, show_progress=False)
    learnt = json.loads(trained.backend_tokenizer.to_str())["model"]
    vocabulary = {
        token: place for place, token in enumerate([*learnt["vocab"], *(f"<0x{byte:02X}>" for byte in range(256))])
    }
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<image>"]})
    tokenizer.chat_template = LLAVA_TEMPLATE
    return tokenizer


def _text(tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    return int(tokenizer.get_vocab()[token])

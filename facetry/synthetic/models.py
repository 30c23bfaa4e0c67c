"""A tiny Qwen2-VL, untrained, saved as the ordinary Hugging Face folder that any other Qwen2-VL is."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from facetry.config import PromptParams
from facetry.listing import Label
from facetry.prompting import FIELD_NAMES, answer_parts
from facetry.taxonomy import Taxonomy

if TYPE_CHECKING:
    from transformers import Qwen2Tokenizer, Qwen2VLConfig

VOCABULARY_SIZE = 2048
# A picture becomes a single token: with several, an untrained model takes long to learn which lies where.
PATCH_SIDE_PIXELS = 28
PATCHES_PER_TOKEN_SIDE = 3
INITIAL_DEVIATION = 0.1

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_base_model(folder: Path, *, texts: Iterable[str], taxonomy: Taxonomy, seed: int) -> None:
    """Write an untrained model to `folder`, with a tokenizer that knows the words of `texts` and of the taxonomy."""
    import torch
    from transformers import Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil

    from facetry.backbones.quiet import quietly

    tokenizer = _train_tokenizer([*texts, *_answers(taxonomy), *_words_of_the_prompt()])
    num_pixels = (PATCH_SIDE_PIXELS * PATCHES_PER_TOKEN_SIDE) ** 2
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH_SIDE_PIXELS,
        merge_size=PATCHES_PER_TOKEN_SIDE,
        min_pixels=num_pixels,
        max_pixels=num_pixels,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration._from_config(_config(tokenizer))
    tokenizer.chat_template = CHAT_TEMPLATE
    with quietly():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        image_processor.save_pretrained(folder)


def _answers(taxonomy: Taxonomy) -> Iterable[str]:
    """Every answer there is, often enough for each of its words to become a token."""
    for leaf in taxonomy.leaves:
        for index in range(max((len(attribute.values) for attribute in leaf.choices), default=1)):
            attributes = {attribute.name: attribute.values[index % len(attribute.values)] for attribute in leaf.choices}
            parts = answer_parts(Label(leaf.path, attributes), category=leaf)
            yield from ["".join(part.text for part in parts)] * 20


def _words_of_the_prompt() -> Iterable[str]:
    yield from ["\n".join(["user", "assistant", *FIELD_NAMES.values(), PromptParams().question])] * 20


def _train_tokenizer(texts: Iterable[str]) -> "Qwen2Tokenizer":
    from transformers import Qwen2Tokenizer

    tokenizer: Qwen2Tokenizer = Qwen2Tokenizer(vocab={}, merges=[]).train_new_from_iterator(
        texts, vocab_size=VOCABULARY_SIZE, new_special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.eos_token = "<|im_end|>"  # noqa: S105 - a token of the chat
    return tokenizer


def _config(tokenizer: "Qwen2Tokenizer") -> "Qwen2VLConfig":
    from transformers import Qwen2VLConfig

    token_id = {token: int(tokenizer.vocab[token]) for token in SPECIAL_TOKENS}
    return Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "initializer_range": INITIAL_DEVIATION,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": token_id["<|endoftext|>"],
            "eos_token_id": token_id["<|im_end|>"],
            "pad_token_id": token_id["<|endoftext|>"],
        },
        vision_config={
            "depth": 3,
            "embed_dim": 96,
            "hidden_size": 128,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": PATCH_SIDE_PIXELS,
            "spatial_merge_size": PATCHES_PER_TOKEN_SIDE,
            "initializer_range": INITIAL_DEVIATION,
        },
        image_token_id=token_id["<|image_pad|>"],
        video_token_id=token_id["<|video_pad|>"],
        vision_start_token_id=token_id["<|vision_start|>"],
        vision_end_token_id=token_id["<|vision_end|>"],
        tie_word_embeddings=True,
    )

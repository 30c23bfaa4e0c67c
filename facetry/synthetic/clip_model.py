"""A tiny CLIP, untrained, saved as the ordinary Hugging Face folder that any other CLIP is."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from facetry.taxonomy import SEPARATOR, Taxonomy

if TYPE_CHECKING:
    from transformers import CLIPConfig, PreTrainedTokenizerFast

VOCABULARY_SIZE = 2048
IMAGE_SIDE_PIXELS = 84
# A picture becomes four patches: with many, an untrained model takes long to learn which lies where.
PATCH_SIDE_PIXELS = 42
NUM_CAPTION_TOKENS = 48
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def write_clip_model(folder: Path, *, texts: Iterable[str], taxonomy: Taxonomy, seed: int) -> None:
    """Write an untrained model to `folder`, with a tokenizer that knows the words of `texts` and of the taxonomy."""
    import torch
    from transformers import CLIPImageProcessorPil, CLIPModel

    from facetry.backbones.quiet import quietly

    tokenizer = _train_tokenizer(chain(texts, _words_of(taxonomy)))
    side = {"height": IMAGE_SIDE_PIXELS, "width": IMAGE_SIDE_PIXELS}
    image_processor = CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIDE_PIXELS}, crop_size=side)
    torch.manual_seed(seed)
    model = CLIPModel._from_config(_config(tokenizer))
    with quietly():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        image_processor.save_pretrained(folder)


def _train_tokenizer(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """Words in lower case, as CLIP reads them, with a sign at both ends.

    CLIP's own class comes out otherwise every time that it is trained: it marks the ends of words, in no fixed order.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.ByteLevel()
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=[BEGIN, END], initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(texts, trainer)
    ends = [(BEGIN, words.token_to_id(BEGIN)), (END, words.token_to_id(END))]
    words.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A {END}", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token=BEGIN, eos_token=END, pad_token=END)


def _config(tokenizer: "PreTrainedTokenizerFast") -> "CLIPConfig":
    from transformers import CLIPConfig

    return CLIPConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "hidden_act": "gelu",
            "vocab_size": len(tokenizer),
            "max_position_embeddings": NUM_CAPTION_TOKENS,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "hidden_act": "gelu",
            "image_size": IMAGE_SIDE_PIXELS,
            "patch_size": PATCH_SIDE_PIXELS,
        },
        projection_dim=64,
    )


def _words_of(taxonomy: Taxonomy) -> list[str]:
    """Every name and value, often enough for each of its words to become a token."""
    categories = [name for category in taxonomy.categories for name in category.path.split(SEPARATOR)]
    attributes = [attribute for leaf in taxonomy.leaves for attribute in leaf.choices]
    words = dict.fromkeys([*categories, *(word for each in attributes for word in (each.name, *each.values))])
    return [*words, "a photo of a product, category:"] * 20

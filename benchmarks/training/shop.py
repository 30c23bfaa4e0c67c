"""The shop of this benchmark: listings of mixed lengths, and a Qwen2-VL of few layers with the real vocabulary."""

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image
from transformers import Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil

from facetry.backbones.encoder import PromptEncoder
from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import DrawParams, PromptParams
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split
from facetry.prompting import compose
from facetry.synthetic import draw_listings
from facetry.synthetic.models import SPECIAL_TOKENS

SEED = 7
VOCABULARY_SIZE = 151_936
TOKENIZER_SIZE = 450
TOKEN_SIDE_PIXELS = 28
MIN_TOKENS_PER_SIDE, MAX_TOKENS_PER_SIDE = 4, 22
JPEG_QUALITY = 90
SHARE_WITHOUT_IMAGE = 0.1

# The assistant's turn ends with its last token, so that every trainer learns the same tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>{% if message['role'] != 'assistant' %}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What differs between Qwen2-VL models; a rotation covers time, rows and columns in three sections."""

    num_layers: int
    width: int
    inner_width: int
    num_heads: int
    num_key_value_heads: int
    rotated: tuple[int, int, int]
    vision_num_layers: int
    vision_width: int
    vision_num_heads: int
    vocabulary_size: int = VOCABULARY_SIZE


@dataclass(frozen=True, slots=True)
class ShopSize:
    """How many listings are learnt from, how large photographs are at most, and what learns."""

    num_trained: int
    photograph_side_pixels: int
    model: ModelSize
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True, slots=True)
class Shop:
    """A folder with a catalogue, photographs as a camera took them, and a model folder."""

    folder: Path

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def photographs(self) -> list[bytes]:
        """The pictures of the listings, of any size from half the largest."""
        return [path.read_bytes() for path in sorted((self.folder / "photographs").iterdir())]


def write_shop(folder: Path, *, size: ShopSize) -> Shop:
    """The shop in `folder`, which is the same each time it is written; a folder that is there is whole."""
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for name in ("catalogue", "photographs", "model", "drawn"):
            (partial / name).mkdir(parents=True)
        listings = draw_shop(partial, size=size)
        write_model(partial / "model", texts=[text for each in listings for text in _words(each)], size=size)
        partial.rename(folder)
    return Shop(folder)


def draw_shop(folder: Path, *, size: ShopSize) -> list[Listing]:
    """Draw the listings, and put them into a catalogue and their pictures into photographs."""
    drawn, random = folder / "drawn", Random(SEED)
    draw_listings(
        drawn,
        params=DrawParams(
            num_listings=size.num_trained + 1,
            num_brands=8,
            image_side_pixels=size.photograph_side_pixels,
            max_images_per_listing=1,
            wrong_label_share=0,
            blurred_share=0,
            tiny_share=0,
            corrupt_share=0,
            duplicate_share=0,
        ),
    )
    with (drawn / "listings.csv").open(encoding="utf-8", newline="") as file:
        listings = [
            _listing(
                row, folder=folder, split=Split.TRAIN if number < size.num_trained else Split.VALIDATION, random=random
            )
            for number, row in enumerate(csv.DictReader(file))
        ]
    taxonomy = (drawn / "taxonomy.yaml").read_text(encoding="utf-8")
    with CatalogueWriter(
        folder / "catalogue", stage="split", params=DrawParams(), taxonomy_yaml=taxonomy, parent=None
    ) as writer:
        for listing in listings:
            writer.add(listing)
    shutil.rmtree(drawn)
    return listings


def _listing(row: Mapping[str, str], *, folder: Path, split: Split, random: Random) -> Listing:
    """A drawn listing with some of its texts left out, as in a real shop, and a picture of any size, or none."""
    shown = random.sample(("description", "brand", "brand_description"), random.randrange(4))
    pictures = []
    if row["images"]:
        small, photograph = _sizes(folder / "drawn" / row["images"], random=random)
        (folder / "photographs" / f"{row['id']}.jpg").write_bytes(photograph)
        if random.random() > SHARE_WITHOUT_IMAGE:
            pictures.append(ListingImage(data=small, path=row["images"]))
    texts: dict[str, Any] = {name: row[name] for name in shown if row[name]}
    return Listing(
        id=row["id"],
        title=row["title"] or None,
        images=tuple(pictures),
        label=Label(row["category"], source=LabelSource.AUDITED),
        split=split,
        **texts,
    )


def _sizes(source: Path, *, random: Random) -> tuple[bytes, bytes]:
    """A picture whose sides are whole tokens, so that nobody resizes it, and one as large as cameras make them."""
    across, down = (random.randint(MIN_TOKENS_PER_SIDE, MAX_TOKENS_PER_SIDE) * TOKEN_SIDE_PIXELS for _ in range(2))
    with Image.open(source) as image:
        side = random.randrange(image.width // 2, image.width + 1)
        return _jpeg(image.resize((across, down))), _jpeg(image.resize((side, side)))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _words(listing: Listing) -> Iterator[str]:
    yield from listing.texts.values()
    if listing.label is not None:
        yield listing.label.category


def write_model(folder: Path, *, texts: Sequence[str], size: ShopSize) -> None:
    """An untrained model with a tokenizer of the shop's words, whose ids are the first of the vocabulary."""
    tokenizer = Qwen2Tokenizer(vocab={}, merges=[]).train_new_from_iterator(
        texts, vocab_size=TOKENIZER_SIZE, new_special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.eos_token = "<|im_end|>"  # noqa: S105 - a token of the chat
    tokenizer.pad_token = "<|endoftext|>"  # noqa: S105 - likewise
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    token_pixels = TOKEN_SIDE_PIXELS**2
    max_pixels = token_pixels * MAX_TOKENS_PER_SIDE**2
    Qwen2VLImageProcessorPil(min_pixels=token_pixels, max_pixels=max_pixels).save_pretrained(folder)
    torch.manual_seed(SEED)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2VLForConditionalGeneration._from_config(_config(size.model, tokenizer=tokenizer), dtype=size.dtype)
    model.save_pretrained(folder)


def _config(size: ModelSize, *, tokenizer: Qwen2Tokenizer) -> Qwen2VLConfig:
    token_id = {token: int(tokenizer.vocab[token]) for token in SPECIAL_TOKENS}
    return Qwen2VLConfig(
        text_config={
            "vocab_size": size.vocabulary_size,
            "hidden_size": size.width,
            "intermediate_size": size.inner_width,
            "num_hidden_layers": size.num_layers,
            "num_attention_heads": size.num_heads,
            "num_key_value_heads": size.num_key_value_heads,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": list(size.rotated)},
            "bos_token_id": token_id["<|endoftext|>"],
            "eos_token_id": token_id["<|im_end|>"],
            "pad_token_id": token_id["<|endoftext|>"],
        },
        vision_config={
            "depth": size.vision_num_layers,
            "embed_dim": size.vision_width,
            "hidden_size": size.width,
            "num_heads": size.vision_num_heads,
            "mlp_ratio": 4,
        },
        image_token_id=token_id["<|image_pad|>"],
        video_token_id=token_id["<|video_pad|>"],
        vision_start_token_id=token_id["<|vision_start|>"],
        vision_end_token_id=token_id["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def describe(shop: Shop) -> str:
    """What is trained on what, in a line."""
    encoder = PromptEncoder.load(shop.model)
    lengths = [
        len(encoder.encode(compose(listing, params=PromptParams())).token_ids)
        for listing in Catalogue.open(str(shop.catalogue)).listings(split=Split.TRAIN)
    ]
    text, vision = encoder.config.get_text_config(), encoder.config.vision_config
    return (
        f"{len(lengths)} listings with prompts of {min(lengths)} to {max(lengths)} tokens; "
        f"Qwen2-VL of {text.num_hidden_layers} layers, {text.hidden_size} wide, {text.vocab_size:,} words, "
        f"vision of {vision.depth} layers, {vision.embed_dim} wide"
    )

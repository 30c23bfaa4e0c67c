"""The model of this benchmark: a Qwen2-VL large enough for its passes to be what costs, with and without lessons."""

import io
import json
import random
import shutil
from pathlib import Path

import torch
from PIL import Image
from transformers import Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil

from benchmarks.decoding.labels import NUM_GOOGLE, SHOP, labels
from facetry.backbones.backbone import Backbone
from facetry.backbones.encoder import model_positions
from facetry.backbones.quiet import quietly
from facetry.config import PromptParams
from facetry.listing import Listing, ListingImage
from facetry.prompting import Prompt, category_part, compose
from facetry.synthetic.models import CHAT_TEMPLATE, SPECIAL_TOKENS

SEED = 5
VOCABULARY_SIZE = 30_000
TOKENIZER_SIZE = 1_500
IMAGE_SIDE_PIXELS = 224
NUM_LISTINGS = 2
NUM_STEPS = 100
NUM_WARM_UP_STEPS = 5
LEARNING_RATE = 1e-3
# How often each listing is shown with its own category and with three others: what is learnt is not to be certain.
DOUBT = (0.7, 0.15, 0.1, 0.05)


def write_models(folder: Path) -> None:
    """Write `untrained` and `taught` into `folder`, all at once."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write_untrained(partial / "untrained")
    backbone = Backbone.load(partial / "untrained")
    losses = teach(backbone)
    with quietly():
        backbone.model.save_pretrained(partial / "taught")
        backbone.encoder.tokenizer.save_pretrained(partial / "taught")
    shutil.copyfile(partial / "untrained" / "preprocessor_config.json", partial / "taught" / "preprocessor_config.json")
    (partial / "losses.json").write_text(json.dumps(losses), encoding="utf-8")
    partial.rename(folder)


def prompts() -> list[Prompt]:
    """Listings of one image and a short title each."""
    generator = random.Random(SEED)
    asked = []
    for number in range(NUM_LISTINGS):
        image = Image.effect_noise((IMAGE_SIDE_PIXELS, IMAGE_SIDE_PIXELS), generator.uniform(20, 120))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        listing = Listing(
            str(number), title=f"Article {number}", images=(ListingImage(buffer.getvalue(), "drawn.png"),)
        )
        asked.append(compose(listing, params=PromptParams()))
    return asked


def doubts(listing: int) -> tuple[str, ...]:
    """The category of a listing, then those it is mistaken for: one like it, and two of elsewhere."""
    own = listing * 4 % len(SHOP)
    return tuple(SHOP[(own + step) % len(SHOP)] for step in (0, 1, 5, 9))


def teach(backbone: Backbone) -> list[float]:
    """Teach the language model each listing's categories, in the shares of `DOUBT`; the losses of its steps."""
    model = backbone.model
    generator = random.Random(SEED)
    batch = backbone.encode(prompts())
    positions = batch.pop("position_ids")
    ids, mask = batch.pop("input_ids"), batch.pop("attention_mask")
    model.requires_grad_(False)
    taught = [weight for name, weight in model.named_parameters() if "visual" not in name]
    for weight in taught:
        weight.requires_grad_(True)
    optimizer = torch.optim.AdamW(taught, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / NUM_WARM_UP_STEPS, 1 - step / NUM_STEPS)
    )
    losses = []
    for _ in range(NUM_STEPS):
        answers = [
            backbone.token_ids(category_part(generator.choices(doubts(row), DOUBT)[0])) for row in range(NUM_LISTINGS)
        ]
        longest = max(map(len, answers))
        said = torch.tensor([[*answer, *[0] * (longest - len(answer))] for answer in answers])
        is_said = torch.arange(longest) < torch.tensor([[len(answer)] for answer in answers])
        following = positions.amax(dim=(0, 2))[:, None] + 1 + torch.arange(longest)
        is_asked = torch.cat([torch.zeros_like(mask, dtype=torch.bool), is_said], dim=1).roll(-1, dims=1)
        logits = model(
            input_ids=torch.cat([ids, said], dim=1),
            attention_mask=torch.cat([mask, is_said.long()], dim=1),
            position_ids=model_positions(torch.cat([positions, following.expand(len(positions), -1, -1)], dim=2)),
            logits_to_keep=is_asked,
            use_cache=False,
            **batch,
        ).logits
        loss = torch.nn.functional.cross_entropy(logits, said[is_said])
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
        torch.nn.utils.clip_grad_norm_(taught, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def _write_untrained(folder: Path) -> None:
    torch.manual_seed(SEED)
    words = [*labels(NUM_GOOGLE), *(f"Title: Article {number}\n{PromptParams().question}" for number in range(9))]
    with quietly():
        tokenizer: Qwen2Tokenizer = Qwen2Tokenizer(vocab={}, merges=[]).train_new_from_iterator(
            words, vocab_size=TOKENIZER_SIZE, new_special_tokens=list(SPECIAL_TOKENS), show_progress=False
        )
        tokenizer.eos_token = "<|im_end|>"  # noqa: S105 - a token of the chat
        tokenizer.chat_template = CHAT_TEMPLATE
        tokenizer.save_pretrained(folder)
        Qwen2VLForConditionalGeneration._from_config(_config(tokenizer)).save_pretrained(folder)
        Qwen2VLImageProcessorPil(
            patch_size=14, merge_size=2, min_pixels=28 * 28, max_pixels=IMAGE_SIDE_PIXELS**2
        ).save_pretrained(folder)


def _config(tokenizer: Qwen2Tokenizer) -> Qwen2VLConfig:
    token_id = {token: int(tokenizer.vocab[token]) for token in SPECIAL_TOKENS}
    return Qwen2VLConfig(
        text_config={
            "vocab_size": VOCABULARY_SIZE,
            "hidden_size": 512,
            "intermediate_size": 1536,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 12, 12]},
            "bos_token_id": token_id["<|endoftext|>"],
            "eos_token_id": token_id["<|im_end|>"],
            "pad_token_id": token_id["<|endoftext|>"],
        },
        vision_config={
            "depth": 4,
            "embed_dim": 256,
            "hidden_size": 512,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
        },
        image_token_id=token_id["<|image_pad|>"],
        video_token_id=token_id["<|video_pad|>"],
        vision_start_token_id=token_id["<|vision_start|>"],
        vision_end_token_id=token_id["<|vision_end|>"],
        tie_word_embeddings=True,
    )

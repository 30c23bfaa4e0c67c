"""Two parts shown apart, each printing a line of JSON: packed rows beside single listings, and loading of images."""

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import Qwen2VLForConditionalGeneration

from benchmarks.training.peers import ImageOnlyProcessor, PaddingCollator
from benchmarks.training.shop import Shop
from facetry.backbones.backbone import load_weights
from facetry.backbones.encoder import PromptEncoder
from facetry.catalogue import Catalogue
from facetry.config import PromptParams
from facetry.listing import Listing, ListingImage, Split
from facetry.prompting import category_part, compose
from facetry.training.batching import Packer, learn
from facetry.training.dataset import Example
from facetry.training.segments import attend_within_segments

NUM_ROUNDS = 5


def packing(shop: Shop) -> dict[str, float]:
    """By how much, relatively, the loss of a listing in a packed row differs at most from its loss on its own."""
    encoder = PromptEncoder.load(shop.model)
    examples = [_example(each) for each in Catalogue.open(str(shop.catalogue)).listings(split=Split.TRAIN)]
    model = load_weights(shop.model, family=encoder.family, dtype=torch.float32)
    attend_within_segments(model)
    with torch.no_grad():
        tokens = learn(model, Packer(encoder, category_weight=1.0)(examples), family=encoder.family)
    packed = tokens.loss_by_listing(len(examples))
    collate = PaddingCollator(ImageOnlyProcessor.load(shop.model))
    plain: Any = Qwen2VLForConditionalGeneration.from_pretrained(shop.model, dtype=torch.float32)
    with torch.no_grad():
        alone = torch.stack([plain(**collate([example])).loss for example in examples])
    return {"num_listings": len(examples), "difference": float(((packed - alone) / alone).abs().max())}


def _example(listing: Listing) -> Example:
    category = listing.label.category if listing.label else ""
    prompt = compose(listing, params=PromptParams())
    return Example(listing.id, prompt=prompt, answer=(category_part(category),), weight=1.0, image_keys=())


def images(shop: Shop) -> dict[str, float]:
    """Photographs per CPU-second as prompts: facetry's beside those of a script, which opens them with Pillow."""
    photographs = shop.photographs()
    encoder = PromptEncoder.load(shop.model)
    processor = ImageOnlyProcessor.load(shop.model)
    content = [{"type": "image"}, {"type": "text", "text": PromptParams().question}]
    conversation: list[Any] = [{"role": "user", "content": content}]

    def ours(data: bytes) -> None:
        listing = Listing(id="", images=(ListingImage(data=data, path=""),))
        encoder.encode(compose(listing, params=PromptParams(), resized_to=encoder.resized_to))

    def peers(data: bytes) -> None:
        text = processor.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        with Image.open(io.BytesIO(data)) as image:
            processor(text=[text], images=[image.convert("RGB")], return_tensors="pt")

    return {
        "ours": len(photographs) / _least_seconds(ours, photographs),
        "peers": len(photographs) / _least_seconds(peers, photographs),
    }


def _least_seconds(load: Callable[[bytes], None], photographs: Sequence[bytes]) -> float:
    """CPU-seconds for all photographs, in the best of several rounds."""
    seconds = []
    for _ in range(NUM_ROUNDS):
        start = time.process_time()
        for data in photographs:
            load(data)
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    parts = {"packing": packing, "images": images}
    parser = argparse.ArgumentParser(prog="apart")
    parser.add_argument("part", choices=parts)
    parser.add_argument("shop", type=Path)
    chosen = parser.parse_args()
    json.dump(parts[chosen.part](Shop(chosen.shop)), sys.stdout)


if __name__ == "__main__":
    main()

"""A dual encoder loaded from a Hugging Face folder, whole or not at all, and its pictures and captions as tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from facetry.backbones.backbone import load_weights
from facetry.backbones.dual_family import DualEncoderFamily, unit
from facetry.backbones.encoder import first_line, load_config
from facetry.backbones.family import ImageProcessor
from facetry.backbones.quiet import quietly
from facetry.errors import CheckpointError

BLANK_SIDE_PIXELS = 64


class PairEncoder:
    """Turns pictures and captions into tensors; knows the model's config, and needs none of its weights."""

    def __init__(
        self,
        family: DualEncoderFamily,
        *,
        config: PreTrainedConfig,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: ImageProcessor,
    ) -> None:
        self.family = family
        self.config = config
        self._tokenizer = tokenizer
        self._image_processor = image_processor

    @classmethod
    def load(cls, folder: str | Path, *, family: DualEncoderFamily) -> "PairEncoder":
        """The encoder of the model folder (or hub name) `folder`, which is one of `family`."""
        config = load_config(folder)
        try:
            with quietly():
                tokenizer = AutoTokenizer.from_pretrained(folder)
                image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        except (OSError, ValueError, ImportError) as error:
            raise CheckpointError(f"model {folder} has no usable processor: {first_line(error)}") from error
        encoder = cls(family, config=config, tokenizer=tokenizer, image_processor=image_processor)
        encoder._check(folder)
        return encoder

    @property
    def num_caption_tokens(self) -> int:
        """How many tokens of a caption the model reads."""
        return int(self.config.text_config.max_position_embeddings)

    @property
    def num_image_tokens(self) -> int:
        """How many patches the model cuts a picture into."""
        vision = self.config.vision_config
        return int((vision.image_size // vision.patch_size) ** 2)

    def encode_image(self, image: Image.Image) -> torch.Tensor:
        """The picture as [channels, height, width], as the model's own processor brings it to its size."""
        pixels: torch.Tensor = self._image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
        return pixels

    def blank_image(self) -> torch.Tensor:
        """A picture with nothing to see."""
        return self.encode_image(Image.new("RGB", (BLANK_SIDE_PIXELS, BLANK_SIDE_PIXELS), "white"))

    def resized_to(self, width: int, height: int) -> tuple[int, int]:
        """The size that a picture has when it has been resized and cropped; a smaller one would have to be blown up."""
        side = int(self.config.vision_config.image_size)
        return side, side

    def caption_ids(self, text: str) -> list[int]:
        """The tokens of a caption, as many as it has."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=True)["input_ids"]
        return ids

    def encode_captions(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Captions as the model's arguments, each no longer than `num_caption_tokens`."""
        whole = self.family.pads_captions
        encoded = self._tokenizer(
            list(texts),
            padding="max_length" if whole else "longest",
            max_length=self.num_caption_tokens,
            truncation=True,
            return_tensors="pt",
        )
        names = ("input_ids",) if whole else ("input_ids", "attention_mask")
        return {name: encoded[name] for name in names}

    def _check(self, folder: str | Path) -> None:
        """A model cannot see pictures of another size than its own."""
        side = int(self.config.vision_config.image_size)
        height, width = self.blank_image().shape[-2:]
        if (height, width) != (side, side):
            raise CheckpointError(
                f"model {folder}: its image processor makes pictures of {width} x {height} pixels and the model sees "
                f"{side} x {side}: take the processor that belongs to the model"
            )


@dataclass(frozen=True)
class DualEncoder:
    """A model and the encoder that belongs to it."""

    model: PreTrainedModel
    encoder: PairEncoder

    @classmethod
    def load(
        cls, folder: str | Path, *, family: DualEncoderFamily, dtype: torch.dtype = torch.float32
    ) -> "DualEncoder":
        """The model at `folder`, in evaluation mode on the best device there is."""
        encoder = PairEncoder.load(folder, family=family)
        model = load_weights(folder, family=family, dtype=dtype)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model.to(torch.device(device)).eval()  # type: ignore[arg-type]  # transformers wraps `to` without its types
        return cls(model=model, encoder=encoder)

    def embed_images(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures of [pictures, channels, height, width] as vectors of length 1."""
        model: Any = self.model
        return unit(model.get_image_features(pixel_values=pixels.to(model.device)).pooler_output)

    def embed_captions(self, captions: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Captions, as `encode_captions` gives them, as vectors of length 1."""
        model: Any = self.model
        arguments = {name: tensor.to(model.device) for name, tensor in captions.items()}
        return unit(model.get_text_features(**arguments).pooler_output)

    def logits(self, images: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """How well each picture fits each caption, as [pictures, captions]."""
        family = self.encoder.family
        return images @ captions.T * family.scale(self.model) + family.bias(self.model)

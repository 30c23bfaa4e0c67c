"""What the LLaVA families share: a tower that looks at squares, a projector, and a language model of some kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from PIL import Image
from transformers import PreTrainedConfig

from facetry.backbones.family import AnsweringFamily, ImageProcessor, Part, PartName
from facetry.errors import CheckpointError

NUM_CLASS_TOKENS = {"clip_vision_model": 1, "siglip_vision_model": 0}
"""The towers there are, and how many features each has of a square besides those of its patches."""


class VisionTowerFamily(AnsweringFamily):
    parts: ClassVar[Mapping[PartName, Part]] = {
        "projector": Part(("model.multi_modal_projector.", "model.image_newline")),
        "vision": Part(("model.vision_tower.",), blocks="model.vision_tower.encoder.layers"),
        "language": Part(("model.language_model.", "lm_head."), blocks="model.language_model.layers"),
    }

    def check(self, config: PreTrainedConfig, *, folder: str | Path) -> None:
        tower = config.vision_config.model_type
        if tower not in NUM_CLASS_TOKENS:
            raise CheckpointError(
                f"model {folder} is a {self.model_type} that sees through a {tower}: "
                f"use one with {' or '.join(NUM_CLASS_TOKENS)}"
            )

    def check_processor(self, image_processor: ImageProcessor, *, config: PreTrainedConfig, folder: str | Path) -> None:
        side = config.vision_config.image_size
        [blank] = self.read_images([Image.new("RGB", (side, side))], image_processor=image_processor, config=config)
        height, width = blank.tensors["pixel_values"].shape[-2:]
        if (height, width) != (side, side):
            raise CheckpointError(
                f"model {folder}: its image processor makes squares of {width} x {height} pixels and it sees "
                f"{side} x {side}: take files that belong together"
            )


def patches_across(config: PreTrainedConfig) -> int:
    """How many patches the vision tower cuts a side of a square into."""
    vision = config.vision_config
    return int(vision.image_size // vision.patch_size)


def tokens_of_square(config: PreTrainedConfig) -> int:
    """How many features of a square reach the language model."""
    num_features = patches_across(config) ** 2 + NUM_CLASS_TOKENS[config.vision_config.model_type]
    return num_features - (1 if config.vision_feature_select_strategy == "default" else 0)

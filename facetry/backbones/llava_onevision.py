"""LLaVA-OneVision: an image alone is a square of the whole and crops of it; one of several is a square."""

import math
from collections.abc import Sequence

import torch
from PIL import Image
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedConfig
from transformers.image_processing_utils import select_best_resolution

from facetry.backbones.family import Features, ImageInput, ImageProcessor, ModelBody
from facetry.backbones.shades import read_squares
from facetry.backbones.vision_towers import VisionTowerFamily, patches_across, tokens_of_square


class LlavaOneVision(VisionTowerFamily):
    model_type = "llava_onevision"
    model_class = LlavaOnevisionForConditionalGeneration

    def read_images(
        self, images: Sequence[Image.Image], *, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> list[ImageInput]:
        if not images:
            return []
        read = read_squares([list(images)], image_processor=image_processor)
        return [
            ImageInput(
                tensors={"pixel_values": squares, "image_sizes": torch.tensor([[image.height, image.width]])},
                num_tokens=self.image_tokens(
                    *image.size, num_images=len(images), image_processor=image_processor, config=config
                ),
            )
            for image, squares in zip(images, read, strict=True)
        ]

    def image_tokens(
        self, width: int, height: int, *, num_images: int, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> int:
        """The tokens of the whole and, of an image alone, those of its crops; a token ends each row of crops."""
        if num_images > 1:
            return tokens_of_square(config) + 1
        rows, columns = _cells(width, height, config=config)
        return tokens_of_square(config) + rows * (columns + 1)

    def resized_to(self, width: int, height: int, *, image_processor: ImageProcessor) -> tuple[int, int]:
        """The image as it is: where it is cropped depends on its exact sides."""
        return width, height

    def collate(self, images: Sequence[Sequence[ImageInput]]) -> dict[str, torch.Tensor]:
        """All squares of all images in a row; the model splits them by the images' sizes and the prompts' numbers."""
        arguments = super().collate(images)
        if arguments:
            arguments["batch_num_images"] = torch.tensor([len(of_prompt) for of_prompt in images if of_prompt])
        return arguments

    def look(self, model: ModelBody, images: Sequence[ImageInput]) -> list[Features]:
        """The features of images, by looking at each square for itself: prompts decide which images have crops."""
        config, device = model.config, model.device
        squares = torch.cat([image.tensors["pixel_values"] for image in images]).to(device)
        sizes = torch.tensor([[config.vision_config.image_size] * 2], device=device).expand(len(squares), -1)
        # Any number but 1 tells the model that these have no crops.
        found = model.get_image_features(squares, sizes, batch_num_images=[max(len(squares), 2)], return_dict=True)
        of_squares = torch.stack([features[:-1] for features in found.pooler_output])
        packed, _ = model.pack_image_features(
            torch.split(of_squares, [len(image.tensors["pixel_values"]) for image in images]),
            torch.cat([image.tensors["image_sizes"] for image in images]).to(device),
            image_newline=model.image_newline,
            vision_aspect_ratio=config.vision_aspect_ratio,
        )
        return [(features,) for features in packed]


def _cells(width: int, height: int, *, config: PreTrainedConfig) -> tuple[int, int]:
    """The rows and columns of patches that are left of the crops without their margins, reckoned as the model does."""
    side, num_across = config.vision_config.image_size, patches_across(config)
    best_height, best_width = select_best_resolution((height, width), config.image_grid_pinpoints)
    rows, columns = best_height // side * num_across, best_width // side * num_across
    if width / height > columns / rows:
        rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
    else:
        columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
    max_crops = int(config.vision_aspect_ratio.removeprefix("anyres_max_"))
    excess = math.sqrt(rows * columns / (max_crops * num_across**2))
    return (int(rows // excess), int(columns // excess)) if excess > 1.1 else (rows, columns)

"""LLaVA-1.5: an image is one square."""

from collections.abc import Sequence

from PIL import Image
from transformers import LlavaForConditionalGeneration, PreTrainedConfig

from facetry.backbones.family import ImageInput, ImageProcessor
from facetry.backbones.shades import read_squares
from facetry.backbones.vision_towers import VisionTowerFamily, tokens_of_square


class Llava(VisionTowerFamily):
    model_type = "llava"
    model_class = LlavaForConditionalGeneration

    def read_images(
        self, images: Sequence[Image.Image], *, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> list[ImageInput]:
        if not images:
            return []
        squares = read_squares(images, image_processor=image_processor)
        return [ImageInput({"pixel_values": square[None]}, num_tokens=tokens_of_square(config)) for square in squares]

    def image_tokens(
        self, width: int, height: int, *, num_images: int, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> int:
        return tokens_of_square(config)

    def resized_to(self, width: int, height: int, *, image_processor: ImageProcessor) -> tuple[int, int]:
        """The size before a square is cut out of the middle."""
        size = image_processor.size
        if size.get("height"):
            return size["width"], size["height"]
        short, long = sorted((width, height))
        edge = size["shortest_edge"]
        length = int(edge * long / short)
        return (edge, length) if width <= height else (length, edge)

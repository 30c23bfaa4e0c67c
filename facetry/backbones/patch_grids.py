"""What the Qwen families share: an image is a grid of patches, and its tokens have three positions each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from facetry.backbones.family import AnsweringFamily, ImageInput, ImageProcessor, Part, PartName
from facetry.backbones.shades import look_up, values_of_shades
from facetry.errors import CheckpointError, RequestError

SHARED_SETTINGS = {
    "patch_size": "patch_size",
    "merge_size": "spatial_merge_size",
    "temporal_patch_size": "temporal_patch_size",
}
"""What image processor and model must be of one mind about, by the names that each has for it."""


class PatchGridFamily(AnsweringFamily):
    num_position_axes: ClassVar[int] = 3
    parts: ClassVar[Mapping[PartName, Part]] = {
        "projector": Part(("model.visual.merger.", "model.visual.deepstack_merger_list.")),
        "vision": Part(("model.visual.",), blocks="model.visual.blocks"),
        "language": Part(("model.language_model.", "lm_head."), blocks="model.language_model.layers"),
    }

    def read_images(
        self, images: Sequence[Image.Image], *, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> list[ImageInput]:
        return [self._read(image, image_processor=image_processor) for image in images]

    def _read(self, image: Image.Image, *, image_processor: ImageProcessor) -> ImageInput:
        """What the model's own processor makes of an image, to the bit, in less than half of its time."""
        size = self.resized_to(*image.size, image_processor=image_processor)
        coloured = image if image.mode == "RGB" else image.convert("RGB")
        pixels = np.asarray(coloured.resize(size, image_processor.resample))
        rows, columns = (side // image_processor.patch_size for side in pixels.shape[:2])
        return ImageInput(
            tensors={
                "pixel_values": torch.from_numpy(_patches(pixels, image_processor=image_processor)),
                "image_grid_thw": torch.tensor([[1, rows, columns]]),
            },
            num_tokens=rows * columns // image_processor.merge_size**2,
        )

    def image_tokens(
        self, width: int, height: int, *, num_images: int, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> int:
        side: int = image_processor.patch_size * image_processor.merge_size
        across, down = self.resized_to(width, height, image_processor=image_processor)
        return (across // side) * (down // side)

    def resized_to(self, width: int, height: int, *, image_processor: ImageProcessor) -> tuple[int, int]:
        size = image_processor.size
        try:
            down, across = smart_resize(
                height,
                width,
                factor=image_processor.patch_size * image_processor.merge_size,
                min_pixels=size["shortest_edge"],
                max_pixels=size["longest_edge"],
            )
        except ValueError as error:
            raise RequestError(
                f"an image is {width} x {height} pixels: send one whose sides differ at most 200 times"
            ) from error
        return int(across), int(down)

    def check_processor(self, image_processor: ImageProcessor, *, config: PreTrainedConfig, folder: str | Path) -> None:
        for name, name_in_config in SHARED_SETTINGS.items():
            made, expected = getattr(image_processor, name), getattr(config.vision_config, name_in_config)
            if made != expected:
                raise CheckpointError(
                    f"model {folder}: {name} is {made} for its image processor and {expected} in its config.json: "
                    "take files that belong together"
                )

    def positions(
        self, token_ids: Sequence[int], images: Sequence[ImageInput], *, config: PreTrainedConfig
    ) -> torch.Tensor:
        """Words count up on all axes; an image's tokens share a time, and count rows and columns on the others."""
        ids = torch.tensor(token_ids)
        merge_size = config.vision_config.spatial_merge_size
        placed: list[torch.Tensor] = []
        start, position = 0, 0
        for image in images:
            _, rows, columns = (int(side) // merge_size for side in image.tensors["image_grid_thw"][0])
            first = start + int((ids[start:] == config.image_token_id).nonzero()[0])
            placed.append(torch.arange(position, position + first - start).expand(3, -1))
            position += first - start
            grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
            placed.append(position + torch.cat([torch.zeros(1, rows * columns), grid.flatten(1)]).long())
            position += max(rows, columns)
            start = first + image.num_tokens
        placed.append(torch.arange(position, position + len(ids) - start).expand(3, -1))
        return torch.cat(placed, dim=1)


def _patches(pixels: NDArray[np.uint8], *, image_processor: ImageProcessor) -> NDArray[np.float32]:
    """A picture of [rows, columns, channels] as the model's patches, each as often as the model has frames."""
    side, merge_size, num_frames = (
        image_processor.patch_size,
        image_processor.merge_size,
        image_processor.temporal_patch_size,
    )
    rows, columns = (each // (side * merge_size) for each in pixels.shape[:2])
    cut = pixels.reshape(rows, merge_size, side, columns, merge_size, side, 3)
    shades = np.ascontiguousarray(cut.transpose(0, 3, 1, 4, 6, 2, 5))
    patches = np.empty((*shades.shape[:5], num_frames, side, side), dtype=np.float32)
    for channel, values in enumerate(values_of_shades(image_processor)):
        patches[:, :, :, :, channel] = look_up(values, shades[:, :, :, :, channel])[..., None, :, :]
    return patches.reshape(rows * columns * merge_size**2, -1)

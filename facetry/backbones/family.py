"""What differs between families of models: the one thing to write to add another."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from PIL import Image
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

PartName = Literal["vision", "projector", "language"]
PARTS: tuple[PartName, ...] = ("vision", "projector", "language")
ImageProcessor: TypeAlias = Any
"""A model's own image processor: transformers makes up its attributes as it runs."""
ModelBody: TypeAlias = Any
"""A model without its head; what it has and takes differs from family to family."""
Features = tuple[torch.Tensor, ...]
"""What the language model is given of one image: the features of its tokens, and where a family has them, more."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a model: how the names of its weights begin, and the name of the list of its blocks."""

    prefixes: tuple[str, ...]
    blocks: str | None = None


@dataclass(frozen=True, slots=True)
class ImageInput:
    """One image as the model takes it, and how many tokens it becomes."""

    tensors: Mapping[str, torch.Tensor]
    num_tokens: int


class Family(ABC):
    """Models of one architecture. A weight belongs to the first part, in the order of `parts`, that it begins like."""

    model_type: ClassVar[str]
    model_class: ClassVar[type[PreTrainedModel]]
    parts: ClassVar[Mapping[PartName, Part]]
    zero_stages: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    """The stages of DeepSpeed's ZeRO that can train them."""

    def part_of(self, weight: str) -> PartName:
        """The part that a weight belongs to, by its name in memory."""
        for name, part in self.parts.items():
            if weight.startswith(part.prefixes):
                return name
        raise AssertionError(f"{self.model_type} has a weight {weight} that belongs to no part")


class AnsweringFamily(Family):
    """Models that read pictures and words and answer in words."""

    num_position_axes: ClassVar[int] = 1

    @abstractmethod
    def read_images(
        self, images: Sequence[Image.Image], *, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> list[ImageInput]:
        """The images of one prompt as the model takes them."""

    @abstractmethod
    def image_tokens(
        self, width: int, height: int, *, num_images: int, image_processor: ImageProcessor, config: PreTrainedConfig
    ) -> int:
        """How many tokens an image of this size becomes, one of `num_images` of its prompt, without looking at it."""

    @abstractmethod
    def resized_to(self, width: int, height: int, *, image_processor: ImageProcessor) -> tuple[int, int]:
        """The size to which an image of this size is brought before it is cut up.

        Smaller copies of an image that are brought to the same size become the same number of tokens. A
        `RequestError` when the model cannot be shown such an image.
        """

    def check(self, config: PreTrainedConfig, *, folder: str | Path) -> None:
        """Raise a `CheckpointError` when the model in `folder` is of a kind that the family cannot be shown images."""

    @abstractmethod
    def check_processor(self, image_processor: ImageProcessor, *, config: PreTrainedConfig, folder: str | Path) -> None:
        """Raise a `CheckpointError` when the model in `folder` cannot be shown what its image processor makes."""

    def collate(self, images: Sequence[Sequence[ImageInput]]) -> dict[str, torch.Tensor]:
        """The images of several prompts as arguments of the model."""
        flat = [image for of_prompt in images for image in of_prompt]
        names = flat[0].tensors if flat else ()
        return {name: torch.cat([image.tensors[name] for image in flat]) for name in names}

    def positions(
        self, token_ids: Sequence[int], images: Sequence[ImageInput], *, config: PreTrainedConfig
    ) -> torch.Tensor:
        """The positions of one prompt's tokens, as [axes, tokens]."""
        return torch.arange(len(token_ids))[None]

    def look(self, model: ModelBody, images: Sequence[ImageInput]) -> list[Features]:
        """The features of images, whichever of them were in a prompt together, in a single pass of the vision tower."""
        arguments = self.collate([[image] for image in images])
        return self.features_of(
            model.get_image_features(**{name: tensor.to(model.device) for name, tensor in arguments.items()})
        )

    def features_of(self, output: BaseModelOutputWithPooling) -> list[Features]:
        """What `get_image_features` found, image by image."""
        assert output.pooler_output is not None
        return [(features,) for features in output.pooler_output]

    def as_output(self, features: Sequence[Features]) -> BaseModelOutputWithPooling:
        """The reverse of `features_of`, for `mm_encoder_outputs`."""
        return BaseModelOutputWithPooling(pooler_output=[each[0] for each in features])  # type: ignore[arg-type]  # as the models make it

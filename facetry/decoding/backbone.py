"""Loading a vision-language model from a Hugging Face folder, whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, BatchFeature, PreTrainedModel, Qwen2VLForConditionalGeneration

from facetry.decoding.processor import ImageTextProcessor
from facetry.errors import CheckpointError
from facetry.prompting import AnswerPart, Prompt

SUPPORTED_MODEL_TYPES = {"qwen2_vl": Qwen2VLForConditionalGeneration}


@dataclass(frozen=True)
class Backbone:
    """A model and the processor that belongs to it."""

    model: PreTrainedModel
    processor: ImageTextProcessor

    @classmethod
    def load(cls, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> "Backbone":
        """The model at `folder`, in evaluation mode on the best device there is."""
        model = load_model(folder, dtype=dtype)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model.to(torch.device(device)).eval()  # type: ignore[arg-type]  # transformers wraps `to` without its types
        return cls(model=model, processor=load_processor(folder))

    def encode(self, prompts: Sequence[Prompt]) -> BatchFeature:
        """`prompts` as one batch of tensors on the model's device, padded on the left."""
        encoded = self.processor.encode(prompts)
        padded = self.processor.tokenizer.pad(
            {"input_ids": encoded["input_ids"]}, padding_side="left", return_tensors="pt"
        )
        padded["mm_token_type_ids"] = (padded["input_ids"] == self.model.config.image_token_id).int()
        if "pixel_values" in encoded:
            padded["pixel_values"] = torch.from_numpy(encoded["pixel_values"])
            padded["image_grid_thw"] = torch.from_numpy(encoded["image_grid_thw"])
        return BatchFeature(padded).to(self.model.device)

    def token_ids(self, part: AnswerPart) -> list[int]:
        """The tokens of a piece of an answer; each piece is split on its own, so that it is the same everywhere."""
        ids: list[int] = self.processor.tokenizer.encode(part.text, add_special_tokens=False)
        return ids


def load_processor(folder: str | Path) -> ImageTextProcessor:
    try:
        return ImageTextProcessor.load(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"model {folder} has no usable processor: {_first_line(error)}") from error


def load_model(folder: str | Path, *, dtype: torch.dtype) -> PreTrainedModel:
    """The model at `folder`; a `CheckpointError` when it is not a supported one or a weight is missing or left over."""
    try:
        config = AutoConfig.from_pretrained(folder)
        if config.model_type not in SUPPORTED_MODEL_TYPES:
            raise CheckpointError(
                f"model {folder} is a {config.model_type}: use one of {', '.join(SUPPORTED_MODEL_TYPES)}"
            )
        model_class: Any = SUPPORTED_MODEL_TYPES[config.model_type]  # its annotations hide output_loading_info
        model, report = model_class.from_pretrained(
            folder, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"cannot load model {folder}: {_first_line(error)}") from error
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            names = sorted(str(key) for key in report[problem])
            raise CheckpointError(f"model {folder} has {len(names)} {problem.replace('_', ' ')}, first '{names[0]}'")
    assert isinstance(model, PreTrainedModel)
    return model


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

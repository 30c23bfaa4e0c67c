"""A vision-language model and what belongs to it, loaded from a Hugging Face folder, whole or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from facetry.backbones.encoder import PromptEncoder, first_line
from facetry.backbones.family import Family
from facetry.backbones.quiet import quietly
from facetry.errors import CheckpointError
from facetry.prompting import AnswerPart, Prompt


@dataclass(frozen=True)
class Backbone:
    """A model and the encoder that belongs to it."""

    model: PreTrainedModel
    encoder: PromptEncoder

    @classmethod
    def load(cls, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> "Backbone":
        """The model at `folder`, in evaluation mode on the best device there is."""
        encoder = PromptEncoder.load(folder)
        model = load_weights(folder, family=encoder.family, dtype=dtype)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model.to(torch.device(device)).eval()  # type: ignore[arg-type]  # transformers wraps `to` without its types
        return cls(model=model, encoder=encoder)

    def encode(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """`prompts` as one batch of tensors on the model's device, padded on the left."""
        batch = self.encoder.encode_batch(prompts)
        return {name: tensor.to(self.model.device) for name, tensor in batch.items()}

    def token_ids(self, part: AnswerPart) -> list[int]:
        return self.encoder.token_ids(part)


def load_weights(
    folder: str | Path,
    *,
    family: Family,
    dtype: torch.dtype,
    allow_other_weights: bool = False,
    **options: object,
) -> PreTrainedModel:
    """The model at `folder`; a `CheckpointError` when a weight is missing or left over, unless that is allowed.

    `options` go to transformers, which decides by them how weights are held and how attention is computed.
    """
    model_class: Any = family.model_class  # its annotations hide output_loading_info
    try:
        with quietly():
            model, report = model_class.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are in the report, which says more than transformers' error
                **options,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot load model {folder}: {first_line(error)}: copy or download the model again, whole"
        ) from error
    _check(report, folder=folder, allow_other_weights=allow_other_weights)
    assert isinstance(model, PreTrainedModel)
    if is_deepspeed_zero3_enabled():
        # Renamings that were not needed are noted too, and would save the weights under names that nobody knows.
        del model._weight_conversions
    return model


def check_weights(folder: str | Path, *, family: Family, allow_other_weights: bool = False) -> None:
    """Raise what `load_weights` would raise, in moments: names and shapes of weights are read, and not the weights.

    DeepSpeed's way of loading them in pieces does not notice those that are left over.
    """
    load_weights(folder, family=family, dtype=torch.float32, allow_other_weights=allow_other_weights, device_map="meta")


def _check(report: Mapping[str, Any], *, folder: str | Path, allow_other_weights: bool) -> None:
    for name, found, expected in sorted(report["mismatched_keys"]):
        raise CheckpointError(
            f"model {folder}: weight '{name}' is {list(found)} in its files and {list(expected)} by its config.json: "
            "take files that belong together"
        )
    for problem in () if allow_other_weights else ("missing_keys", "unexpected_keys"):
        if report[problem]:
            names = sorted(str(key) for key in report[problem])
            raise CheckpointError(
                f"model {folder} has {len(names)} {problem.replace('_', ' ')}, first '{names[0]}': "
                "take files that belong together"
            )

"""Models that see a picture and read a caption apart, and say how well the two fit: CLIP and its kin."""

from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PreTrainedModel

from facetry.backbones.family import Family

Compared = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures and captions as vectors of length 1, then the scale and the bias of their logits."""


class DualEncoderFamily(Family):
    """Models that turn a picture and a caption into one vector each; the nearer the two, the better they fit."""

    pads_captions: ClassVar[bool]
    """Whether a caption always fills all the places that the model reads, and is read to the end of them."""
    judges_pairs_alone: ClassVar[bool]
    """Whether the model was taught each pair by itself, as a yes or no, and not a caption against the others."""

    def compare(self, model: PreTrainedModel, pixel_values: torch.Tensor, **captions: torch.Tensor) -> Compared:
        """All that logits are made of, by one run of the model."""
        both: Any = model  # its annotations lack what its methods return
        images = both.get_image_features(pixel_values=pixel_values).pooler_output
        texts = both.get_text_features(**captions).pooler_output
        return unit(images), unit(texts), self.scale(model), self.bias(model)

    def scale(self, model: nn.Module) -> torch.Tensor:
        """By what the cosine of picture and caption is multiplied to give a logit."""
        assert isinstance(model.logit_scale, torch.Tensor)
        return model.logit_scale.float().exp()

    def bias(self, model: nn.Module) -> torch.Tensor:
        """What is added to every logit."""
        return torch.zeros(())


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors of the same directions, of length 1."""
    return nn.functional.normalize(vectors.float(), dim=-1)

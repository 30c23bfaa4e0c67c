"""SigLIP, and those of SigLIP 2 that see pictures of one size."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from transformers import SiglipModel

from facetry.backbones.dual_family import DualEncoderFamily
from facetry.backbones.family import Part, PartName


class Siglip(DualEncoderFamily):
    model_type = "siglip"
    model_class = SiglipModel
    pads_captions = True
    judges_pairs_alone = True
    parts: ClassVar[Mapping[PartName, Part]] = {
        "projector": Part(("vision_model.head.", "text_model.head.", "logit_scale", "logit_bias")),
        "vision": Part(("vision_model.",), blocks="vision_model.encoder.layers"),
        "language": Part(("text_model.",), blocks="text_model.encoder.layers"),
    }

    def bias(self, model: nn.Module) -> torch.Tensor:
        assert isinstance(model.logit_bias, torch.Tensor)
        return model.logit_bias.float()

"""CLIP."""

from collections.abc import Mapping
from typing import ClassVar

from transformers import CLIPModel

from facetry.backbones.dual_family import DualEncoderFamily
from facetry.backbones.family import Part, PartName


class Clip(DualEncoderFamily):
    model_type = "clip"
    model_class = CLIPModel
    pads_captions = False
    judges_pairs_alone = False
    zero_stages = (0, 1, 2)  # DeepSpeed cannot share out `logit_scale`, a weight without dimensions
    parts: ClassVar[Mapping[PartName, Part]] = {
        "projector": Part(("visual_projection.", "text_projection.", "logit_scale")),
        "vision": Part(("vision_model.",), blocks="vision_model.encoder.layers"),
        "language": Part(("text_model.",), blocks="text_model.encoder.layers"),
    }

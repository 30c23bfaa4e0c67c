"""Qwen2.5-VL."""

from transformers import Qwen2_5_VLForConditionalGeneration

from facetry.backbones.patch_grids import PatchGridFamily


class Qwen25VL(PatchGridFamily):
    model_type = "qwen2_5_vl"
    model_class = Qwen2_5_VLForConditionalGeneration

"""Qwen2-VL."""

from transformers import Qwen2VLForConditionalGeneration

from facetry.backbones.patch_grids import PatchGridFamily


class Qwen2VL(PatchGridFamily):
    model_type = "qwen2_vl"
    model_class = Qwen2VLForConditionalGeneration

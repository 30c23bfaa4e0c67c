"""Qwen3-VL, which also hands features of earlier vision blocks to its first language layers."""

from collections.abc import Sequence

from transformers import Qwen3VLForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from facetry.backbones.family import Features
from facetry.backbones.patch_grids import PatchGridFamily


class Qwen3VL(PatchGridFamily):
    model_type = "qwen3_vl"
    model_class = Qwen3VLForConditionalGeneration

    def features_of(self, output: BaseModelOutputWithPooling) -> list[Features]:
        """Of each image, the features of its tokens and then those of each earlier block."""
        assert isinstance(output, BaseModelOutputWithDeepstackFeatures)
        assert output.pooler_output is not None
        assert output.deepstack_features is not None
        return list(zip(output.pooler_output, *output.deepstack_features, strict=True))

    def as_output(self, features: Sequence[Features]) -> BaseModelOutputWithPooling:
        last, *earlier = zip(*features, strict=True)
        return BaseModelOutputWithDeepstackFeatures(pooler_output=last, deepstack_features=earlier)  # type: ignore[arg-type]  # as the model makes it

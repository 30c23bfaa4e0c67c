"""The families there are."""

from pathlib import Path

from transformers import PreTrainedConfig

from facetry.backbones.clip import Clip
from facetry.backbones.dual_family import DualEncoderFamily
from facetry.backbones.family import AnsweringFamily
from facetry.backbones.llava import Llava
from facetry.backbones.llava_onevision import LlavaOneVision
from facetry.backbones.qwen2_5_vl import Qwen25VL
from facetry.backbones.qwen2_vl import Qwen2VL
from facetry.backbones.qwen3_vl import Qwen3VL
from facetry.backbones.siglip import Siglip
from facetry.errors import CheckpointError

ANSWERING: dict[str, AnsweringFamily] = {
    family.model_type: family for family in (Qwen2VL(), Qwen25VL(), Qwen3VL(), Llava(), LlavaOneVision())
}
DUAL: dict[str, DualEncoderFamily] = {family.model_type: family for family in (Clip(), Siglip())}


def find_family(config: PreTrainedConfig, *, folder: str | Path) -> AnsweringFamily | DualEncoderFamily:
    """The family of the model in `folder`, whether it answers in words or not."""
    if config.model_type in DUAL:
        return DUAL[config.model_type]
    return answering_family(config, folder=folder)


def answering_family(config: PreTrainedConfig, *, folder: str | Path) -> AnsweringFamily:
    """The family of the model in `folder`; a `CheckpointError` when there is none for it."""
    if config.model_type not in ANSWERING:
        raise CheckpointError(f"model {folder} is a {config.model_type}: use one of {', '.join(ANSWERING)}")
    family = ANSWERING[config.model_type]
    family.check(config, folder=folder)
    return family

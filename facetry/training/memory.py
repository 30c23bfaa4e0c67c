"""How much memory a run takes on each accelerator, reckoned from the model's config alone."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from facetry.backbones.family import AnsweringFamily, Family, PartName
from facetry.config import TrainParams
from facetry.training.adapters import add_adapter
from facetry.training.parts import choose_trained, plain_name

Offload = Literal["none", "optimizer", "all"]

MASTER_BYTES = 4
"""DeepSpeed's optimizer works on a copy in fp32 of what is trained, even where the weights are in fp32 themselves."""
MOMENTS_BYTES = 8
"""Adam's two moments, in fp32."""
STEP_BYTES = 4
"""When it makes a step, the gradients once more, in fp32; activations are gone by then."""
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Four bits, a byte for the scale of 64 of them, and four for the scale of 256 of those scales."""
LOGIT_BYTES = 12
"""A logit, its log-probability and its gradient, in fp32."""
KEPT_PER_LINEAR = 1.5
"""What a block keeps for the way back, over the inputs and outputs of its linear layers.

Norms, rotations and activation functions keep theirs too, some in fp32: 1.2 to 1.7 was measured of the families here.
"""
REDUCE_BUCKET = 50_000_000
"""How many gradients are exchanged at a time; ZeRO 3 fills one bucket of them while it sends another."""
MAX_LIVE_PARAMETERS = 500_000_000
"""How many weights ZeRO 3 keeps whole at a time, those that come next among them."""


@dataclass(frozen=True, slots=True)
class Tower:
    """The blocks of a part: how many, how many of them keep something for the way back, and how much.

    `kept` and `width` are numbers that a block keeps, and hands on, for each token.
    """

    num_blocks: int
    num_keeping: int
    kept: float
    width: int


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What of a model matters for memory: how many weights, and what its towers keep."""

    num_trained: int
    num_frozen: int
    num_quantised: int
    vocabulary: int
    vision: Tower
    language: Tower
    patches_per_image_token: int
    language_sees_images: bool

    @property
    def num_all(self) -> int:
        return self.num_trained + self.num_frozen + self.num_quantised


@dataclass(frozen=True, slots=True)
class Load:
    """What is computed at a time: the tokens of a micro-batch, as `Lengths` has them."""

    text_tokens: int
    image_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a run."""

    zero_stage: int
    offload: Offload
    accumulation_steps: int
    gradient_checkpointing: bool


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes on one accelerator, and in the machine's own memory for each of them.

    `buffers` are for what goes from process to process: gradients, and under ZeRO 3 the weights that are used next.
    """

    weights: float
    gradients: float
    optimizer: float
    buffers: float
    activations: float
    logits: float
    step: float
    host: float = 0.0

    @property
    def total(self) -> float:
        """The most at a time: either a micro-batch is computed or a step is made."""
        held = self.weights + self.gradients + self.optimizer + self.buffers
        return held + max(self.activations + self.logits, self.step)


def size_up(config: PreTrainedConfig, *, family: Family, params: TrainParams) -> ModelSize:
    """The size of the model of a config, with what `params` trains of it; its weights are neither read nor held."""
    with torch.device("meta"):
        model: Any = family.model_class._from_config(config)
    choose_trained(model, family=family, params=params.parts, adapter=params.adapter)
    linears = _frozen_linears(model, family=family, params=params)
    adapted = add_adapter(model, family=family, adapter=params.adapter, seed=0) if params.adapter else model
    num_trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    num_all = sum(weight.numel() for weight in adapted.parameters())
    return ModelSize(
        num_trained=num_trained,
        num_frozen=num_all - num_trained - linears,
        num_quantised=linears,
        vocabulary=config.get_text_config().vocab_size,
        vision=_tower(adapted, "vision", family=family),
        language=_tower(adapted, "language", family=family),
        # Where neighbouring patches are merged into one token, the tower still sees them all.
        patches_per_image_token=getattr(config.vision_config, "spatial_merge_size", 1) ** 2,
        language_sees_images=isinstance(family, AnsweringFamily),
    )


def estimate(size: ModelSize, way: Way, *, load: Load, num_processes: int, params: TrainParams) -> Footprint:
    """The memory that a run takes at its fullest."""
    weight_bytes = 2 if params.precision == "bf16" else 4
    shares = num_processes if way.zero_stage >= 1 else 1
    states = size.num_trained * (MOMENTS_BYTES + MASTER_BYTES) / shares
    if way.zero_stage == 0 and weight_bytes == 4:
        states = size.num_trained * MOMENTS_BYTES
    step = size.num_trained * STEP_BYTES / shares if way.zero_stage >= 1 else 0.0
    on_device = way.offload == "none"
    whole = (size.num_trained + size.num_frozen) * weight_bytes + size.num_quantised * NF4_BYTES
    weights = whole / shares if way.zero_stage == 3 else whole
    weights_on_device = way.offload != "all"
    return Footprint(
        weights=weights if weights_on_device else 0.0,
        gradients=_num_gradients(size, way, shares=shares) * weight_bytes,
        optimizer=states if on_device else 0.0,
        buffers=_num_in_buffers(size, way) * weight_bytes,
        activations=_num_activations(size, way, load=load) * weight_bytes,
        logits=load.answer_tokens * size.vocabulary * LOGIT_BYTES,
        step=step if on_device else 0.0,
        host=(0.0 if on_device else states + step) + (0.0 if weights_on_device else weights),
    )


def reduce_bucket(size: ModelSize) -> int:
    """How many gradients are exchanged at a time."""
    return min(REDUCE_BUCKET, size.num_trained)


def _num_gradients(size: ModelSize, way: Way, *, shares: int) -> float:
    """A process's share of them; but ZeRO 1 adds up all of them over micro-batches before it exchanges any."""
    adds_up = way.zero_stage == 0 or (way.zero_stage == 1 and way.accumulation_steps > 1)
    return size.num_trained / (1 if adds_up else shares)


def _num_in_buffers(size: ModelSize, way: Way) -> int:
    num_buckets = (0, 1, 1, 2)[way.zero_stage]
    live = min(MAX_LIVE_PARAMETERS, size.num_all) if way.zero_stage == 3 else 0
    return num_buckets * reduce_bucket(size) + live


def _num_activations(size: ModelSize, way: Way, *, load: Load) -> float:
    """How many numbers are kept for the way back; with checkpointing, each block's input and all of one block."""
    num_language = load.text_tokens + (load.image_tokens if size.language_sees_images else 0)
    num_patches = load.image_tokens * size.patches_per_image_token
    kept = 0.0
    for tower, num_tokens in ((size.vision, num_patches), (size.language, num_language)):
        in_blocks = tower.num_keeping * tower.kept
        if way.gradient_checkpointing and tower.num_keeping:
            in_blocks = tower.num_keeping * tower.width + tower.kept
        kept += num_tokens * in_blocks
    return kept


def _frozen_linears(model: PreTrainedModel, *, family: Family, params: TrainParams) -> int:
    """How many weights are held in 4 bits."""
    if params.adapter is None or params.adapter.quantise == "none":
        return 0
    output_layer = model.get_output_embeddings()
    return sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and module is not output_layer
        and family.part_of(f"{name}.") == params.adapter.part
    )


def _tower(model: nn.Module, part: PartName, *, family: Family) -> Tower:
    """A part's blocks; they keep something from the first one on through which something learns."""
    names = [(plain_name(name), weight.requires_grad) for name, weight in model.named_parameters()]
    prefix = f"{family.parts[part].blocks}."
    trained = [name for name, is_trained in names if is_trained]
    in_part = [name for name in trained if family.part_of(name) == part]
    learns_before = any(not name.startswith(prefix) for name in in_part) or (
        part == "language"
        and isinstance(family, AnsweringFamily)
        and any(family.part_of(name) != "language" for name in trained)
    )
    numbers = [int(name.removeprefix(prefix).partition(".")[0]) for name in in_part if name.startswith(prefix)]
    blocks = _blocks(model, prefix)
    first = 0 if learns_before else min(numbers, default=len(blocks))
    linears = [
        layer for name, layer in blocks[-1].named_modules() if isinstance(layer, nn.Linear) and "lora_" not in name
    ]
    return Tower(
        num_blocks=len(blocks),
        num_keeping=len(blocks) - first,
        kept=KEPT_PER_LINEAR * sum(layer.in_features + layer.out_features for layer in linears),
        width=linears[0].in_features,
    )


def _blocks(model: nn.Module, prefix: str) -> list[nn.Module]:
    """The blocks whose weights' names begin like this, whatever the model is wrapped into."""
    for name, module in model.named_modules():
        if f"{plain_name(name)}." == prefix and isinstance(module, nn.ModuleList):
            return list(module)
    raise AssertionError(f"no blocks are called {prefix}")

"""What is trained on a GPU, and the small stand-in that shows on a CPU that the script runs."""

import torch

from benchmarks.training.setting import PARAMS
from benchmarks.training.shop import ModelSize, ShopSize
from facetry.config import TrainParams

QWEN2_VL_2B = ModelSize(
    num_layers=28,
    width=1536,
    inner_width=8960,
    num_heads=12,
    num_key_value_heads=2,
    rotated=(16, 24, 24),
    vision_num_layers=32,
    vision_width=1280,
    vision_num_heads=16,
)
TINY = ModelSize(
    num_layers=2,
    width=64,
    inner_width=128,
    num_heads=2,
    num_key_value_heads=1,
    rotated=(4, 6, 6),
    vision_num_layers=2,
    vision_width=64,
    vision_num_heads=2,
    vocabulary_size=1024,
)
# How a step is cut up is left to facetry, and is then the same for everybody.
GPU_PARAMS = PARAMS.model_copy(
    update={
        "precision": "bf16",
        "batch_size": 32,
        "accumulation_steps": None,
        "gradient_checkpointing": None,
        "learning_rate": 1e-5,
    }
)
# CPUs take bf16 slowly
SMOKE_PARAMS = GPU_PARAMS.model_copy(update={"precision": "fp32", "batch_size": 4, "accumulation_steps": 2})


def shop_size(*, is_smoke: bool) -> ShopSize:
    if is_smoke:
        return ShopSize(num_trained=20, photograph_side_pixels=128, model=TINY)
    return ShopSize(num_trained=384, photograph_side_pixels=640, model=QWEN2_VL_2B, dtype=torch.bfloat16)


def params(*, is_smoke: bool) -> TrainParams:
    return SMOKE_PARAMS if is_smoke else GPU_PARAMS

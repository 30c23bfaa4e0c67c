"""In how many bits weights are held while training."""

import torch

from facetry.config import TrainParams


def weight_dtype(params: TrainParams) -> torch.dtype:
    return torch.bfloat16 if params.precision == "bf16" else torch.float32

"""Attention within each of several listings that share one row: nothing is padded, and none sees another."""

import torch
from torch import nn
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv

from facetry.errors import TrainingError

NAME = "segments"
KERNEL_DTYPES = (torch.bfloat16, torch.float16)
OLDEST_KERNEL_DEVICE = (8, 0)


def attend_within_segments(model: PreTrainedModel) -> None:
    """Let the language model attend within segments; its forward then wants `segment_ends` and `longest_segment`."""
    if "sliding_attention" in (getattr(model.config.get_text_config(), "layer_types", None) or ()):
        raise TrainingError("models with sliding attention cannot be trained: use one with full attention")
    AttentionInterface.register(NAME, segment_attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    model.set_attn_implementation({"text_config": NAME})


def segment_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segment_ends: torch.Tensor,
    longest_segment: int,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention of a single row, as [1, heads, tokens, width], from one segment's end to the next.

    `segment_ends` starts with 0. A GPU that has FlashAttention's kernel takes all segments at once.
    """
    if _has_kernel(query):
        attended = varlen_attn(
            query[0].transpose(0, 1),
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            segment_ends,
            segment_ends,
            longest_segment,
            longest_segment,
            scale=scaling,
            window_size=(-1, 0),
            enable_gqa=True,
        )
        assert isinstance(attended, torch.Tensor)
        return attended[None], None
    num_sharing = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, num_sharing), repeat_kv(value, num_sharing)
    lengths = segment_ends.diff().tolist()
    segments = zip(*(torch.split(states, lengths, dim=2) for states in (query, key, value)), strict=True)
    pieces = [
        scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scaling, dropout_p=dropout)
        for queries, keys, values in segments
    ]
    return torch.cat(pieces, dim=2).transpose(1, 2), None


def _has_kernel(query: torch.Tensor) -> bool:
    return (
        query.is_cuda
        and query.dtype in KERNEL_DTYPES
        and torch.cuda.get_device_capability(query.device) >= OLDEST_KERNEL_DEVICE
    )


def _no_mask(*_: object, **__: object) -> None:
    """Segments are told apart by their ends."""

"""How much reckoning a training step cannot do without.

Counted is what the matrix products of one forward pass take, two operations for a multiplication and an addition, and
twice that for the backward pass. Attention counts by halves in the language model, where no token sees a later one, and
logits count where an answer is learnt. Padding, logits elsewhere and anything done a second time do not count, so that
the same step counts the same for everybody. Neither do the optimizer, norms and activations.
"""

from dataclasses import dataclass

from benchmarks.training.shop import TOKEN_SIDE_PIXELS, ModelSize

PATCHES_PER_TOKEN = 4
PATCH_NUMBERS = 3 * 2 * (TOKEN_SIDE_PIXELS // 2) ** 2
FORWARD_AND_BACKWARD = 3
FORWARD_AND_WEIGHTS = 2
"""Nobody asks for the gradient of pixels."""

# Dense bf16 operations per second, from the data sheets.
PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10G": 70e12,
    "L4": 121e12,
}


@dataclass(frozen=True, slots=True)
class ListingSize:
    """The tokens of a listing, its image's among them, and those of its answer."""

    num_tokens: int
    num_image_tokens: int
    num_answer_tokens: int


def peak_operations(device_name: str) -> float | None:
    """What the accelerator can do in a second; None for one that is not known here."""
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


def operations(listing: ListingSize, *, model: ModelSize) -> float:
    """What learning one listing takes, vision tower and all."""
    num_patches = listing.num_image_tokens * PATCHES_PER_TOKEN
    forward = (
        language_operations(listing.num_tokens, model=model)
        + vision_operations(num_patches, model=model)
        + 2 * model.width * model.vocabulary_size * listing.num_answer_tokens
    )
    pixels = 2 * num_patches * PATCH_NUMBERS * model.vision_width
    return float(FORWARD_AND_BACKWARD * forward + FORWARD_AND_WEIGHTS * pixels)


def language_operations(num_tokens: int, *, model: ModelSize) -> int:
    """A forward pass through the layers of the language model."""
    key_value_width = model.width // model.num_heads * model.num_key_value_heads
    attention_weights = 2 * model.width * model.width + 2 * model.width * key_value_width
    weights = attention_weights + 3 * model.width * model.inner_width
    attention = 2 * num_tokens * model.width
    return num_tokens * model.num_layers * (2 * weights + attention)


def vision_operations(num_patches: int, *, model: ModelSize) -> int:
    """A forward pass through the vision tower and the merger, of one image whose pixels are embedded already."""
    width, merged_width = model.vision_width, model.vision_width * PATCHES_PER_TOKEN
    layer_weights = 4 * width * width + 2 * width * 4 * width
    attention = 4 * num_patches * width
    layers = model.vision_num_layers * num_patches * (2 * layer_weights + attention)
    merger_weights = merged_width * merged_width + merged_width * model.width
    return layers + 2 * num_patches // PATCHES_PER_TOKEN * merger_weights

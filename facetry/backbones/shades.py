"""From shades of 0 to 255 to the numbers that a model is shown: as its own processor does it, to the bit, but quicker.

A processor reckons with every pixel, in double precision; there are only 256 shades, so each is reckoned once.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from facetry.backbones.family import ImageProcessor

NUM_SHADES = 256


def values_of_shades(image_processor: ImageProcessor) -> NDArray[np.float32]:
    """What each shade of each channel becomes, as [channels, shades]."""
    shades = np.broadcast_to(np.arange(NUM_SHADES, dtype=np.uint8), (3, 1, NUM_SHADES))
    if image_processor.do_rescale:
        shades = image_processor.rescale(shades, image_processor.rescale_factor)
    if image_processor.do_normalize:
        shades = image_processor.normalize(shades, image_processor.image_mean, image_processor.image_std)
    return shades[:, 0].astype(np.float32)


def look_up(values: NDArray[np.float32], shades: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The values of shades of one channel."""
    # Every shade has a value; to say that out of bounds is clipped saves looking for it.
    return values.take(shades, mode="clip")


def read_squares(
    images: Sequence[Image.Image] | Sequence[Sequence[Image.Image]], *, image_processor: ImageProcessor
) -> list[torch.Tensor]:
    """What the model's own processor makes of each image, as [..., channels, rows, columns]."""
    read = image_processor(images=images, do_rescale=False, do_normalize=False, return_tensors="np")
    values = values_of_shades(image_processor)
    squares = []
    for shades in read["pixel_values"]:
        channels = [look_up(values[channel], shades[..., channel, :, :]) for channel in range(len(values))]
        squares.append(torch.from_numpy(np.stack(channels, axis=-3)))
    return squares

"""What one decoding of an image tells: its size, its sharpness, a fingerprint, and what is wrong with it."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from facetry.config import CleanParams


@dataclass(frozen=True, slots=True)
class Appearance:
    """`fault` is corrupt, large, small or blurred; what could not be measured is None."""

    digest: bytes
    width: int | None = None
    height: int | None = None
    sharpness: float | None = None
    fingerprint: int | None = None
    fault: str | None = None

    @property
    def num_pixels(self) -> int:
        return (self.width or 0) * (self.height or 0)


def examine(data: bytes, *, params: CleanParams) -> Appearance:
    """The appearance of an encoded image; a picture with too many pixels is turned away by its header."""
    digest = hashlib.sha256(data).digest()
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > params.max_megapixels * 1e6:
                return Appearance(digest, width, height, fault="large")
            grey = _grey(picture, side_pixels=params.sharpness_side_pixels)
    except Image.DecompressionBombError:
        return Appearance(digest, fault="large")
    except Exception:  # a damaged file can make a decoder raise anything
        return Appearance(digest, fault="corrupt")
    pixels = np.asarray(grey, dtype=np.float32)
    sharpness = _sharpness(pixels)
    fault = None
    if min(width, height) < params.min_side_pixels:
        fault = "small"
    elif sharpness < params.min_sharpness:
        fault = "blurred"
    return Appearance(digest, width, height, sharpness, _fingerprint(grey), fault)


def _grey(picture: Image.Image, *, side_pixels: int) -> Image.Image:
    """The picture upright, on white, in grey, its long side at most `side_pixels`.

    All of the file is decoded, so one that ends early is found out; a JPEG is decoded at a fraction of its size.
    """
    picture.draft("L", (side_pixels, side_pixels))
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright.convert("RGBA"))
    grey = upright.convert("L")
    grey.thumbnail((side_pixels, side_pixels), Image.Resampling.BILINEAR, reducing_gap=None)
    return grey


def _sharpness(pixels: NDArray[np.float32]) -> float:
    """The variance of the Laplacian; 0 for a picture too thin to have one."""
    if min(pixels.shape) < 3:
        return 0.0
    centre = pixels[1:-1, 1:-1]
    around = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float(np.var(around - 4 * centre))


def _fingerprint(grey: Image.Image) -> int:
    """The 64 bits of a difference hash: whether each of 8 x 8 cells is darker than its right neighbour."""
    cells = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = np.packbits(cells[:, :-1] < cells[:, 1:])
    return int.from_bytes(bits.tobytes(), "big")

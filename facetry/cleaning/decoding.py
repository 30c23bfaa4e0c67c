"""Encoded bytes to grey pixels at the fixed scale: one decoding, that fails when any of the data is missing."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
ORIENTATION_TAG = 0x0112
MAX_JPEG_SCANS = 500
ZERO_TAIL = bytes(64)
# What is white in the usual depths of grey: fractions, and 8, 12 and 16 bits.
WHITES = (1.0, 255.0, 4095.0, 65535.0)
# What libjpeg says of damaged data. It complains of oddities in headers too, which Pillow may find harmless.
JPEG_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file")


class TooManyPixelsError(Exception):
    """A header that announces more pixels than may be decoded."""

    def __init__(self, width: int | None, height: int | None) -> None:
        super().__init__(f"{width} x {height} pixels")
        self.width, self.height = width, height


class DamagedError(Exception):
    """Data that no decoder should be asked to make the best of."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Size as stored; `grey` as stored but its long side at most the fixed scale; `orientation` as Exif numbers it."""

    width: int
    height: int
    grey: NDArray[np.uint8]
    orientation: int


@dataclass(frozen=True, slots=True)
class _JpegHeader:
    orientation: int
    has_several_scans: bool


def decode(data: bytes, *, side_pixels: int, max_pixels: float) -> Decoded:
    """The picture in grey, on white, its long side shrunk to `side_pixels` if it is longer.

    Over `max_pixels` it is a `TooManyPixelsError` before any pixel is decoded; damage can raise any exception.
    """
    if data.startswith(b"\xff\xd8"):
        decoded = _decode_jpeg(data, side_pixels=side_pixels, max_pixels=max_pixels)
        if decoded is not None:
            return decoded
    return _decode_any(data, side_pixels=side_pixels, max_pixels=max_pixels)


def _decode_jpeg(data: bytes, *, side_pixels: int, max_pixels: float) -> Decoded | None:
    """The JPEG, at the smallest fraction of its size that the fixed scale allows; None for a kind left to Pillow."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("Gray", "RGB", "YCbCr"):
            return None
        _refuse_too_many(width, height, max_pixels=max_pixels)
        header = _read_jpeg_header(data)
        # A marker is never part of the coded data, so this counts scans, each of which costs a pass over all pixels.
        if header.has_several_scans and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
            raise DamagedError("too many scans")
        grey = simplejpeg.decode_jpeg(
            data,
            colorspace="GRAY",
            min_width=side_pixels if width >= height else 0,
            min_height=side_pixels if height > width else 0,
            min_factor=2 if max(width, height) >= 2 * side_pixels else 1,
        )
    except ValueError as error:
        if str(error).startswith(JPEG_DAMAGE):
            raise
        return None
    return Decoded(width, height, _shrink(grey[:, :, 0], side_pixels=side_pixels), header.orientation)


def _decode_any(data: bytes, *, side_pixels: int, max_pixels: float) -> Decoded:
    try:
        picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise TooManyPixelsError(None, None) from None
    with picture:
        width, height = picture.size
        _refuse_too_many(width, height, max_pixels=max_pixels)
        if picture.format == "WEBP" and data.endswith(ZERO_TAIL) and not _needs_its_zeros(data):
            raise DamagedError("the end is zeros")
        picture.draft("L", (side_pixels, side_pixels))
        orientation = picture.getexif().get(ORIENTATION_TAG, 1)
        grey = _as_grey(picture)
    return Decoded(width, height, _shrink(grey, side_pixels=side_pixels), orientation)


def _refuse_too_many(width: int, height: int, *, max_pixels: float) -> None:
    if width * height > max_pixels:
        raise TooManyPixelsError(width, height)


def _needs_its_zeros(data: bytes) -> bool:
    """Whether the zeros that a WebP ends in are its own: it has no checksum, and lost blocks are read as zeros too.

    A flat margin is coded as just as many zeros as it takes, so a decoder misses the last of them. Zeros in place of
    anything else are more than a decoder asks for.
    """
    start = 12
    while (following := start + 8 + _chunk_size(data, start)) + 8 <= len(data):
        start = following + following % 2
    kind = data[start : start + 4]
    if kind not in (b"VP8 ", b"VP8L"):
        return any(kind)
    content = data[start + 8 : -len(ZERO_TAIL) // 2]
    chunks = data[8 : start + 4] + len(content).to_bytes(4, "little") + content
    try:
        Image.open(io.BytesIO(b"RIFF" + len(chunks).to_bytes(4, "little") + chunks), formats=("WEBP",)).load()
    except Exception:  # what a decoder raises when it misses something is its own affair
        return True
    return False


def _chunk_size(data: bytes, start: int) -> int:
    return int.from_bytes(data[start + 4 : start + 8], "little")


def _as_grey(picture: Image.Image) -> NDArray[np.uint8]:
    """The first frame in 8 bits of grey, transparency on white."""
    picture.load()
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _in_8_bits(np.array(picture, dtype=np.float32))
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.array(picture.convert("L"))


def _in_8_bits(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Levels of a depth that the file does not tell: white is that of the least usual depth that holds them all."""
    np.nan_to_num(levels, copy=False, posinf=0, neginf=0)
    levels -= min(0, levels.min())
    highest = float(levels.max())
    white = next((white for white in WHITES if highest <= white), highest)
    levels *= 255 / white
    return np.rint(levels).astype(np.uint8)


def _shrink(grey: NDArray[np.uint8], *, side_pixels: int) -> NDArray[np.uint8]:
    height, width = grey.shape
    scale = side_pixels / max(height, width)
    if scale >= 1:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Of all filters this one keeps most of the sharpness that a JPEG decoded at a fraction of its size has.
    return np.array(Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def _read_jpeg_header(data: bytes) -> _JpegHeader:
    """What simplejpeg does not tell of a JPEG whose header it has accepted."""
    orientation = 1
    num_components = 0
    for marker, content in _jpeg_segments(data):
        if marker == 0xE1 and content.startswith(b"Exif\0\0"):
            orientation = _read_orientation(content)
        elif marker in (0xC0, 0xC1):
            num_components = content[5]
        elif marker == 0xDA:
            return _JpegHeader(orientation, has_several_scans=content[0] != num_components)
    raise DamagedError("no scan")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with its content, to the first scan."""
    position = 2
    while position + 4 <= len(data):
        if data[position + 1] == 0xFF or data[position] != 0xFF:
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], data[position + 4 : position + 2 + length]
        position += 2 + length


def _read_orientation(content: bytes) -> int:
    """The orientation in an Exif segment; 1, upright, when it cannot be read."""
    exif = Image.Exif()
    try:
        exif.load(content)
        orientation = exif.get(ORIENTATION_TAG, 1)
    except Exception:  # Exif written by strangers can break its reader in any way, and harms no pixel
        return 1
    return orientation if isinstance(orientation, int) else 1

"""What one decoding of an image tells: its size, contrast, sharpness and a fingerprint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from facetry.cleaning.decoding import TooManyPixelsError, decode
from facetry.cleaning.pixels import CELLS_PER_SIDE, measure
from facetry.config import CleanParams

NUM_WAVES = 32
LEVELS_PER_STEP = 3.0

Cells = NDArray[np.float32]

# How cells are turned upright, by Exif's number for how the picture is stored.
UPRIGHT: Mapping[int, Callable[[Cells], Cells]] = {
    2: np.fliplr,
    3: lambda cells: np.rot90(cells, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda cells: np.rot90(cells, -1),
    7: lambda cells: np.rot90(cells, 2).T,
    8: np.rot90,
}


@dataclass(frozen=True, slots=True)
class Appearance:
    """What could be measured of an image; the rest is None.

    `digest` tells the encoded bytes apart, width and height are as stored, and fingerprints of copies differ in few of
    64 bits. `refusal` says why it could not be measured: it is large, by its header, or corrupt.
    """

    digest: bytes
    width: int | None = None
    height: int | None = None
    contrast: float | None = None
    sharpness: float | None = None
    fingerprint: int | None = None
    refusal: str | None = None


def look_at(data: bytes, *, params: CleanParams) -> Appearance:
    """The appearance of an encoded image; a picture with too many pixels is turned away by its header."""
    digest = xxhash.xxh3_128_digest(data)
    try:
        decoded = decode(data, side_pixels=params.sharpness_side_pixels, max_pixels=params.max_megapixels * 1e6)
    except TooManyPixelsError as error:
        return Appearance(digest, error.width, error.height, refusal="large")
    except Exception:  # a damaged file can make a decoder raise anything
        return Appearance(digest, refusal="corrupt")
    contrast, sharpness, cells = measure(decoded.grey)
    return Appearance(
        digest,
        decoded.width,
        decoded.height,
        contrast=contrast,
        sharpness=sharpness,
        fingerprint=_fingerprint(UPRIGHT.get(decoded.orientation, np.asarray)(cells)),
    )


def warm_up() -> None:
    """Compile what `look_at` needs, so that threads do not wait for it one after the other."""
    measure(np.zeros((8, 8), dtype=np.uint8))


def _longest_waves() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places, in a cosine transform, of the longest waves but for the mean."""
    places = [(row, column) for row in range(NUM_WAVES) for column in range(NUM_WAVES) if row + column > 0]
    places.sort(key=lambda place: (sum(place), abs(place[0] - place[1]), place))
    rows, columns = zip(*places[:NUM_WAVES], strict=True)
    return np.array(rows), np.array(columns)


def _cosines(num_waves: int) -> NDArray[np.float32]:
    """The rows of a cosine transform, scaled so that coefficients of a product of two are in grey levels."""
    places = np.arange(CELLS_PER_SIDE) + 0.5
    waves: NDArray[np.float64] = np.cos(np.pi / CELLS_PER_SIDE * np.outer(np.arange(num_waves), places))
    waves[0] /= np.sqrt(2)
    waves *= np.sqrt(2) / CELLS_PER_SIDE
    return waves.astype(np.float32)


WAVE_ROWS, WAVE_COLUMNS = _longest_waves()
COSINES = _cosines(int(max(WAVE_ROWS.max(), WAVE_COLUMNS.max())) + 1)


def _fingerprint(cells: Cells) -> int:
    """Two bits for each of the 32 longest waves of a cosine transform: its sign, and whether its strength is odd.

    The strength, in steps of three grey levels, tells a product from the same one in another colour, whose signs agree.
    """
    strengths = (COSINES @ cells @ COSINES.T)[WAVE_ROWS, WAVE_COLUMNS]
    is_odd = np.round(strengths / LEVELS_PER_STEP).astype(np.int64) & 1
    bits = np.packbits(np.concatenate([strengths >= 0, is_odd == 1]))
    return int.from_bytes(bits.tobytes(), "big")

"""How the decoders behave while strangers' pictures are read: settings of the process, made once for all threads."""

import ctypes
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, _imaging


@contextmanager
def decoders_set(*, max_pixels: float) -> Iterator[None]:
    """Within it no decoder writes to the terminal, and Pillow opens at least what has `max_pixels`.

    Enter it before the threads start and leave it after they have ended: it changes the settings of all.
    """
    pillow_limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(), _silent_libtiff():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        if pillow_limit is not None:
            # Never without any limit: it also guards against small pictures that are stored in huge tiles.
            Image.MAX_IMAGE_PIXELS = max(pillow_limit, int(min(max_pixels, sys.maxsize)))
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = pillow_limit


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Takes away what prints libtiff's complaints, which Pillow has no setting for; where it is not found they stay."""
    try:
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):
        yield
        return
    set_handler.argtypes = [ctypes.c_void_p]
    set_handler.restype = ctypes.c_void_p
    handler = set_handler(None)
    try:
        yield
    finally:
        set_handler(handler)

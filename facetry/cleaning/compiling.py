"""Functions over pixels and fingerprints as machine code."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """The function as machine code from its first call on, that lets other threads run meanwhile.

    It is kept for the next process where a folder can be written, and compiled anew where none can.
    """
    try:
        return cast("Kernel", njit(nogil=True, cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache is writable, as in many containers
        return cast("Kernel", njit(nogil=True)(function))

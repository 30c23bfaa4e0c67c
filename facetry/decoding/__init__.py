"""Asking a model questions whose answers are known beforehand."""

from typing import TYPE_CHECKING

from facetry.decoding.answer import Answer

if TYPE_CHECKING:
    from facetry.decoding.engine import Engine

__all__ = ["Answer", "Engine"]


def __getattr__(name: str) -> object:
    """Load the engine, and torch with it, only when it is asked for."""
    if name == "Engine":
        from facetry.decoding.engine import Engine

        return Engine
    raise AttributeError(name)

"""Releases: an immutable folder that holds everything a server needs, and the proof that it serves what was trained."""

from typing import TYPE_CHECKING

from facetry.release.manifest import Manifest, Release, open_release

if TYPE_CHECKING:
    from facetry.release.parity import load_engine
    from facetry.release.stage import ReleaseSummary, release

__all__ = ["Manifest", "Release", "ReleaseSummary", "load_engine", "open_release", "release"]


def __getattr__(name: str) -> object:
    """Load what needs torch only when it is asked for: reading a manifest needs none of it."""
    if name == "load_engine":
        from facetry.release.parity import load_engine

        return load_engine
    if name in ("ReleaseSummary", "release"):
        from facetry.release import stage

        return getattr(stage, name)
    raise AttributeError(name)

"""Versions of a catalogue: a git tag says what one holds, and a DVC remote keeps its shards."""

from facetry.versioning.difference import Difference, diff
from facetry.versioning.pull import PullSummary, pull
from facetry.versioning.push import PushSummary, push
from facetry.versioning.repository import Version, versions
from facetry.versioning.take_down import TakeDownSummary, take_down

__all__ = [
    "Difference",
    "PullSummary",
    "PushSummary",
    "TakeDownSummary",
    "Version",
    "diff",
    "pull",
    "push",
    "take_down",
    "versions",
]

"""Which images are fit to learn from, and why the others are not."""

from facetry.cleaning.stage import CleanSummary, clean

__all__ = ["CleanSummary", "clean"]

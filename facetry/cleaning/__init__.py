"""Which images are fit to learn from, and why the others are not."""

from facetry.cleaning.findings_folder import ExamineSummary, examine
from facetry.cleaning.stage import CleanSummary, clean

__all__ = ["CleanSummary", "ExamineSummary", "clean", "examine"]

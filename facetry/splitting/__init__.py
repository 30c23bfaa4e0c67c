"""Who learns and who is asked: whole groups of listings stand on one side, which is proven of what was written."""

from facetry.splitting.stage import split
from facetry.splitting.summary import SplitSummary

__all__ = ["SplitSummary", "split"]

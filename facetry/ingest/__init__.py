"""Tables of listings, datasets and the pages of shops become catalogues, in one go or in parts."""

from facetry.ingest.merging import merge
from facetry.ingest.outcome import IngestSummary
from facetry.ingest.stage import ingest

__all__ = ["IngestSummary", "ingest", "merge"]

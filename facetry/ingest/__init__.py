"""Tables of listings, in a folder or an object store, become a catalogue."""

from facetry.ingest.stage import IngestSummary, ingest

__all__ = ["IngestSummary", "ingest"]

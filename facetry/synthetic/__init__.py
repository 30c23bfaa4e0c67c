"""A shop that does not exist: drawn product listings with known truth, for trying everything out."""

from facetry.synthetic.catalogue import DrawSummary, draw, draw_listings
from facetry.synthetic.contact_sheet import contact_sheet

__all__ = ["DrawSummary", "contact_sheet", "draw", "draw_listings"]

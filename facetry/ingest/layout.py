"""Which column of a table holds which field of a listing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from facetry.config import LISTING_FIELDS, IngestParams, missing_fields
from facetry.errors import SourceError
from facetry.listing import LabelSource


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns by field and by attribute; `label_source` goes for every row that does not say its own."""

    columns: Mapping[str, str]
    attribute_columns: Mapping[str, str] = field(default_factory=dict)
    id_from_content: bool = False
    label_source: LabelSource = LabelSource.UNAUDITED

    @property
    def all_columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.columns.values(), *self.attribute_columns.values()]))


KNOWN_TABLES: Mapping[str, Layout] = {
    # Its publisher calls these labels the truth, where a merchant's own are claims: so they count as audited.
    "Shopify/product-catalogue": Layout(
        columns={
            "title": "product_title",
            "description": "product_description",
            "brand": "ground_truth_brand",
            "images": "product_image",
            "category": "ground_truth_category",
            "candidates": "potential_product_categories",
        },
        attribute_columns={"secondhand": "ground_truth_is_secondhand"},
        id_from_content=True,
        label_source=LabelSource.AUDITED,
    ),
}


def choose_layout(columns: Sequence[str], *, params: IngestParams, origin: str) -> Layout:
    """How to read a table with these columns: as `params` say, else as a known dataset, else by the fields' names."""
    layout = _layout(columns, params=params)
    missing = [column for column in layout.all_columns if column not in columns]
    if params.columns is None:
        if "id" not in layout.columns and not layout.id_from_content:
            missing.append("id")
        missing += missing_fields(layout.columns)
    if missing:
        raise SourceError(
            f"{origin} has no column {', '.join(missing)}: it has {', '.join(columns)}; "
            "name the ones to read in ingest.columns"
        )
    return layout


def _layout(columns: Sequence[str], *, params: IngestParams) -> Layout:
    if params.columns is not None:
        return Layout(params.columns, params.attribute_columns, params.id_from_content)
    for known in KNOWN_TABLES.values():
        if set(known.all_columns) <= set(columns):
            return replace(known, attribute_columns={**known.attribute_columns, **params.attribute_columns})
    found = {name: name for name in LISTING_FIELDS if name in columns}
    if params.id_from_content:
        found.pop("id", None)
    return Layout(found, params.attribute_columns, params.id_from_content)

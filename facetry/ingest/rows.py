"""One row becomes one listing, or says why it cannot."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from facetry.config import IngestParams
from facetry.ingest.cells import (
    Picture,
    RowError,
    read_answer,
    read_attributes,
    read_list,
    read_pictures,
    read_text,
)
from facetry.ingest.layout import Layout
from facetry.ingest.tables import why_not_text
from facetry.listing import TEXT_FIELDS, Label, LabelSource, Listing, ListingImage
from facetry.taxonomy import SEPARATOR, Taxonomy, told, unknown_labels

NUM_REASONS_KEPT = 10_000
"""Finding the category that a wrong one was meant to be takes long, and a source repeats its mistakes."""
CONTENT_FIELDS = ("title", "description", "brand", "brand_description", "images")


@dataclass(frozen=True, slots=True)
class LostPicture:
    """A picture that a listing names and has to go on without."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A listing in all but its pictures, with the length of its texts."""

    listing: Listing
    pictures: Sequence[Picture]
    num_characters: int

    @property
    def num_bytes(self) -> int:
        """What it holds in memory, about."""
        return self.num_characters + sum(len(image.data) for image in self.pictures if isinstance(image, ListingImage))

    def completed(self, pictures: Sequence[ListingImage | LostPicture]) -> Listing:
        """The listing with those pictures that are to be had; a `RowError` when it says nothing then."""
        images = tuple(picture for picture in pictures if isinstance(picture, ListingImage))
        if images:
            return replace(self.listing, images=images)
        if self.num_characters == 0:
            lost = "".join(f"; {lost.path} {lost.reason}" for lost in pictures if isinstance(lost, LostPicture))
            raise RowError(f"neither text nor image{lost}")
        return self.listing


class RowReader:
    """Reads the cells of a row into a listing whose category is a leaf of the taxonomy, and one of its candidates."""

    def __init__(self, *, taxonomy: Taxonomy, layout: Layout, params: IngestParams) -> None:
        self._taxonomy = taxonomy
        self._leaves = {leaf.path for leaf in taxonomy.leaves}
        self._wrong_labels: Counter[str] = Counter()
        self._why_wrong = lru_cache(NUM_REASONS_KEPT)(taxonomy.why_no_leaf)
        self._layout = layout
        self._columns = tuple(layout.columns.items())
        self._text_fields = tuple(field for field in TEXT_FIELDS if field in layout.columns)
        self._separator = params.image_separator
        self._max_cell_bytes = int(params.max_cell_megabytes * 2**20)

    def unknown_labels(self) -> tuple[str, ...]:
        """A line for each label that was met and is not in the taxonomy, with how many rows have it."""
        return tuple(told(unknown_labels(self._wrong_labels, taxonomy=self._taxonomy), taxonomy=self._taxonomy))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return self._layout.all_columns

    def draft(self, row: Mapping[str, object]) -> Draft:
        """The listing in a row's cells; a `RowError` when it cannot be taken."""
        cells = {field: self._cell(row, column) for field, column in self._columns}
        listing_id = _content_id(cells) if self._layout.id_from_content else read_text(cells.get("id"), field="id")
        if listing_id is None:
            raise RowError("no id")
        pictures = read_pictures(cells.get("images"), separator=self._separator)
        candidates = self._candidates(cells.get("candidates")) if "candidates" in cells else ()
        texts = {field: read_text(cells[field], field=field) for field in self._text_fields}
        label = self._label(cells, row=row, candidates=candidates)
        words = "".join(filter(None, texts.values()))
        _refuse_what_no_file_can_hold([listing_id, words], label=label)
        listing = Listing(
            id=listing_id,
            title=texts.get("title"),
            description=texts.get("description"),
            brand=texts.get("brand"),
            brand_description=texts.get("brand_description"),
            label=label,
            candidates=candidates,
        )
        return Draft(listing, pictures, len(words))

    def claimed_id(self, row: Mapping[str, object]) -> str | None:
        """The id that a row gives itself, whatever else is wrong with it."""
        cell = row.get(self._layout.columns.get("id", ""))
        return None if cell in (None, "") else str(cell)

    def _cell(self, row: Mapping[str, object], column: str) -> object:
        """A cell that is not too long."""
        cell = row.get(column)
        if isinstance(cell, str) and 4 * len(cell) > self._max_cell_bytes:
            num_bytes, limit = len(cell.encode("utf-8", "surrogatepass")), self._max_cell_bytes
            if num_bytes > limit:
                raise RowError(
                    f"{column} has {num_bytes / 2**20:.1f} MB, more than max_cell_megabytes {limit / 2**20:g}"
                )
        return cell

    def _label(
        self, cells: Mapping[str, object], *, row: Mapping[str, object], candidates: Sequence[str]
    ) -> Label | None:
        category = read_text(cells.get("category"), field="category")
        attributes = read_attributes(cells["attributes"]) if "attributes" in cells else {}
        for attribute, column in self._layout.attribute_columns.items():
            answer = read_answer(self._cell(row, column), attribute=attribute)
            if answer is not None:
                attributes[attribute] = answer
        if category is None:
            if attributes:
                raise RowError("attributes without a category")
            return None
        leaf = category if category in self._leaves else self._leaf(category)
        if candidates and leaf not in candidates:
            raise RowError(f"category '{leaf}' is none of the candidates")
        return Label(leaf, attributes, self._label_source(cells))

    def _label_source(self, cells: Mapping[str, object]) -> LabelSource:
        source = read_text(cells.get("label_source"), field="label_source")
        try:
            return LabelSource(source) if source else self._layout.label_source
        except ValueError as error:
            raise RowError(f"label_source '{source}' is unknown: use {', '.join(LabelSource)}") from error

    def _candidates(self, cell: object) -> tuple[str, ...]:
        paths = [_normal(path) for path in read_list(cell, field="candidates", separator=self._separator)]
        for path in paths:
            if path not in self._taxonomy.by_path:
                raise RowError(self._why_wrong(path))
        return tuple(dict.fromkeys(paths))

    def _leaf(self, category: str) -> str:
        path = _normal(category)
        if path not in self._leaves:
            if path in self._wrong_labels or len(self._wrong_labels) < NUM_REASONS_KEPT:
                self._wrong_labels[path] += 1
            raise RowError(self._why_wrong(path))
        return path


def _normal(category: str) -> str:
    return SEPARATOR.join(name.strip() for name in category.split(SEPARATOR.strip()))


def _content_id(cells: Mapping[str, object]) -> str:
    """Made of a row's texts and pictures alone, so that it stays when rows change places or labels are corrected."""
    content = {field: cells[field] for field in CONTENT_FIELDS if cells.get(field) is not None}
    return hashlib.sha256(json.dumps(content, default=_stand_in, sort_keys=True).encode()).hexdigest()[:32]


def _stand_in(cell: object) -> str:
    return hashlib.sha256(cell).hexdigest() if isinstance(cell, bytes) else str(cell)


def _refuse_what_no_file_can_hold(words: Sequence[str], *, label: Label | None) -> None:
    attributes = label.attributes if label else {}
    problem = why_not_text("".join([*words, *attributes, *attributes.values()]))
    if problem is not None:
        raise RowError(f"a text {problem}")

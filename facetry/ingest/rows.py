"""One row becomes one listing, or says why it cannot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facetry.errors import TaxonomyError
from facetry.ingest.pictures import PictureError, PictureFolder
from facetry.listing import Label, LabelSource, Listing, ListingImage
from facetry.taxonomy import SEPARATOR, Taxonomy


class RowError(Exception):
    """One row cannot be taken; the others can."""


@dataclass(frozen=True, slots=True)
class MissingPicture:
    """A picture that a listing names and has to go on without."""

    path: str
    reason: str


class RowReader:
    """Reads the cells of a row, by field, into a listing whose category is a leaf of the taxonomy."""

    def __init__(self, *, taxonomy: Taxonomy, pictures: PictureFolder, image_separator: str) -> None:
        self._taxonomy = taxonomy
        self._leaves = {leaf.path for leaf in taxonomy.leaves}
        self._wrong_categories: dict[str, str] = {}
        self._pictures = pictures
        self._separator = image_separator

    def listing(self, cells: Mapping[str, object]) -> tuple[Listing, list[MissingPicture]]:
        """The listing in `cells`, and the pictures it had to leave out; a `RowError` when it cannot be taken."""
        listing_id = _text(cells, "id")
        if listing_id is None:
            raise RowError("no id")
        images, missing = self._images(cells.get("images"))
        listing = Listing(
            id=listing_id,
            title=_text(cells, "title"),
            description=_text(cells, "description"),
            brand=_text(cells, "brand"),
            brand_description=_text(cells, "brand_description"),
            images=images,
            label=self._label(cells),
        )
        if not listing.says_something:
            lost = "".join(f"; {picture.path} {picture.reason}" for picture in missing)
            raise RowError(f"neither text nor image{lost}")
        _refuse_lone_surrogates(listing)
        return listing, missing

    def _images(self, cell: object) -> tuple[tuple[ListingImage, ...], list[MissingPicture]]:
        images: list[ListingImage] = []
        missing: list[MissingPicture] = []
        for path in self._paths(cell):
            try:
                images.append(ListingImage(self._pictures.read(path), path))
            except PictureError as error:
                missing.append(MissingPicture(path, str(error)))
        return tuple(images), missing

    def _paths(self, cell: object) -> Sequence[str]:
        if cell is None:
            return []
        if isinstance(cell, str):
            cell = cell.split(self._separator)
        if not isinstance(cell, list) or not all(isinstance(path, str) for path in cell):
            raise RowError("images must be paths")
        return [path.strip() for path in cell if path.strip()]

    def _label(self, cells: Mapping[str, object]) -> Label | None:
        category, attributes = _text(cells, "category"), _attributes(cells.get("attributes"))
        if category is None:
            if attributes:
                raise RowError("attributes without a category")
            return None
        return Label(self._leaf(category), attributes, _label_source(cells))

    def _leaf(self, category: str) -> str:
        path = SEPARATOR.join(name.strip() for name in category.split(SEPARATOR.strip()))
        if path in self._leaves:
            return path
        if path not in self._wrong_categories:
            self._wrong_categories[path] = self._why_no_leaf(path)
        raise RowError(self._wrong_categories[path])

    def _why_no_leaf(self, path: str) -> str:
        try:
            self._taxonomy.category(path)
        except TaxonomyError as error:
            return str(error)
        return f"category '{path}' has categories below it: name one of those"


def _text(cells: Mapping[str, object], field: str) -> str | None:
    value = cells.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise RowError(f"{field} must be text")
    return value.strip() or None if value else None


def _attributes(cell: object) -> dict[str, str]:
    if isinstance(cell, str) and cell.strip():
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise RowError(f"attributes are not JSON: {error}") from error
    if not cell:
        return {}
    if not isinstance(cell, dict) or not all(isinstance(value, str) for value in cell.values()):
        raise RowError("attributes must be a JSON object of names to texts")
    return cell


def _refuse_lone_surrogates(listing: Listing) -> None:
    """JSON can escape halves of characters, which no file can hold."""
    attributes = listing.label.attributes if listing.label else {}
    paths = [image.path for image in listing.images]
    try:
        "".join([listing.id, *listing.texts.values(), *paths, *attributes, *attributes.values()]).encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError("a text holds half of a surrogate pair") from error


def _label_source(cells: Mapping[str, object]) -> LabelSource:
    source = _text(cells, "label_source")
    try:
        return LabelSource(source) if source else LabelSource.UNAUDITED
    except ValueError as error:
        raise RowError(f"label_source '{source}' is unknown: use {', '.join(LabelSource)}") from error

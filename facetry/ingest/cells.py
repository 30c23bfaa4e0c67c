"""What one cell of a table says, whatever type the table gives it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from facetry.listing import ListingImage


class RowError(Exception):
    """One row cannot be taken; the others can."""


@dataclass(frozen=True, slots=True)
class PictureAddress:
    """Where a picture can be read: a path beside the table, an s3:// address or a URL."""

    address: str


Picture = ListingImage | PictureAddress


def read_text(cell: object, *, field: str) -> str | None:
    """The words in a cell; numbers, dates and times are written out, and what stands for nothing is None."""
    if cell is None:
        return None
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, float):
        return _number_text(cell)
    if isinstance(cell, (int, Decimal)) and not isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    raise RowError(f"{field} must be text")


def read_answer(cell: object, *, attribute: str) -> str | None:
    """The value of an attribute that has a column of its own: text, or yes or no."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return read_text(cell, field=attribute)


def read_attributes(cell: object) -> dict[str, str]:
    """The attributes in a JSON object, written out or not."""
    if isinstance(cell, str) and cell.strip():
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise RowError(f"attributes are not JSON: {error}") from error
    if not cell or (isinstance(cell, str) and not cell.strip()):
        return {}
    if not isinstance(cell, dict) or not all(isinstance(value, str) for value in cell.values()):
        raise RowError("attributes must be a JSON object of names to texts")
    return dict(cell)


def read_list(cell: object, *, field: str, separator: str) -> Sequence[str]:
    """The texts in a list, in a JSON list, or between separators."""
    if isinstance(cell, str):
        cell = _split(cell, field=field, separator=separator)
    if cell is None:
        return []
    if not isinstance(cell, list) or not all(isinstance(item, str) for item in cell):
        raise RowError(f"{field} must be a list of texts")
    return [item.strip() for item in cell if item.strip()]


def read_pictures(cell: object, *, separator: str) -> Sequence[Picture]:
    """The pictures in a cell: addresses, the bytes themselves, structs of both, or a list of any of these."""
    if cell is None:
        return ()
    if isinstance(cell, str):
        listed = json_list(cell)
        cell = cell.split(separator) if listed is None else listed
    items = cell if isinstance(cell, list) else [cell]
    pictures = (_picture(item, name=f"image-{number}") for number, item in enumerate(items, start=1))
    return [picture for picture in pictures if picture is not None]


def _picture(item: object, *, name: str) -> Picture | None:
    if item is None:
        return None
    if isinstance(item, bytes):
        return ListingImage(item, name)
    if isinstance(item, str):
        return PictureAddress(item.strip()) if item.strip() else None
    if not isinstance(item, dict) or not {"bytes", "path"} & set(item):
        raise RowError("images must be paths, addresses, or structs of bytes and path")
    data, path = item.get("bytes"), item.get("path")
    if not isinstance(data, bytes | None) or not isinstance(path, str | None):
        raise RowError("images must have bytes in bytes and text in path")
    return _picture(path, name=name) if data is None else ListingImage(data, path or name)


def json_list(text: str) -> list[str] | None:
    """The texts in a JSON list of nothing else; None when the text is no such list."""
    if not text.lstrip().startswith("["):
        return None
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None


def _split(cell: str, *, field: str, separator: str) -> object:
    if not cell.lstrip().startswith("["):
        return cell.split(separator)
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise RowError(f"{field} are not JSON: {error}") from error


def _number_text(number: float) -> str | None:
    """Whole numbers without a point, as they were before a table with gaps made them fractions; NaN is a gap."""
    if number != number:
        return None
    return str(int(number)) if number.is_integer() else repr(number)

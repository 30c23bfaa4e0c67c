"""What travels over the wire: the tensors of the model `categorise`, and the listings and answers they stand for."""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facetry.decoding.answer import Answer
from facetry.errors import RequestError
from facetry.listing import TEXT_FIELDS, Listing, ListingImage

MODEL = "categorise"
IMAGE = "IMAGE"
TEXT_BY_TENSOR = {field.upper(): field for field in TEXT_FIELDS}
CATEGORY_PATH = "CATEGORY_PATH"
PROBABILITY = "PROBABILITY"
ATTRIBUTES = "ATTRIBUTES"
OUTPUTS = (CATEGORY_PATH, PROBABILITY, ATTRIBUTES)

NOTHING_SENT = "the request holds no image and no text: send at least one"

Tensors: TypeAlias = Mapping[str, NDArray[np.generic]]


class Engine(Protocol):
    """What answers listings; one bad listing fails alone."""

    def answer(self, listings: Sequence[Listing]) -> Sequence[Answer | RequestError]: ...


def answer_requests(engine: Engine, requests: Sequence[Tensors]) -> list[dict[str, NDArray[np.generic]] | RequestError]:
    """The output tensors of each request, or why it is refused; all their listings share one call of the engine."""
    read = [_read_or_refusal(request) for request in requests]
    answers = iter(engine.answer([listing for found in read if isinstance(found, list) for listing in found]))
    return [
        found if isinstance(found, RequestError) else _outputs_or_refusal([next(answers) for _ in found])
        for found in read
    ]


def encode_listing(listing: Listing) -> dict[str, NDArray[np.object_]]:
    """The input tensors of a request for one listing. All are always there, so that all requests share batches."""
    images = [image.data for image in listing.usable_images] or [b""]
    texts = {tensor: (getattr(listing, field) or "").encode() for tensor, field in TEXT_BY_TENSOR.items()}
    return {
        IMAGE: np.array([images], dtype=np.object_),
        **{tensor: np.array([[text]], dtype=np.object_) for tensor, text in texts.items()},
    }


def read_listings(tensors: Tensors) -> list[Listing]:
    """The listings of one request, one per row; refuses the request when a row says nothing or is not UTF-8."""
    num_rows = max((len(tensor) for tensor in tensors.values()), default=0)
    if num_rows == 0:
        raise RequestError(NOTHING_SENT)
    return [_read_row(tensors, row, where=f"listing {row}: " if num_rows > 1 else "") for row in range(num_rows)]


def _read_row(tensors: Tensors, row: int, *, where: str) -> Listing:
    encoded = [bytes(image) for image in tensors[IMAGE][row]] if IMAGE in tensors else []
    texts = {field: _read_text(tensors, tensor, row, where=where) for tensor, field in TEXT_BY_TENSOR.items()}
    listing = Listing(
        id=str(row),
        title=texts["title"],
        description=texts["description"],
        brand=texts["brand"],
        brand_description=texts["brand_description"],
        images=tuple(ListingImage(image, f"{IMAGE}[{at}]") for at, image in enumerate(encoded) if image),
    )
    if not listing.says_something:
        raise RequestError(f"{where}{NOTHING_SENT}")
    return listing


def _read_text(tensors: Tensors, tensor: str, row: int, *, where: str) -> str | None:
    if tensor not in tensors:
        return None
    try:
        return bytes(tensors[tensor][row].item()).decode() or None
    except UnicodeDecodeError as error:
        raise RequestError(f"{where}{tensor} is not UTF-8 text: encode it as UTF-8") from error


def _read_or_refusal(tensors: Tensors) -> list[Listing] | RequestError:
    try:
        return read_listings(tensors)
    except RequestError as refusal:
        return refusal


def _outputs_or_refusal(answers: Sequence[Answer | RequestError]) -> dict[str, NDArray[np.generic]] | RequestError:
    told: list[Answer] = []
    for row, answer in enumerate(answers):
        if isinstance(answer, RequestError):
            return RequestError(f"listing {row}: {answer}") if len(answers) > 1 else answer
        told.append(answer)
    attributes = [json.dumps(answer.attributes, ensure_ascii=False, sort_keys=True) for answer in told]
    return {
        CATEGORY_PATH: np.array([[answer.category.encode()] for answer in told], dtype=np.object_),
        PROBABILITY: np.array([[answer.probability] for answer in told], dtype=np.float32),
        ATTRIBUTES: np.array([[text.encode()] for text in attributes], dtype=np.object_),
    }

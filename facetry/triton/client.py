"""Asking a Triton that serves a release, wherever it is."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from facetry.errors import RequestError, ServingError
from facetry.listing import Listing, ListingImage

if TYPE_CHECKING:
    from tritonclient.http import InferenceServerClient, InferResult


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a server says of a listing."""

    category: str
    probability: float
    attributes: Mapping[str, str]


def predict(endpoint: str, listing: Listing, *, timeout_seconds: float = 60) -> Prediction:
    """The answer of the server at `endpoint` (`host:port`, or `http://host:port`) for one listing."""
    from tritonclient.http import InferenceServerClient

    from facetry.triton.tensors import ATTRIBUTES, CATEGORY_PATH, PROBABILITY

    address = _address(endpoint)
    client = InferenceServerClient(address, connection_timeout=min(timeout_seconds, 5), network_timeout=timeout_seconds)
    try:
        result = _ask(client, listing, endpoint=endpoint, timeout_seconds=timeout_seconds)
    finally:
        client.close()
    return Prediction(
        category=result.as_numpy(CATEGORY_PATH).item().decode(),
        probability=float(result.as_numpy(PROBABILITY).item()),
        attributes=json.loads(result.as_numpy(ATTRIBUTES).item()),
    )


def read_image(path: Path) -> ListingImage:
    """The encoded image in the file at `path`."""
    from PIL import Image, UnidentifiedImageError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read the image {path}: {error.strerror}") from error
    try:
        with Image.open(BytesIO(data)) as image:
            image.verify()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise RequestError(f"{path} is not an image: give a whole JPEG, PNG or WebP file") from error
    return ListingImage(data, str(path))


def _address(endpoint: str) -> str:
    address = endpoint.removeprefix("http://").rstrip("/")
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
        raise ServingError(f"'{endpoint}' is not an endpoint: write host:port, as in http://127.0.0.1:8000")
    return address


def _ask(client: "InferenceServerClient", listing: Listing, *, endpoint: str, timeout_seconds: float) -> "InferResult":
    from tritonclient.http import InferInput
    from tritonclient.utils import InferenceServerException

    from facetry.triton.tensors import MODEL, encode_listing

    inputs = []
    for name, array in encode_listing(listing).items():
        tensor = InferInput(name, list(array.shape), "BYTES")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    try:
        return client.infer(MODEL, inputs, request_id=listing.id)
    except InferenceServerException as error:
        message = " ".join(str(error.message()).split())
        if error.status() == "400" and "unknown model" not in message:
            raise RequestError(f"the server refused listing {listing.id}: {message}") from error
        reason = textwrap.shorten(message, 160, placeholder=" …")
        raise ServingError(f"the server at {endpoint} does not serve a release: {reason}") from error
    except HTTPException as error:
        raise ServingError(f"what listens at {endpoint} is no Triton: give the HTTP port of one") from error
    except TimeoutError as error:
        raise ServingError(f"no answer from {endpoint} within {timeout_seconds:g} s: try again later") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServingError(f"no server at {endpoint} ({reason}): start one with `facetry serve`") from error

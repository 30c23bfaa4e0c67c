"""What a real Triton answers from a real release."""

import json
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from facetry.decoding import Answer
from facetry.errors import FacetryError, RequestError
from facetry.listing import Listing, ListingImage
from facetry.release import load_engine
from facetry.triton import Prediction, TritonServer, predict

TOLERANCE = 1e-3


def ask(server: TritonServer, listing: Listing) -> Prediction | FacetryError:
    try:
        return predict(server.http_endpoint, listing, timeout_seconds=60)
    except FacetryError as error:
        return error


def ask_at_once(server: TritonServer, listings: Sequence[Listing]) -> list[Prediction | FacetryError]:
    with ThreadPoolExecutor(len(listings)) as pool:
        return list(pool.map(lambda listing: ask(server, listing), listings))


def infer(server: TritonServer, tensors: dict[str, list[list[bytes]]]) -> tritonclient.http.InferResult:
    client = tritonclient.http.InferenceServerClient(server.http_endpoint.removeprefix("http://"))
    inputs = []
    for name, rows in tensors.items():
        array = np.array(rows, dtype=np.object_)
        inputs.append(tritonclient.http.InferInput(name, list(array.shape), "BYTES"))
        inputs[-1].set_data_from_numpy(array)
    try:
        return client.infer("categorise", inputs)
    finally:
        client.close()


def assert_same(served: Prediction | FacetryError, offline: Answer | RequestError) -> None:
    assert isinstance(served, Prediction), served
    assert isinstance(offline, Answer), offline
    assert served.category == offline.category
    assert served.attributes == offline.attributes
    assert served.probability == pytest.approx(offline.probability, abs=TOLERANCE)


@pytest.fixture(scope="module")
def mixed(listings: list[Listing]) -> list[Listing]:
    """Texts only, images only, both, and several images, in turn."""
    pictures = tuple(image for listing in listings for image in listing.images)
    kinds = []
    for listing in listings:
        kinds.append(listing)
        kinds.append(replace(listing, images=()))
        kinds.append(Listing(id=listing.id, images=listing.images[:1]))
        kinds.append(replace(listing, images=(*listing.images, *pictures)[:3]))
    return [listing for listing in kinds if listing.says_something][:16]


def test_concurrent_mixed_requests_get_the_answers_of_the_engine(
    server: TritonServer, tiny_release: Path, mixed: list[Listing]
) -> None:
    offline = load_engine(tiny_release).answer(mixed)
    for served, expected in zip(ask_at_once(server, mixed), offline, strict=True):
        assert_same(served, expected)
    with urllib.request.urlopen(f"{server.http_endpoint}/v2/models/categorise/stats") as response:
        stats = json.load(response)["model_stats"][0]
    assert stats["execution_count"] < stats["inference_count"], "requests shared no batch"


def test_a_truncated_image_fails_alone_among_its_neighbours(server: TritonServer, listings: list[Listing]) -> None:
    whole = listings[0].images[0]
    truncated = replace(listings[0], images=(ListingImage(whole.data[: len(whole.data) // 2], "half"),))
    neighbours = [replace(listings[index % len(listings)], id=f"neighbour-{index}") for index in range(7)]
    *answers, refused = ask_at_once(server, [*neighbours, truncated])
    assert isinstance(refused, RequestError)
    assert f"the server refused listing {truncated.id}: an image is broken" in str(refused)
    assert all(isinstance(answer, Prediction) for answer in answers), answers


def test_bytes_that_are_no_image_are_refused_in_one_line(server: TritonServer) -> None:
    with pytest.raises(RequestError, match="the server refused listing 7: an image is no picture") as refused:
        predict(server.http_endpoint, Listing(id="7", images=(ListingImage(b"not an image", "x"),)), timeout_seconds=60)
    assert "\n" not in str(refused.value)


def test_a_request_with_nothing_says_what_to_send(server: TritonServer) -> None:
    with pytest.raises(RequestError, match="the request holds no image and no text: send at least one"):
        predict(server.http_endpoint, Listing(id="1"), timeout_seconds=60)


def test_text_that_is_not_utf8_is_refused_by_name(server: TritonServer) -> None:
    with pytest.raises(InferenceServerException, match="BRAND is not UTF-8 text"):
        infer(server, {"BRAND": [["crème".encode("latin-1")]]})


def test_one_request_may_hold_several_listings(server: TritonServer, listings: list[Listing]) -> None:
    image = listings[0].images[0].data
    answered = infer(server, {"IMAGE": [[image, image], [b"", b""]], "TITLE": [[b""], [b"Rose night cream"]]})
    assert answered.as_numpy("CATEGORY_PATH").shape == (2, 1)
    alone = infer(server, {"TITLE": [[b"Rose night cream"]]})
    assert answered.as_numpy("CATEGORY_PATH")[1] == alone.as_numpy("CATEGORY_PATH")[0]


def test_a_bad_row_fails_its_request_and_is_named(server: TritonServer) -> None:
    with pytest.raises(InferenceServerException, match="listing 1: the request holds no image and no text"):
        infer(server, {"TITLE": [[b"Rose night cream"], [b""]]})


def test_grpc_gives_the_answer_that_http_gives(server: TritonServer, listings: list[Listing]) -> None:
    image = np.array([[listings[0].images[0].data]], dtype=np.object_)
    tensor = tritonclient.grpc.InferInput("IMAGE", [1, 1], "BYTES")
    tensor.set_data_from_numpy(image)
    with tritonclient.grpc.InferenceServerClient(server.grpc_endpoint) as client:
        answered = client.infer("categorise", [tensor])
    by_http = predict(server.http_endpoint, Listing(id="1", images=listings[0].images[:1]), timeout_seconds=60)
    assert answered.as_numpy("CATEGORY_PATH").item().decode() == by_http.category
    assert answered.as_numpy("PROBABILITY").item() == pytest.approx(by_http.probability, abs=TOLERANCE)

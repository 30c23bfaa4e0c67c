"""One Triton for all tests that ask it, and the listings they ask about."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from facetry.config import ServeParams
from facetry.listing import Listing, ListingImage
from facetry.triton import TritonServer

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def free_ports() -> Callable[[], ServeParams]:
    """Makes parameters whose ports nobody listens on."""

    def make() -> ServeParams:
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            http, grpc, metrics = (listening.getsockname()[1] for listening in sockets)
        environment = str(REPOSITORY / ".venv-serving")
        return ServeParams(http_port=http, grpc_port=grpc, metrics_port=metrics, environment=environment)

    return make


@pytest.fixture(scope="session")
def server(tiny_release: Path, free_ports: Callable[[], ServeParams]) -> Iterator[TritonServer]:
    with TritonServer.start(tiny_release, params=free_ports()) as started:
        yield started


@pytest.fixture(scope="session")
def listings(tiny_release: Path) -> list[Listing]:
    """The release's golden listings, each with an image."""
    parity = tiny_release / "parity"
    golden = json.loads((parity / "contract.json").read_bytes())["golden"]
    return [
        Listing(
            id=one["id"],
            **one["texts"],
            images=tuple(ListingImage((parity / "images" / name).read_bytes(), name) for name in one["images"]),
        )
        for one in golden
        if one["images"]
    ]

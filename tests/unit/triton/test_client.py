import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from PIL import Image

from facetry.errors import RequestError, ServingError
from facetry.listing import Listing
from facetry.triton import predict, read_image

LISTING = Listing(id="1", title="jar")


def test_a_closed_port_says_how_to_start_a_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        ServingError, match=rf"^no server at 127\.0\.0\.1:{port} \(.*\): start one with `facetry serve`$"
    ):
        predict(f"127.0.0.1:{port}", LISTING, timeout_seconds=5)


def test_a_server_that_stays_silent_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ServingError, match=r"^no answer from .* within 0\.5 s: try again later$"),
    ):
        predict(f"http://127.0.0.1:{silent.getsockname()[1]}", LISTING, timeout_seconds=0.5)


def test_a_web_server_that_is_no_triton_is_told_from_one() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with pytest.raises(ServingError, match="does not serve a release") as refused:
            predict(f"127.0.0.1:{other.server_port}", LISTING, timeout_seconds=5)
        other.shutdown()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("endpoint", ["localhost", "https://localhost:8000", "localhost:port", ":8000", "host:99999"])
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ServingError, match=f"'{endpoint}' is not an endpoint: write host:port"):
        predict(endpoint, LISTING, timeout_seconds=1)


def test_an_image_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "jar.png"
    Image.new("RGB", (32, 32), "teal").save(path)
    assert read_image(path).data == path.read_bytes()


def test_a_missing_image_and_a_file_that_is_no_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot read the image .*jar\.png: No such file"):
        read_image(tmp_path / "jar.png")
    (tmp_path / "jar.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(RequestError, match=r"jar\.png is not an image: give a whole JPEG, PNG or WebP file"):
        read_image(tmp_path / "jar.png")

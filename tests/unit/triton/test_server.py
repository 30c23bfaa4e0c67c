import socket
from pathlib import Path

import pytest

from facetry.config import ServeParams
from facetry.errors import ServingError
from facetry.release.repository import write_model_repository
from facetry.triton import TritonServer


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"is not a release: .* make one with `facetry release`"):
        TritonServer.start(tmp_path, params=ServeParams())


@pytest.mark.parametrize("key", ["http_port", "grpc_port", "metrics_port"])
def test_a_port_in_use_is_named_with_its_parameter(tmp_path: Path, key: str) -> None:
    write_model_repository(tmp_path / "model_repository", max_batch_size=1, max_queue_delay_microseconds=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=rf"^port {port} is in use: .* --set serve\.{key}=PORT$"):
            TritonServer.start(tmp_path, params=ServeParams.model_validate({**free_ports(), key: port}))


def free_ports() -> dict[str, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as http,
        socket.create_server(("127.0.0.1", 0)) as grpc,
        socket.create_server(("127.0.0.1", 0)) as metrics,
    ):
        listening = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
        return {key: one.getsockname()[1] for key, one in listening.items()}


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    write_model_repository(tmp_path / "model_repository", max_batch_size=1, max_queue_delay_microseconds=0)
    with pytest.raises(ServingError, match=r"^cannot listen on 192\.0\.2\.1:8000 .*: change serve\.host"):
        TritonServer.start(tmp_path, params=ServeParams(host="192.0.2.1"))

"""A real Triton comes up only with a sound release, and goes without a trace."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from facetry.config import ServeParams
from facetry.errors import ServingError
from facetry.listing import Listing
from facetry.triton import TritonServer, predict

SERVE = """
import sys
from pathlib import Path
from facetry.config import ServeParams
from facetry.triton import serve
serve(Path(sys.argv[1]), params=ServeParams.model_validate_json(sys.argv[2]))
"""


def processes_of(run_folder: str) -> list[str]:
    """The command lines of all processes that were started with `run_folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if run_folder in command:
            found.append(command)
    return found


def test_serve_runs_until_it_is_told_to_end_and_leaves_nothing(
    tiny_release: Path, free_ports: Callable[[], ServeParams]
) -> None:
    params = free_ports()
    arguments = [sys.executable, "-c", SERVE, str(tiny_release), params.model_dump_json()]
    serving = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert serving.stdout is not None
        told = ""
        while "end it: Ctrl-C" not in told:
            line = serving.stdout.readline()
            assert line, told
            told += line
        run_folder = re.search(r"log: (.*)/tritonserver\.log", told)
        assert run_folder, told
        assert len(processes_of(Path(run_folder[1]).name)) >= 2
        assert predict(f"http://127.0.0.1:{params.http_port}", Listing(id="1", title="jar"), timeout_seconds=60)
        serving.send_signal(signal.SIGTERM)
        last_words, _ = serving.communicate(timeout=60)
    finally:
        if serving.poll() is None:
            serving.kill()
            serving.wait()
    assert (serving.returncode, last_words) == (0, "Triton has ended\n")
    assert processes_of(Path(run_folder[1]).name) == []
    assert not Path(run_folder[1]).exists()
    assert not list(Path("/dev/shm").glob(f"{Path(run_folder[1]).name}*"))  # noqa: S108 - where Triton puts tensors
    with socket.create_server(("127.0.0.1", params.http_port)):
        pass


def test_a_release_with_a_changed_file_never_becomes_ready_and_says_which(
    tiny_release: Path, tmp_path: Path, free_ports: Callable[[], ServeParams]
) -> None:
    changed = tmp_path / "release"
    shutil.copytree(tiny_release, changed)
    with (changed / "checkpoint" / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\x01\x02\x03\x04")
    with pytest.raises(ServingError, match=r"checkpoint/model\.safetensors was changed") as refused:
        TritonServer.start(changed, params=free_ports())
    assert "\n" not in str(refused.value)


def test_a_port_in_use_is_named_before_anything_starts(
    tiny_release: Path, free_ports: Callable[[], ServeParams]
) -> None:
    params = free_ports()
    with (
        socket.create_server(("127.0.0.1", params.grpc_port)),
        pytest.raises(ServingError, match=rf"port {params.grpc_port} is in use: .* --set serve\.grpc_port=PORT"),
    ):
        TritonServer.start(tiny_release, params=params)

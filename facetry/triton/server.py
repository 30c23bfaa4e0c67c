"""A tritonserver of our own: started on a release, watched until it is ready, and ended with all it started."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from facetry import errors
from facetry.config import ServeParams
from facetry.errors import ServingError
from facetry.triton.install import TritonInstall, find_triton
from facetry.triton.tensors import MODEL

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton itself puts it
DRAIN_SECONDS = 10
END_SECONDS = DRAIN_SECONDS + 5
POLL_SECONDS = 0.1


class TritonServer:
    """A running Triton that answers from one release; it is gone, without a trace, when the context has ended."""

    def __init__(self, process: subprocess.Popen[bytes], *, params: ServeParams, run_folder: Path) -> None:
        self._process = process
        self._params = params
        self._run_folder = run_folder

    @classmethod
    def start(cls, release: Path, *, params: ServeParams) -> Self:
        """A server that is ready to answer; raises a ServingError, and leaves nothing behind, if it cannot be."""
        repository = release.absolute() / "model_repository"
        if not (repository / MODEL / "config.pbtxt").is_file():
            raise ServingError(
                f"{release} is not a release: it has no model_repository: make one with `facetry release`"
            )
        _check_ports(params)
        install = find_triton(Path(params.environment))
        run_folder = Path(tempfile.mkdtemp(prefix="facetry-triton-"))
        server = None
        try:
            server = cls(_launch(install, repository, params, run_folder), params=params, run_folder=run_folder)
            server._wait_until_ready()
        except BaseException:
            if server is not None:
                server.stop()
            shutil.rmtree(run_folder, ignore_errors=True)
            raise
        return server

    @property
    def http_endpoint(self) -> str:
        return f"http://{_reachable(self._params.host)}:{self._params.http_port}"

    @property
    def grpc_endpoint(self) -> str:
        return f"{_reachable(self._params.host)}:{self._params.grpc_port}"

    @property
    def metrics_endpoint(self) -> str:
        return f"http://{_reachable(self._params.host)}:{self._params.metrics_port}/metrics"

    @property
    def log(self) -> Path:
        return _log(self._run_folder)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def wait(self) -> None:
        """Returns never: raises a ServingError when Triton ends by itself."""
        code = self._process.wait()
        raise ServingError(f"Triton ended by itself with exit code {code}: {_reason(self.log)}")

    def stop(self) -> None:
        """Ends Triton and its model processes: kindly first, then for good, and removes what they shared."""
        try:
            if self._process.poll() is None:
                self._process.terminate()
                self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(self._process.pid)
            self._process.wait()
            for region in SHARED_MEMORY.glob(f"{self._run_folder.name}*"):
                region.unlink(missing_ok=True)
            shutil.rmtree(self._run_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._params.ready_timeout_seconds
        while not (_answers(f"{self.http_endpoint}/v2/health/ready") and self._model_is_ready()):
            if self._process.poll() is not None:
                raise ServingError(f"Triton did not become ready: {_reason(self.log)}")
            if time.monotonic() > deadline:
                raise ServingError(
                    f"Triton was not ready after {self._params.ready_timeout_seconds:g} s ({_reason(self.log)}): "
                    "raise serve.ready_timeout_seconds"
                )
            time.sleep(POLL_SECONDS)

    def _model_is_ready(self) -> bool:
        return _answers(f"{self.http_endpoint}/v2/models/{MODEL}/ready")


def _check_ports(params: ServeParams) -> None:
    for key in ("http_port", "grpc_port", "metrics_port"):
        port = getattr(params, key)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((params.host, port))
            except OSError as error:
                in_use = f"port {port} is in use: end what listens there, or choose another with --set serve.{key}=PORT"
                elsewhere = (
                    f"cannot listen on {params.host}:{port} ({error.strerror}): change serve.host or serve.{key}"
                )
                raise ServingError(in_use if error.errno == errno.EADDRINUSE else elsewhere) from error


def _launch(install: TritonInstall, repository: Path, params: ServeParams, run_folder: Path) -> subprocess.Popen[bytes]:
    arguments = [
        *install.arguments(run_folder=run_folder),
        f"--model-repository={repository}",
        f"--http-address={params.host}",
        f"--http-port={params.http_port}",
        f"--grpc-address={params.host}",
        f"--grpc-port={params.grpc_port}",
        f"--metrics-address={params.host}",
        f"--metrics-port={params.metrics_port}",
        f"--exit-timeout-secs={DRAIN_SECONDS}",
        "--disable-auto-complete-config",
        f"--backend-config=python,shm-region-prefix-name={run_folder.name}-",
        f"--backend-config=python,stub-timeout-seconds={max(1, round(params.ready_timeout_seconds))}",
    ]
    with _log(run_folder).open("wb") as log:
        return subprocess.Popen(
            arguments,
            env=install.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _log(run_folder: Path) -> Path:
    return run_folder / "tritonserver.log"


def _reachable(host: str) -> str:
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - read, not bound


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own http endpoint
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


_WHY_THE_MODEL_FAILED = re.compile(rf"failed to load '{MODEL}' version \d+: \w+: (.*?)(?:\\n|\"$)", re.MULTILINE)
_COMPLAINT = re.compile(r"^(?:E\d{4} .*?\] \"(.+)\"|error: (.+))$", re.MULTILINE)
_COMPLAINT_WITHOUT_A_GPU = "CudaDriverHelper has not been initialized."


def _reason(log: Path) -> str:
    """What the log says went wrong, as one line."""
    text = log.read_text(encoding="utf-8", errors="replace")
    for_the_model = _WHY_THE_MODEL_FAILED.search(text)
    if for_the_model is not None:
        kind, separator, message = for_the_model[1].replace('\\"', '"').partition(": ")
        return message if separator and hasattr(errors, kind) else f"{kind}{separator}{message}"
    complaints = [said or wrote for said, wrote in _COMPLAINT.findall(text) if said != _COMPLAINT_WITHOUT_A_GPU]
    return complaints[-1] if complaints else "its log holds no reason"

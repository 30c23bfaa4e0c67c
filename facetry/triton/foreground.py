"""Triton in the foreground, for a person at a terminal or a supervisor."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from facetry.config import ServeParams
from facetry.triton.server import TritonServer


def serve(release: Path, *, params: ServeParams) -> None:
    """Serve `release` until Ctrl-C or SIGTERM; prints where and how to ask it."""
    print(f"starting Triton on {release}", flush=True)
    try:
        with _sigterm_as_interrupt(), TritonServer.start(release, params=params) as server:
            print(f"ready: HTTP {server.http_endpoint}, gRPC {server.grpc_endpoint}, metrics {server.metrics_endpoint}")
            print(f"log: {server.log}")
            print(f"ask it: facetry predict {server.http_endpoint} --title 'Rose night cream' --image IMAGE.jpg")
            print("end it: Ctrl-C", flush=True)
            server.wait()
    except KeyboardInterrupt:
        print("Triton has ended", flush=True)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

"""How often, and how many at once, one host is asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Politeness:
    """Makes requests to a host wait for their turn; thread-safe."""

    def __init__(self, *, num_parallel_per_host: int, min_seconds_between_requests: float) -> None:
        self._num_parallel = num_parallel_per_host
        self._min_seconds = min_seconds_between_requests
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """A context to send one request to `host` in; it begins when that is polite."""
        known = self._host(host)
        with known.places:
            time.sleep(known.take_start())
            yield

    def space_out(self, host: str, *, seconds: float) -> None:
        """Leave at least `seconds` between requests to `host` from now on."""
        self._host(host).space_out(seconds)

    def leave_alone(self, host: str, *, seconds: float) -> None:
        """Begin no request to `host` for `seconds`."""
        self._host(host).leave_alone(seconds)

    def _host(self, name: str) -> "_Host":
        with self._lock:
            return self._hosts.setdefault(name, _Host(self._num_parallel, self._min_seconds))


class _Host:
    def __init__(self, num_parallel: int, min_seconds: float) -> None:
        self.places = threading.BoundedSemaphore(num_parallel)
        self._lock = threading.Lock()
        self._min_seconds = min_seconds
        self._next_start = 0.0

    def take_start(self) -> float:
        """How many seconds from now the next request may begin; the one after it begins later."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self._min_seconds
            return start - now

    def space_out(self, seconds: float) -> None:
        with self._lock:
            self._min_seconds = max(self._min_seconds, seconds)

    def leave_alone(self, seconds: float) -> None:
        with self._lock:
            self._next_start = max(self._next_start, time.monotonic() + seconds)

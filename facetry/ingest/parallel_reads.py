"""Pictures read at the same time, as many as are allowed."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class ParallelReads:
    """Reads addresses on threads, at most `num_parallel` at once; starting one more waits for a free thread."""

    def __init__(self, read: Callable[[str], bytes], *, num_parallel: int) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(num_parallel, thread_name_prefix="pictures")
        self._free_threads = threading.Semaphore(num_parallel)
        self._lock = threading.Lock()
        self._num_bytes_waiting = 0

    @property
    def num_bytes_waiting(self) -> int:
        """How much was read and not yet taken."""
        return self._num_bytes_waiting

    def start(self, address: str) -> Future[bytes]:
        self._free_threads.acquire()
        return self._pool.submit(self._read_one, address)

    def take(self, reading: Future[bytes]) -> bytes:
        """What was read, once it is; raises what the reading raised."""
        data = reading.result()
        self._count(-len(data))
        return data

    def _read_one(self, address: str) -> bytes:
        try:
            data = self._read(address)
        finally:
            self._free_threads.release()
        self._count(len(data))
        return data

    def _count(self, num_bytes: int) -> None:
        with self._lock:
            self._num_bytes_waiting += num_bytes

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

"""One HTTP request: bounded in bytes and seconds, and only to addresses that the guard permits."""

import gzip
import http.client
import io
import re
import socket
import ssl
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.exceptions import TimeoutError as RequestTimeout

from facetry.config import FetchParams
from facetry.ingest.web.failures import FetchError, PassingError, too_large
from facetry.ingest.web.guard import Guard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NUM_POOLS = 64
PIECE_BYTES = 2**16
REDIRECTS = (301, 302, 303, 307, 308)
PASSING = (408, 425, 429)
MAX_SAID_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent: a body with the charset of its header, or the address to ask instead."""

    body: bytes
    charset: str | None
    redirect: str | None


class Client:
    """Sends requests over connections that are kept for the next; thread-safe. No proxy is used, whatever is set."""

    def __init__(self, params: FetchParams) -> None:
        guard = Guard(allowed_networks=params.allowed_networks)
        headers = {"User-Agent": params.user_agent, "Accept-Encoding": "identity", "Accept": "*/*"}
        self._timeout_seconds = params.timeout_seconds
        self._pools = _GuardedPools(guard, headers=headers, maxsize=params.num_parallel_per_host)

    def close(self) -> None:
        self._pools.clear()

    def get(self, url: str, *, max_bytes: int, seconds: float) -> Answer:
        """What is at `url`; a `PassingError` when another try may bring more than this one, else a `FetchError`."""
        if seconds <= 0:
            raise self._too_slow()
        try:
            response = self._pools.urlopen(
                "GET",
                url,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(total=seconds),
            )
            try:
                return _answer(response, max_bytes=max_bytes)
            finally:
                _leave(response)
        except RequestTimeout as error:
            raise self._too_slow() from error
        except HTTPError as error:
            cause = _innermost(error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise FetchError(f"cannot be trusted: {cause.verify_message}") from error
            said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
            raise PassingError(f"broke off: {said or type(cause).__name__}") from error
        except ValueError as error:
            raise PassingError(f"answered nonsense: {str(error)[:MAX_SAID_CHARACTERS]}") from error

    def _too_slow(self) -> PassingError:
        return PassingError(f"took longer than {self._timeout_seconds:g} s")


class _TimedStream(io.RawIOBase):
    """The bytes of a socket until a moment that no trickle of them puts off."""

    def __init__(self, connection: socket.socket, *, deadline: float) -> None:
        self._connection = connection
        self._bytes = connection.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        seconds_left = self._deadline - time.monotonic()
        if seconds_left <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(seconds_left)
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        self._bytes.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """Takes the socket's timeout for the whole response: the head, the body, and all the pauses in them."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        seconds = sock.gettimeout()
        assert seconds is not None, "every request has a timeout"
        self.fp.close()
        self.fp = io.BufferedReader(_TimedStream(sock, deadline=time.monotonic() + seconds))


class _GuardedConnection(HTTPConnection):
    response_class = _TimedResponse

    def __init__(self, host: str, *, guard: Guard, **options: Any) -> None:  # noqa: ANN401 - passed on as they came
        super().__init__(host, **options)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        assert isinstance(self.timeout, (int, float)), "every request has a timeout"
        return self._guard.connect(self.host, port=self.port, seconds=self.timeout)


class _GuardedTLSConnection(_GuardedConnection, HTTPSConnection):
    """Checks the certificate against the host's name, whatever address the guard chose."""


class _GuardedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedTLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _GuardedTLSConnection


class _GuardedPools(urllib3.PoolManager):
    def __init__(self, guard: Guard, *, headers: dict[str, str], maxsize: int) -> None:
        super().__init__(NUM_POOLS, headers=headers, maxsize=maxsize)
        self.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTLSPool}
        self._guard = guard

    def connection_from_pool_key(
        self, pool_key: urllib3.poolmanager.PoolKey, request_context: dict[str, Any]
    ) -> urllib3.HTTPConnectionPool:
        return super().connection_from_pool_key(pool_key, {**request_context, "guard": self._guard})


def _leave(response: urllib3.BaseHTTPResponse) -> None:
    """Free the connection: for the next request when little is known to be left of the response, else at once."""
    if response.length_remaining is not None and response.length_remaining <= PIECE_BYTES:
        with suppress(HTTPError, ValueError):
            response.read(PIECE_BYTES)
    response.close()


def _answer(response: urllib3.BaseHTTPResponse, *, max_bytes: int) -> Answer:
    status = response.status
    location = response.headers.get("Location")
    if status in REDIRECTS and location:
        return Answer(b"", None, redirect=location.encode("latin-1").decode("utf-8", errors="replace"))
    if status in PASSING or status >= 500:
        raise PassingError(f"answered {status}", wait_seconds=_wait_seconds(response))
    if not 200 <= status < 300:
        raise FetchError(f"answered {status}", status=status)
    charset = re.search(r"charset=[\"']?([\w.:-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
    body = _decoded(_body(response, max_bytes=max_bytes), response, max_bytes=max_bytes)
    return Answer(body, charset[1] if charset else None, redirect=None)


def _body(response: urllib3.BaseHTTPResponse, *, max_bytes: int) -> bytes:
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(int(declared), max_bytes=max_bytes)
    body = bytearray()
    while piece := response.read(PIECE_BYTES):
        body += piece
        if len(body) > max_bytes:
            raise too_large(None, max_bytes=max_bytes)
    return bytes(body)


def _decoded(body: bytes, response: urllib3.BaseHTTPResponse, *, max_bytes: int) -> bytes:
    """The body without the compression that some servers use unasked."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "x-gzip"):
        return gunzip(body, max_bytes=max_bytes)
    raise FetchError(f"came compressed as '{encoding}', though plain bytes were asked for")


def gunzip(data: bytes, *, max_bytes: int) -> bytes:
    """What `data` holds; a `FetchError` when that is over the limit or damaged."""
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(data)).read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FetchError(f"is damaged gzip: {error}") from error
    if len(plain) > max_bytes:
        raise too_large(None, max_bytes=max_bytes)
    return plain


def _wait_seconds(response: urllib3.BaseHTTPResponse) -> float:
    try:
        return urllib3.Retry().get_retry_after(response) or 0.0
    except (InvalidHeader, OverflowError, ValueError):
        return 0.0


def _innermost(error: BaseException) -> BaseException:
    """The error that was wrapped into all the others."""
    inner = next((part for part in reversed(error.args) if isinstance(part, BaseException)), None)
    return error if inner is None else _innermost(inner)

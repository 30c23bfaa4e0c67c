"""A real shop on a loopback address that can fail, stall, drip, redirect, lie, and remembers what it was asked."""

import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

LONGEST_HOLD_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the shop sends back; `declared_length` may differ from the body's, and the connection ends after."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    declared_length: int | None = None
    stalls: bool = False
    drips: Literal["head", "body"] | None = None
    seconds_between_drips: float = 0.05


NOT_FOUND = Reply(status=404)


def redirect(address: str, *, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": address})


class ShopServer:
    """Serves what it was told to at each path, one reply after the other and the last one for ever; else 404."""

    def __init__(self, *, host: str = "127.0.0.1", asked: list[str] | None = None, certificate: str = "") -> None:
        self.asked = asked if asked is not None else []
        self.user_agents: set[str] = set()
        self.max_at_once = 0
        self.changed = threading.Condition()
        self._at_once = 0
        self._num_until_hold: int | None = None
        self._num_held = 0
        self._replies: dict[str, list[Reply]] = {}
        self._http = ThreadingHTTPServer((host, 0), partial(_Handler, self))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.port = int(self._http.server_address[1])
        self.address = f"{'https' if certificate else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str) -> str:
        return self.address + path

    def serve(self, path: str, *replies: Reply) -> str:
        """Answer `path` with `replies` in turn; the URL to ask."""
        self._replies[path] = list(replies)
        return self.url(path)

    @property
    def counts(self) -> Counter[str]:
        """How often each path was asked, robots.txt aside."""
        return Counter(path for path in self.asked if path != "/robots.txt")

    def hold_after(self, num_requests: int) -> None:
        """Answer so many further requests, and keep all later ones waiting until `release`."""
        self._num_until_hold = num_requests

    def wait_until_held(self, num_requests: int) -> bool:
        """Wait until so many requests are waiting; whether it came to that."""
        with self.changed:
            return self.changed.wait_for(lambda: self._num_held >= num_requests, timeout=LONGEST_HOLD_SECONDS)

    def release(self) -> None:
        with self.changed:
            self._num_until_hold = None
            self.changed.notify_all()

    def begin(self, path: str, *, user_agent: str) -> Reply:
        """Note a request, and hold it if that is due; what to answer."""
        with self.changed:
            self.asked.append(path)
            self.user_agents.add(user_agent)
            self._at_once += 1
            self.max_at_once = max(self.max_at_once, self._at_once)
            self._hold_if_due()
            replies = self._replies.get(path, [NOT_FOUND])
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def end(self) -> None:
        with self.changed:
            self._at_once -= 1

    def _hold_if_due(self) -> None:
        if self._num_until_hold is None:
            return
        if self._num_until_hold > 0:
            self._num_until_hold -= 1
            return
        self._num_held += 1
        self.changed.notify_all()
        self.changed.wait_for(lambda: self._num_until_hold is None, timeout=LONGEST_HOLD_SECONDS)
        self._num_held -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __init__(self, shop: ShopServer, *arguments: Any) -> None:  # noqa: ANN401 - passed on as they came
        self._shop = shop
        super().__init__(*arguments)

    def do_GET(self) -> None:
        reply = self._shop.begin(self.path, user_agent=self.headers.get("User-Agent", ""))
        try:
            self._send(reply)
        except OSError:
            self.close_connection = True
        finally:
            self._shop.end()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is the base class's
        pass

    def _send(self, reply: Reply) -> None:
        length = len(reply.body) if reply.declared_length is None else reply.declared_length
        headers = {"Content-Length": str(length), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Reply", *(f"{name}: {value}" for name, value in headers.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if reply.stalls:
            self._pause(LONGEST_HOLD_SECONDS)
        if reply.drips == "head":
            self._drip(head + reply.body, pause=reply.seconds_between_drips)
        elif reply.drips == "body":
            self.wfile.write(head)
            self._drip(reply.body, pause=reply.seconds_between_drips)
        else:
            self.wfile.write(head + reply.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or length > len(reply.body)

    def _drip(self, data: bytes, *, pause: float) -> None:
        for position in range(len(data)):
            self.wfile.write(data[position : position + 1])
            self.wfile.flush()
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        threading.Event().wait(seconds)

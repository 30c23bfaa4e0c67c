"""Fetching from a real server that fails, stalls, redirects inward and lies about length."""

import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from facetry.config import FetchParams
from facetry.errors import SourceError
from facetry.ingest.web.fetcher import Fetcher, FetchError
from facetry.ingest.web.journal import JOURNAL_NAME
from tests.services.shop_server import Reply, ShopServer, redirect

LIMIT = 1000
PICTURE = b"\xff\xd8 a picture \xff\xd9"
QUICK: dict[str, object] = {
    "allowed_networks": ["127.0.0.1/32"],
    "min_seconds_between_requests": 0,
    "first_wait_seconds": 0.01,
    "longest_wait_seconds": 0.05,
}
FETCH_ALL = """
import json, sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from facetry.config import FetchParams
from facetry.ingest.web.fetcher import Fetcher
urls, params, journal = json.loads(sys.argv[1])
with Fetcher(params=FetchParams(**params), journal=Path(journal)) as fetcher, ThreadPoolExecutor(8) as pool:
    print(sum(len(body) for body in pool.map(lambda url: fetcher.fetch(url, max_bytes=1000), urls)))
"""


@pytest.fixture
def shop() -> Iterator[ShopServer]:
    with ShopServer() as shop:
        yield shop


def quick_fetcher(folder: Path, **params: object) -> Fetcher:
    return Fetcher(params=FetchParams.model_validate({**QUICK, **params}), journal=folder / "journal")


def refusal(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(FetchError) as failure:
        fetcher.fetch(url, max_bytes=LIMIT)
    return str(failure.value)


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with quick_fetcher(tmp_path) as fetcher:
        yield fetcher


class TestTries:
    def test_what_fails_four_times_is_had_at_the_fifth_try(self, shop: ShopServer, fetcher: Fetcher) -> None:
        cut = Reply(body=PICTURE, declared_length=len(PICTURE) + 1)
        failures = [Reply(status=500), Reply(status=429), cut, Reply(status=408)]
        url = shop.serve("/a.jpg", *failures, Reply(body=PICTURE))
        assert fetcher.fetch(url, max_bytes=LIMIT) == PICTURE
        assert shop.counts["/a.jpg"] == 5

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_what_always_fails_is_given_up_after_the_tries(
        self, shop: ShopServer, fetcher: Fetcher, status: int
    ) -> None:
        url = shop.serve("/a.jpg", Reply(status=status))
        assert refusal(fetcher, url) == f"answered {status} (in 5 tries)"
        assert shop.counts["/a.jpg"] == 5

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
    def test_what_cannot_change_is_asked_once(self, shop: ShopServer, fetcher: Fetcher, status: int) -> None:
        assert refusal(fetcher, shop.serve("/a.jpg", Reply(status=status))) == f"answered {status}"
        assert shop.counts["/a.jpg"] == 1

    def test_a_host_that_asks_to_be_left_alone_is_while_others_are_not(self, tmp_path: Path) -> None:
        asked: list[str] = []
        networks = ["127.0.0.1/32", "127.0.0.3/32"]
        with (
            ShopServer(asked=asked) as busy,
            ShopServer(host="127.0.0.3", asked=asked) as other,
            quick_fetcher(tmp_path, allowed_networks=networks, longest_wait_seconds=1) as fetcher,
        ):
            url = busy.serve("/busy", Reply(status=429, headers={"Retry-After": "600"}), Reply(body=PICTURE))
            waiting = _in_background(fetcher, url, until=lambda: "/busy" in asked)
            for number in range(20):
                fetcher.fetch(other.serve(f"/{number}", Reply()), max_bytes=LIMIT)
            assert waiting.result() == PICTURE
        assert [path for path in asked if path != "/robots.txt"] == ["/busy", *(f"/{n}" for n in range(20)), "/busy"]

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(headers={"Content-Length": "9" * 5000}),
            Reply(status=503, headers={"Retry-After": "9" * 5000}),
            Reply(status=503, headers={"Retry-After": "Mon, 99 Jan 99999 00:00:00 GMT"}),
            Reply(body=b"-5\r\nabcde\r\n0\r\n\r\n", headers={"Transfer-Encoding": "chunked"}),
            Reply(status=302, headers={"Location": "/a", "Content-Length": "x" * 5000}),
        ],
        ids=["length", "retry after number", "retry after date", "chunk size", "length of a redirect"],
    )
    def test_nonsense_in_a_header_fails_its_address_alone(
        self, shop: ShopServer, fetcher: Fetcher, reply: Reply
    ) -> None:
        assert "\n" not in refusal(fetcher, shop.serve("/nonsense", reply))
        assert fetcher.fetch(shop.serve("/sound", Reply(body=PICTURE)), max_bytes=LIMIT) == PICTURE

    def test_nothing_listening_is_said(self, fetcher: Fetcher) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert "cannot be reached: Connection refused (in 5 tries)" in refusal(fetcher, f"http://127.0.0.1:{port}/a")

    def test_an_unknown_host_is_said(self, fetcher: Fetcher) -> None:
        assert "no address is known for shop.invalid" in refusal(fetcher, "http://shop.invalid/a.jpg")


class TestLimits:
    @pytest.mark.parametrize(
        "reply",
        [Reply(stalls=True), Reply(body=b"x" * 900, drips="body"), Reply(body=b"x" * 900, drips="head")],
        ids=["stalls", "drips its body", "drips its head"],
    )
    def test_a_fetch_ends_in_time_whatever_the_server_does(
        self, shop: ShopServer, tmp_path: Path, reply: Reply
    ) -> None:
        with quick_fetcher(tmp_path, timeout_seconds=0.3, num_tries=2) as fetcher:
            assert refusal(fetcher, shop.serve("/slow", reply)) == "took longer than 0.3 s (in 2 tries)"
        assert shop.counts["/slow"] == 2

    def test_redirects_share_the_time(self, shop: ShopServer, tmp_path: Path) -> None:
        for hop in range(5):
            headers = {"Location": f"/{hop + 1}"}
            shop.serve(f"/{hop}", Reply(status=302, headers=headers, drips="head", seconds_between_drips=0.01))
        shop.serve("/5", Reply(body=PICTURE))
        with quick_fetcher(tmp_path, timeout_seconds=1.5, num_tries=1) as fetcher:
            assert "took longer than 1.5 s" in refusal(fetcher, shop.url("/0"))

    def test_a_declared_size_over_the_limit_is_refused_unread(self, shop: ShopServer, fetcher: Fetcher) -> None:
        url = shop.serve("/big", Reply(declared_length=31 * 2**20, stalls=False))
        assert refusal(fetcher, url).startswith("has 31.0 MB, more than the ")
        assert shop.counts["/big"] == 1

    def test_a_body_over_the_limit_is_refused_whatever_its_header_says(
        self, shop: ShopServer, fetcher: Fetcher
    ) -> None:
        chunks = b"".join(b"64\r\n" + b"x" * 100 + b"\r\n" for _ in range(50))  # and no last one
        headers = {"Transfer-Encoding": "chunked"}
        assert "more than the" in refusal(fetcher, shop.serve("/chunks", Reply(body=chunks, headers=headers)))
        small = b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n"
        assert fetcher.fetch(shop.serve("/chunk", Reply(body=small, headers=headers)), max_bytes=LIMIT) == b"x" * 100

    def test_a_body_longer_than_declared_does_not_spoil_the_next_answer(
        self, shop: ShopServer, fetcher: Fetcher
    ) -> None:
        first = shop.serve("/long", Reply(body=PICTURE + b"HTTP/1.1 200 OK\r\n\r\n", declared_length=len(PICTURE)))
        second = shop.serve("/next", Reply(body=b"next"))
        assert fetcher.fetch(first, max_bytes=LIMIT) == PICTURE
        assert fetcher.fetch(second, max_bytes=LIMIT) == b"next"

    def test_a_body_shorter_than_declared_is_no_picture(self, shop: ShopServer, fetcher: Fetcher) -> None:
        url = shop.serve("/short", Reply(body=PICTURE, declared_length=900))
        assert refusal(fetcher, url).startswith("broke off")
        assert shop.counts["/short"] == 5

    def test_a_gzip_bomb_is_refused_and_plain_gzip_is_opened(self, shop: ShopServer, fetcher: Fetcher) -> None:
        headers = {"Content-Encoding": "gzip"}
        bomb = gzip.compress(bytes(900_000))
        assert len(bomb) < LIMIT
        assert "more than the" in refusal(fetcher, shop.serve("/bomb", Reply(body=bomb, headers=headers)))
        url = shop.serve("/gzip", Reply(body=gzip.compress(PICTURE), headers=headers))
        assert fetcher.fetch(url, max_bytes=LIMIT) == PICTURE
        cut = shop.serve("/cut", Reply(body=gzip.compress(PICTURE)[:-9], headers=headers))
        assert refusal(fetcher, cut).startswith("is damaged gzip")

    def test_other_compression_is_refused(self, shop: ShopServer, fetcher: Fetcher) -> None:
        url = shop.serve("/br", Reply(body=b"?", headers={"Content-Encoding": "br"}))
        assert refusal(fetcher, url) == "came compressed as 'br', though plain bytes were asked for"


class TestRedirects:
    def test_a_redirect_is_followed(self, shop: ShopServer, fetcher: Fetcher) -> None:
        shop.serve("/here/new.jpg", Reply(body=PICTURE))
        url = shop.serve("/old.jpg", redirect("here/new.jpg#part", status=308))
        document = fetcher.fetch_document(url, max_bytes=LIMIT)
        assert (document.body, document.url) == (PICTURE, shop.url("/here/new.jpg"))

    def test_a_redirect_inward_is_refused_before_anything_is_sent(self, shop: ShopServer, fetcher: Fetcher) -> None:
        with ShopServer(host="127.0.0.2") as inside:
            secret = inside.serve("/secret", Reply(body=b"secret"))
            said = refusal(fetcher, shop.serve("/a.jpg", redirect(secret)))
            assert said.startswith(f"redirects to {secret}, which is at 127.0.0.2, which is not on the public internet")
            assert inside.asked == []

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://u:p@127.0.0.1/", "http://["])
    def test_a_redirect_out_of_the_web_is_refused(self, shop: ShopServer, fetcher: Fetcher, target: str) -> None:
        said = refusal(fetcher, shop.serve("/a.jpg", redirect(target)))
        assert said.startswith(f"redirects to {target}, which ")
        assert shop.counts == {"/a.jpg": 1}

    def test_a_loop_ends(self, shop: ShopServer, fetcher: Fetcher) -> None:
        url = shop.serve("/a", redirect("/b"))
        shop.serve("/b", redirect("/a"))
        assert refusal(fetcher, url) == "redirects more than 5 times"
        assert shop.counts == {"/a": 3, "/b": 3}

    def test_robots_txt_of_the_new_host_is_kept_too(self, shop: ShopServer, tmp_path: Path) -> None:
        with (
            ShopServer(host="127.0.0.3") as other,
            quick_fetcher(tmp_path, allowed_networks=["127.0.0.0/8"]) as fetcher,
        ):
            other.serve("/robots.txt", Reply(body=b"User-agent: *\nDisallow: /"))
            said = refusal(fetcher, shop.serve("/a.jpg", redirect(other.serve("/b.jpg", Reply(body=PICTURE)))))
            assert said.endswith("which is closed to robots by the robots.txt of 127.0.0.3")
            assert other.asked == ["/robots.txt"]


class TestAddresses:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"]
    )
    def test_this_machine_is_refused_in_every_spelling(self, shop: ShopServer, tmp_path: Path, host: str) -> None:
        with quick_fetcher(tmp_path, allowed_networks=[]) as fetcher:
            said = refusal(fetcher, f"http://{host}:{shop.port}/a.jpg")
        assert "which is not on the public internet" in said
        assert "allowed_networks" in said
        assert shop.asked == []

    def test_a_proxy_of_the_environment_is_not_used(
        self, shop: ShopServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", shop.address)
        monkeypatch.setenv("http_proxy", shop.address)
        with quick_fetcher(tmp_path) as fetcher:
            assert "127.0.0.2, which is not on the public internet" in refusal(fetcher, "http://127.0.0.2/a.jpg")
        assert shop.asked == []

    def test_the_connection_goes_to_the_address_that_was_checked(
        self, shop: ShopServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name server is the outside world: here it names another address each time it is asked."""
        answers = iter(["127.0.0.1"])

        def resolve(host: str, port: int, **_: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers, "127.0.0.2"), port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        shop.serve("/a.jpg", Reply(body=PICTURE))
        assert fetcher.fetch(f"http://shop.example:{shop.port}/a.jpg", max_bytes=LIMIT) == PICTURE

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("ftp://127.0.0.1/a.jpg", "is not an http or https address"),
            ("a.jpg", "is not an http or https address"),
            ("http://", "is not an http or https address"),
            ("http://shop.example:99999/", "is not a web address"),
            ("http://me:secret@127.0.0.1/", "holds a user name or password, which are never sent"),
        ],
    )
    def test_what_is_no_web_address_is_refused(self, fetcher: Fetcher, url: str, reason: str) -> None:
        assert refusal(fetcher, url) == reason


class TestEncryption:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> str:
        """A certificate for shop.example, and its key."""
        key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
        subject = ["-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert)]
        subprocess.run([*command, *subject, "-days", "2"], check=True, capture_output=True)
        both = tmp_path / "both.pem"
        both.write_text(cert.read_text() + key.read_text())
        return str(both)

    def test_the_certificate_is_checked_against_the_name_not_the_address(
        self, certificate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        with ShopServer(certificate=certificate) as shop, quick_fetcher(tmp_path) as fetcher:
            shop.serve("/a.jpg", Reply(body=PICTURE))
            by_address = refusal(fetcher, shop.url("/a.jpg"))
            found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", shop.port))
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found])
            assert fetcher.fetch(f"https://shop.example:{shop.port}/a.jpg", max_bytes=LIMIT) == PICTURE
        assert "cannot be trusted" in by_address

    def test_an_unknown_certificate_is_refused(self, certificate: str, tmp_path: Path) -> None:
        with ShopServer(certificate=certificate) as shop, quick_fetcher(tmp_path) as fetcher:
            assert "cannot be trusted" in refusal(fetcher, shop.url("/a.jpg"))
            assert shop.asked == []


class TestPoliteness:
    def test_a_host_is_asked_no_more_than_so_many_at_once(self, shop: ShopServer, tmp_path: Path) -> None:
        urls = [shop.serve(f"/{number}", Reply(body=PICTURE)) for number in range(40)]
        with quick_fetcher(tmp_path, num_parallel_per_host=3) as fetcher, ThreadPoolExecutor(12) as pool:
            fetcher.fetch(urls[0], max_bytes=LIMIT)
            shop.hold_after(0)
            fetched = [pool.submit(fetcher.fetch, url, max_bytes=LIMIT) for url in urls]
            assert shop.wait_until_held(3)
            shop.release()
            assert {future.result() for future in fetched} == {PICTURE}
        assert shop.max_at_once == 3

    @pytest.mark.parametrize("how", ["min_seconds_between_requests", "crawl delay"])
    def test_requests_to_one_host_are_spaced_and_others_go_on(self, tmp_path: Path, how: str) -> None:
        asked: list[str] = []
        params: dict[str, object] = {"allowed_networks": ["127.0.0.0/8"], "longest_wait_seconds": 1}
        if how == "min_seconds_between_requests":
            params[how] = 0.5
        with (
            ShopServer(asked=asked) as spaced,
            ShopServer(host="127.0.0.3", asked=asked) as other,
            quick_fetcher(tmp_path / "spaced", **params) as fetcher,
            quick_fetcher(tmp_path / "other", allowed_networks=["127.0.0.0/8"]) as other_fetcher,
        ):
            if how == "crawl delay":
                spaced.serve("/robots.txt", Reply(body=b"User-agent: *\nCrawl-delay: 600"))
            fetcher.fetch(spaced.serve("/first", Reply(body=b"1")), max_bytes=LIMIT)
            waiting = _in_background(fetcher, spaced.serve("/second", Reply(body=b"2")), until=lambda: True)
            for number in range(10):
                other_fetcher.fetch(other.serve(f"/{number}", Reply()), max_bytes=LIMIT)
            assert waiting.result() == b"2"
        assert [path for path in asked if path != "/robots.txt"] == ["/first", *(f"/{n}" for n in range(10)), "/second"]

    def test_robots_txt_is_kept_and_read_once(self, shop: ShopServer, tmp_path: Path) -> None:
        shop.serve("/robots.txt", Reply(body=b"User-agent: *\nDisallow: /private\nDisallow: /*.gif$\n"))
        names = ["/a.jpg", "/private/b.jpg", "/c.gif", "/d.gif?size=1"]
        urls = [shop.serve(name, Reply(body=PICTURE)) for name in names]
        with (
            quick_fetcher(tmp_path, user_agent="facetry/1 (shop@example.com)") as fetcher,
            ThreadPoolExecutor() as pool,
        ):
            fetched = [pool.submit(fetcher.fetch, url, max_bytes=LIMIT) for url in urls]
            said = [str(future.exception() or "fetched") for future in fetched]
        closed = "is closed to robots by the robots.txt of 127.0.0.1"
        assert said == ["fetched", closed, closed, "fetched"]
        assert sorted(shop.asked) == ["/a.jpg", "/d.gif?size=1", "/robots.txt"]
        assert shop.user_agents == {"facetry/1 (shop@example.com)"}

    def test_no_robots_txt_allows_all_and_a_broken_one_nothing(self, tmp_path: Path) -> None:
        with ShopServer() as shop, quick_fetcher(tmp_path) as fetcher:
            assert fetcher.fetch(shop.serve("/a.jpg", Reply(body=PICTURE)), max_bytes=LIMIT) == PICTURE
        with ShopServer() as shop, quick_fetcher(tmp_path) as fetcher:
            shop.serve("/robots.txt", Reply(status=503))
            url = shop.serve("/a.jpg", Reply(body=PICTURE))
            assert refusal(fetcher, url) == "is not fetched, for its robots.txt answered 503 (in 5 tries)"
            assert shop.counts == {}


class TestJournal:
    def test_one_address_in_many_listings_is_asked_once(self, shop: ShopServer, fetcher: Fetcher) -> None:
        url = shop.serve("/a.jpg", Reply(body=PICTURE))
        with ThreadPoolExecutor(16) as pool:
            shop.hold_after(1)
            fetched = [pool.submit(fetcher.fetch, url + "#" * (n % 2), max_bytes=LIMIT) for n in range(64)]
            assert shop.wait_until_held(1)
            shop.release()
            assert {future.result() for future in fetched} == {PICTURE}
        assert shop.counts == {"/a.jpg": 1}

    def test_a_later_run_asks_for_nothing_again(self, shop: ShopServer, tmp_path: Path) -> None:
        urls = [shop.serve(f"/{n}", Reply(status=503), Reply(body=b"%d" % n)) for n in range(300)]
        gone = shop.url("/gone")
        for _ in range(2):
            with quick_fetcher(tmp_path) as fetcher, ThreadPoolExecutor(16) as pool:
                bodies = pool.map(lambda url: fetcher.fetch(url, max_bytes=LIMIT), urls)
                assert [int(body) for body in bodies] == list(range(300))
                assert refusal(fetcher, gone) == "answered 404"
        assert shop.counts == {**{f"/{n}": 2 for n in range(300)}, "/gone": 1}

    def test_a_refusal_is_asked_again_under_other_params(self, shop: ShopServer, tmp_path: Path) -> None:
        url = shop.serve("/a.jpg", Reply(status=403), Reply(body=PICTURE))
        with quick_fetcher(tmp_path) as fetcher:
            assert refusal(fetcher, url) == refusal(fetcher, url)
        with quick_fetcher(tmp_path, user_agent="somebody") as fetcher:
            assert fetcher.fetch(url, max_bytes=LIMIT) == PICTURE

    def test_what_may_pass_is_asked_again_by_a_later_run_only(self, shop: ShopServer, tmp_path: Path) -> None:
        url = shop.serve("/a.jpg", *[Reply(status=503)] * 5, Reply(body=PICTURE))
        with quick_fetcher(tmp_path) as fetcher:
            assert refusal(fetcher, url) == refusal(fetcher, url)
            assert shop.counts["/a.jpg"] == 5
        with quick_fetcher(tmp_path) as fetcher:
            assert fetcher.fetch(url, max_bytes=LIMIT) == PICTURE

    def test_a_kept_body_obeys_a_smaller_limit_later(self, shop: ShopServer, fetcher: Fetcher) -> None:
        url = shop.serve("/a.jpg", Reply(body=PICTURE))
        assert fetcher.fetch(url, max_bytes=LIMIT) == PICTURE
        with pytest.raises(FetchError, match="more than"):
            fetcher.fetch(url, max_bytes=3)

    def test_a_killed_run_goes_on_without_fetching_twice(self, shop: ShopServer, tmp_path: Path) -> None:
        urls = [shop.serve(f"/{n}", Reply(body=PICTURE)) for n in range(300)]
        params = {**QUICK, "num_parallel_per_host": 8}
        command = [sys.executable, "-c", FETCH_ALL, json.dumps([urls, params, str(tmp_path)])]
        shop.hold_after(100)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
            assert shop.wait_until_held(8)
            killed.kill()
        asked_before = list(shop.counts)
        shop.release()
        finished = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(finished.stdout) == 300 * len(PICTURE)
        assert len(shop.counts) == 300
        twice = {path for path, count in shop.counts.items() if count > 1}
        assert twice == set(asked_before[-8:])
        assert max(shop.counts.values()) == 2

    def test_a_damaged_journal_is_one_clear_line(self, shop: ShopServer, tmp_path: Path) -> None:
        (tmp_path / "journal").mkdir()
        (tmp_path / "journal" / JOURNAL_NAME).write_bytes(b"not a database, but long enough to be taken for one" * 99)
        with quick_fetcher(tmp_path) as fetcher, pytest.raises(SourceError) as failure:
            fetcher.fetch(shop.serve("/a.jpg", Reply(body=PICTURE)), max_bytes=LIMIT)
        assert str(failure.value).count("\n") == 0
        assert "remove it to fetch everything anew" in str(failure.value)

    def test_a_run_that_fetches_nothing_makes_no_journal(self, tmp_path: Path) -> None:
        with quick_fetcher(tmp_path):
            pass
        assert list(tmp_path.iterdir()) == []


def _in_background(fetcher: Fetcher, url: str, *, until: Callable[[], bool]) -> "Future[bytes]":
    """Fetch `url` in a thread of its own; return when `until` holds."""
    future: Future[bytes] = Future()

    def fetch() -> None:
        future.set_result(fetcher.fetch(url, max_bytes=LIMIT))

    threading.Thread(target=fetch, daemon=True).start()
    deadline = time.monotonic() + 30
    while not until() and time.monotonic() < deadline:
        time.sleep(0.01)
    return future

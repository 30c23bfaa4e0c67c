"""Pictures and pages of a real server: what is lost is written down, and a killed run goes on where it was."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from facetry.catalogue import Catalogue
from facetry.config import FetchParams, IngestParams
from facetry.errors import CatalogueError, SourceError
from facetry.ingest import ingest, merge
from facetry.parts import Part
from tests.services.shop_server import Reply, ShopServer
from tests.unit.ingest.shop_folder import content, ids, take, write_shop

QUICK: dict[str, object] = {
    "allowed_networks": ["127.0.0.1/32"],
    "min_seconds_between_requests": 0,
    "first_wait_seconds": 0,
    "longest_wait_seconds": 0,
    "num_tries": 2,
}
NUM_AT_ONCE = 4


@pytest.fixture
def server() -> Iterator[ShopServer]:
    with ShopServer() as server:
        yield server


def quick_params(**params: object) -> IngestParams:
    return IngestParams(fetch=FetchParams.model_validate({**QUICK, **params}))


def picture_urls(server: ShopServer, num_pictures: int) -> list[str]:
    return [server.serve(f"/{n}.jpg", Reply(body=f"picture {n} ".encode() * 500)) for n in range(num_pictures)]


def write_web_source(folder: Path, *, server: ShopServer, num_pages: int) -> Path:
    """A description of pages of which every seventh is missing and every fifth shows no title."""
    write_shop(folder, [])
    urls = []
    for number in range(num_pages):
        title = "" if number % 5 == 0 else f"<h1>Pan {number % 9}</h1>"
        page = f'<html><body>{title}<img src="/{number % 6}.jpg"><img src="/none.jpg"></body></html>'
        found = Reply(body=page.encode(), headers={"Content-Type": "text/html"})
        urls.append(server.serve(f"/product/{number}.html", Reply(status=404) if number % 7 == 0 else found))
    (folder / "urls.txt").write_text("\n".join(urls))
    fields = {
        "id": {"from": "url", "regex": r"(\d)\.html"},
        "title": {"xpath": "string(//h1)"},
        "images": {"xpath": "//img/@src"},
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump({"pages": {"list": "urls.txt"}, "fields": fields}))
    return folder / "shop.yaml"


def test_pictures_that_cannot_be_had_are_lines_of_their_own_in_the_tables_order(
    tmp_path: Path, server: ShopServer
) -> None:
    one, two = picture_urls(server, 2)
    flaky = server.serve("/flaky.jpg", Reply(status=503), Reply(body=b"at last"))
    missing, short = server.url("/none.jpg"), server.serve("/short.jpg", Reply(body=b"x", declared_length=9))
    rows = [f"1,Pan,{one};{missing};{two},,,", f"2,Pot,{flaky},,,", f"3,,{short},,,", f"4,Lid,{one},,,"]
    summary, catalogue, failures = take(write_shop(tmp_path / "shop", rows), params=quick_params())

    assert [[image.path for image in listing.images] for listing in catalogue.listings()] == [
        [one, two],
        [flaky],
        [one],
    ]
    assert [(failure["id"], failure["line"], failure["image"]) for failure in failures] == [
        ("1", 2, missing),
        ("3", 4, None),
    ]
    assert str(failures[1]["reason"]).startswith(f"neither text nor image; {short} ")
    assert server.counts["/0.jpg"] == 1
    assert summary.one_line() == (
        "kept 3 of 4 listings (1 failed), with 4 images (1 could not be taken): see failures.jsonl"
    )


def test_pages_become_listings_and_those_that_cannot_are_named(tmp_path: Path, server: ShopServer) -> None:
    picture_urls(server, 6)
    source = write_web_source(tmp_path / "shop", server=server, num_pages=10)
    summary = ingest(str(source), params=quick_params(), out=tmp_path / "out")
    catalogue = Catalogue.open(tmp_path / "out")

    assert ids(catalogue) == ["1", "2", "3", "4", "5", "6", "8", "9"]
    assert next(catalogue.listings()).images[0].path == server.url("/1.jpg")
    assert (summary.num_rows, summary.num_failed, summary.num_images, summary.num_images_failed) == (10, 2, 8, 8)
    failures = (tmp_path / "out/failures.jsonl").read_text()
    assert server.url("/product/0.html") in failures
    assert server.url("/product/7.html") in failures


def test_parts_of_a_web_source_ask_for_their_own_pages_and_make_the_whole(tmp_path: Path, server: ShopServer) -> None:
    picture_urls(server, 6)
    source = str(write_web_source(tmp_path / "shop", server=server, num_pages=30))
    whole = ingest(source, params=quick_params(), out=tmp_path / "whole")
    server.asked.clear()
    parts = []
    for index in range(3):
        ingest(source, params=quick_params(), out=tmp_path / f"{index}", part=Part(index, 3))
        parts.append(Catalogue.open(tmp_path / f"{index}", allow_empty=True))

    assert max(server.counts[f"/product/{number}.html"] for number in range(30)) == 1
    assert merge(parts, out=tmp_path / "merged") == whole
    assert content(tmp_path / "merged") == content(tmp_path / "whole")
    assert "an earlier listing has this id" in (tmp_path / "merged/failures.jsonl").read_text()


def test_parts_of_a_list_of_pages_that_changed_in_between_are_refused(tmp_path: Path, server: ShopServer) -> None:
    source = write_web_source(tmp_path / "shop", server=server, num_pages=6)
    parts = []
    for index in range(2):
        ingest(str(source), params=quick_params(), out=tmp_path / f"{index}", part=Part(index, 2))
        parts.append(Catalogue.open(tmp_path / f"{index}", allow_empty=True))
        pages = (source.parent / "urls.txt").read_text().splitlines()
        (source.parent / "urls.txt").write_text("\n".join(pages[1:]))
    with pytest.raises(CatalogueError, match="the source changed between parts: ingest them again"):
        merge(parts, out=tmp_path / "merged")


def test_nonsense_in_headers_is_a_line_of_its_own(tmp_path: Path, server: ShopServer) -> None:
    long = server.serve("/long.jpg", Reply(headers={"Content-Length": "9" * 5000}))
    chunk = Reply(body=b"-5\r\nabcde\r\n0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
    rows = [f"1,Pan,{long},,,", f"2,Pot,{server.serve('/chunk.jpg', chunk)},,,", "3,Lid,images/a.jpg,,,"]
    _, catalogue, failures = take(write_shop(tmp_path / "shop", rows), params=quick_params())
    assert ids(catalogue) == ["1", "2", "3"]
    assert [failure["line"] for failure in failures] == [2, 3]
    assert str(failures[0]["reason"]).startswith("answered nonsense: ")


def test_a_shop_whose_pages_are_all_gone_is_one_line_and_is_not_asked_twice(tmp_path: Path, server: ShopServer) -> None:
    source = write_web_source(tmp_path / "shop", server=server, num_pages=1)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"no listing of .*shop\.yaml could be taken: .*/product/0\.html"):
            ingest(str(source), params=quick_params(), out=tmp_path / "out")
        assert server.counts["/product/0.html"] == 1


@pytest.mark.parametrize("kind", ["table", "web source"])
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_catalogue(
    tmp_path: Path, server: ShopServer, kind: str
) -> None:
    urls = picture_urls(server, 150)
    rows = (f"{n},Pan {n},{url};{server.url(f'/none-{n % 7}.jpg')},,," for n, url in enumerate(urls))
    source = write_shop(tmp_path / "shop", [*rows])
    if kind == "web source":
        source = write_web_source(tmp_path / "web", server=server, num_pages=150)
    ingest(str(source), params=quick_params(num_parallel_per_host=NUM_AT_ONCE), out=tmp_path / "undisturbed")
    server.asked.clear()

    out, moments = tmp_path / "out", random.Random(7)
    for _ in range(3):
        kill_after(moments.randrange(40), server=server, source=source, out=out)
    assert not out.exists()
    assert run_command(source, out=out).wait() == 0
    assert content(out) == content(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []
    assert set(server.counts.values()) <= {1, 2, 3, 4}
    assert sum(count - 1 for count in server.counts.values()) <= 3 * NUM_AT_ONCE


def run_command(source: Path, *, out: Path) -> subprocess.Popen[bytes]:
    settings = {**QUICK, "num_parallel_per_host": NUM_AT_ONCE}
    options = [f"--set=ingest.fetch.{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "facetry", "ingest", str(source), "--out", str(out), *options]
    return subprocess.Popen(command, cwd=source.parent, stdout=subprocess.DEVNULL)


def kill_after(num_requests: int, *, server: ShopServer, source: Path, out: Path) -> None:
    """Start a run, and kill it while it waits for further answers."""
    server.hold_after(num_requests)
    run = run_command(source, out=out)
    assert server.wait_until_held(1)
    run.kill()
    run.wait()
    server.release()


def test_a_run_that_is_killed_at_any_moment_ends_in_the_same_catalogue(tmp_path: Path, server: ShopServer) -> None:
    urls = picture_urls(server, 300)
    source = write_shop(tmp_path / "shop", [f"{n},Pan {n},{url},,," for n, url in enumerate(urls)])
    params = quick_params(num_parallel_per_host=NUM_AT_ONCE)
    ingest(str(source), params=params, out=tmp_path / "undisturbed")
    out, moments = tmp_path / "out", random.Random(7)
    tried = [round(moments.uniform(0.2, 2.5), 3) for _ in range(3)]
    killed_after = [seconds for seconds in tried if ends_killed(source, out=out, seconds=seconds)]
    assert killed_after, f"every run was over before it could be killed, after {tried} s"
    assert run_command(source, out=out).wait() == 0
    assert content(out) == content(tmp_path / "undisturbed"), f"after runs that were killed after {killed_after} s"


def ends_killed(source: Path, *, out: Path, seconds: float) -> bool:
    """Whether a run lives for so long, and is then killed; it ends well if not."""
    run = run_command(source, out=out)
    try:
        run.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.kill()
    assert run.wait() in (0, -signal.SIGKILL), f"a run that was to be killed after {seconds} s failed by itself"
    return run.returncode == -signal.SIGKILL

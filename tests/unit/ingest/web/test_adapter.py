"""A shop's pages become rows by a YAML file that says where what is."""

import gzip
import json
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import yaml

from facetry.config import FetchParams
from facetry.errors import SourceError
from facetry.ingest.tables import Row
from facetry.ingest.web.adapter import WebSource, is_web_source, open_web_source
from facetry.ingest.web.fetcher import Fetcher
from tests.services.shop_server import Reply, ShopServer, redirect

PAGE = """\
<!DOCTYPE html>
<html><head><title>Shop</title>
<script type="application/ld+json">not JSON</script>
<script type="application/ld+json">
{"@graph": [{"@type": "WebSite", "name": "Shop"},
 {"@type": ["Thing", "Product"], "name": "Serum", "brand": {"@type": "Brand", "name": "Nørd & Ünder"}, "gtin": 4012345,
  "image": [{"@type": "ImageObject", "url": "/front.jpg"}, "https://cdn.example/back.jpg"]}]}
</script></head>
<body><h1> Night
  serum <em>30 ml</em></h1>
<div id="view-item-container"><div><div><script>
  const images = ["/images/1.jpg", "https://cdn.example/2.jpg", "/images/1.jpg"];
  const other = ["no.jpg"];
</script></div></div></div>
<ul><li>vegan</li><li> </li><li>50 % off</li></ul></body></html>
"""
SCRIPT_IMAGES = {
    "xpath": '//*[@id="view-item-container"]//script/text()',
    "regex": r"const\s+images\s*=\s*(\[[^\]]*\])",
}
TITLE = {"title": {"xpath": "string(//h1)"}}


@pytest.fixture
def shop() -> Iterator[ShopServer]:
    with ShopServer() as shop:
        yield shop


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with Fetcher(params=fetch_params(), journal=tmp_path / "journal") as fetcher:
        yield fetcher


def fetch_params(**params: object) -> FetchParams:
    quick = {"allowed_networks": ["127.0.0.1/32"], "min_seconds_between_requests": 0, "num_tries": 1}
    return FetchParams.model_validate({**quick, **params})


def html_reply(page: str, *, charset: str = "utf-8", header: str = "; charset=utf-8") -> Reply:
    return Reply(body=page.encode(charset), headers={"Content-Type": f"text/html{header}"})


def web_source(folder: Path, *, fetcher: Fetcher, pages: object, fields: object) -> WebSource:
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump({"pages": pages, "fields": fields}))
    return open_web_source(path, fetcher=fetcher)


def all_rows(source: WebSource) -> Generator[Row, None, None]:
    return source.rows(source.columns, start=0, end=source.num_rows())


def read_one(reply: Reply, fields: object, *, shop: ShopServer, fetcher: Fetcher, folder: Path) -> Row:
    """The row that one page becomes."""
    (folder / "urls.txt").write_text(shop.serve("/product/17.html", reply))
    (row,) = all_rows(web_source(folder, fetcher=fetcher, pages={"list": "urls.txt"}, fields=fields))
    return row


class TestFields:
    def test_a_page_is_read_by_url_xpath_json_ld_regex_and_constant(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        fields = {
            "id": {"from": "url", "regex": r"/(\d+)\.html"},
            **TITLE,
            "brand": {"json_ld": "brand.name"},
            "description": {"xpath": "//li"},
            "images": SCRIPT_IMAGES,
            "category": {"constant": "Beauty > Skincare"},
        }
        row = read_one(html_reply(PAGE), fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row == Row(
            1,
            {
                "id": "17",
                "title": "Night serum 30 ml",
                "brand": "Nørd & Ünder",
                "description": "vegan",
                "images": [shop.url("/images/1.jpg"), "https://cdn.example/2.jpg"],
                "category": "Beauty > Skincare",
            },
        )

    def test_images_of_json_ld_are_texts_or_objects(self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path) -> None:
        fields = {"images": {"json_ld": "image"}, "title": {"json_ld": "gtin"}}
        row = read_one(html_reply(PAGE), fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.cells["images"] == [shop.url("/front.jpg"), "https://cdn.example/back.jpg"]
        assert row.cells["title"] == "4012345"

    def test_every_match_of_a_regex_is_an_image(self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path) -> None:
        page = "<script>var a = ['/1.jpg', '/2.jpg'], b = '/3.png'</script>"
        fields = {"images": {"xpath": "//script/text()", "regex": "'([^']+[.]jpg)'"}}
        row = read_one(html_reply(page), fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.cells["images"] == [shop.url("/1.jpg"), shop.url("/2.jpg")]

    def test_the_first_group_that_took_part_is_the_image(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        page = '<script>src="/1.jpg" data-lazy="/2.jpg" src=""</script>'
        fields = {**TITLE, "images": {"xpath": "//script/text()", "regex": 'src="(.*?)"|data-lazy="(.*?)"'}}
        row = read_one(html_reply(page), fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.cells["images"] == [shop.url("/1.jpg"), shop.url("/2.jpg")]

    @pytest.mark.parametrize(
        ("listed", "paths"),
        [
            ("['/1.jpg', '/it\"s.jpg',]", ["/1.jpg", '/it"s.jpg']),
            ("""['/1.jpg', "/it's.jpg"]""", ["/1.jpg", "/it's.jpg"]),
            ('["\\u002f1.jpg"]', ["/1.jpg"]),
            ("[]", []),
        ],
    )
    def test_simple_lists_of_scripts_are_read(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path, listed: str, paths: list[str]
    ) -> None:
        fields = {**TITLE, "images": {"xpath": "//script/text()"}}
        page = html_reply(f"<h1>x</h1><script>{listed}</script>")
        row = read_one(page, fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.cells["images"] == [shop.url(path) for path in paths]

    def test_images_are_relative_to_where_the_page_was_found(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        shop.serve("/de/page", html_reply("<h1>x</h1><img src='1.jpg'>"))
        fields = {"images": {"xpath": "//img/@src"}}
        row = read_one(redirect("/de/page"), fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.cells == {"images": [shop.url("/de/1.jpg")], "id": shop.url("/product/17.html")}
        page = html_reply("<head><base href='https://cdn.example/a/'></head><img src='1.jpg'>")
        (tmp_path / "more.txt").write_text(shop.serve("/based", page))
        (row,) = all_rows(web_source(tmp_path, fetcher=fetcher, pages={"list": "more.txt"}, fields=fields))
        assert row.cells["images"] == ["https://cdn.example/a/1.jpg"]

    @pytest.mark.parametrize(
        ("charset", "header", "meta"),
        [
            ("utf-8", "; charset=utf-8", ""),
            ("utf-8", "; charset=no-such-charset", ""),
            ("utf-8", "", ""),
            ("utf-8", "", "<meta charset=utf-8>"),
            ("windows-1252", "; charset=windows-1252", "<meta charset=utf-8>"),
            ("windows-1252", "", "<meta charset=windows-1252>"),
            ("iso-8859-15", "", '<meta http-equiv="content-type" content="text/html; charset=iso-8859-15">'),
            ("shift_jis", "", "<meta charset=shift_jis>"),
        ],
    )
    def test_a_page_is_decoded_by_its_header_or_else_by_itself(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path, charset: str, header: str, meta: str
    ) -> None:
        title = "セラム" if charset == "shift_jis" else "Crème brûlée"
        reply = html_reply(f"<head>{meta}</head><h1>{title}</h1>", charset=charset, header=header)
        row = read_one(reply, TITLE, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.cells["title"] == title

    def test_bytes_that_do_not_fit_the_charset_cost_no_text_after_them(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        reply = Reply(body=b"<p>br\xfbl\xe9e</p><h1>Serum</h1>", headers={"Content-Type": "text/html; charset=utf-8"})
        assert read_one(reply, TITLE, shop=shop, fetcher=fetcher, folder=tmp_path).cells["title"] == "Serum"


class TestPagesThatFail:
    def test_each_fails_alone_and_names_its_address(self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path) -> None:
        object_list = "<h1>x</h1><script>images = [{}]</script>"
        python_list = "<h1>x</h1><script>images = ['a']</script>"
        replies = {
            "/gone": Reply(status=404),
            "/big": Reply(declared_length=11 * 2**20),
            "/objects": html_reply(object_list),
            "/python": html_reply(python_list),
            "/empty": Reply(),
            "/no-id": html_reply("<h1>x</h1>"),
            "/good-5": html_reply("<h1>x</h1>"),
        }
        urls = [*(shop.serve(path, reply) for path, reply in replies.items()), "ftp://shop.example/a", "no address"]
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        images = {"xpath": "//script/text()", "regex": r"images = (\[.*\])"}
        fields = {"id": {"from": "url", "regex": r"-(\d+)$|/(objects|python)$"}, **TITLE, "images": images}
        rows = list(all_rows(web_source(tmp_path, fetcher=fetcher, pages={"list": "urls.txt"}, fields=fields)))
        problems = [row.problem or "" for row in rows]
        assert [url in problem for url, problem in zip(urls, problems, strict=True)] == [
            *(path not in ("/objects", "/python", "/good-5") for path in replies),
            True,
            True,
        ]
        expected = ["answered 404", "has 11.0 MB", "", "", "not an HTML page", "no id", ""]
        assert all(said in problem for said, problem in zip(expected, problems, strict=False))
        assert rows[2].cells == {"id": "objects", "title": "x", "images": ["[{}]"]}
        assert rows[3].cells == {"id": "python", "title": "x", "images": [shop.url("/a")]}
        assert rows[6].cells == {"id": "5", "title": "x", "images": []}

    def test_a_regex_that_runs_away_is_stopped(self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path) -> None:
        fields = {"title": {"xpath": "string(//h1)", "regex": r"^(a|a)*$"}}
        row = read_one(html_reply(f"<h1>{'a' * 40}b</h1>"), fields, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert row.problem is not None
        assert "title: its regex takes longer than" in row.problem

    def test_no_entity_of_a_page_or_sitemap_is_followed(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.txt").write_text("secret")
        entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret.txt">]>'
        row = read_one(html_reply(f"{entity}<h1>a &e;</h1>"), TITLE, shop=shop, fetcher=fetcher, folder=tmp_path)
        assert "secret" not in str(row.cells["title"])
        sitemap = shop.serve(
            "/map.xml", Reply(body=f"{entity}<urlset><url><loc>http://a/&e;</loc></url></urlset>".encode())
        )
        rows = all_rows(web_source(tmp_path, fetcher=fetcher, pages={"sitemap": sitemap}, fields=TITLE))
        assert not any("secret" in f"{row.problem}{row.cells}" for row in rows)


class TestPages:
    def test_rows_come_in_the_order_of_the_pages_each_once(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        numbers = list(range(300))
        urls = [shop.serve(f"/{n}", html_reply(f"<h1>{n}</h1>") if n % 7 else redirect(f"/{n}/moved")) for n in numbers]
        for n in numbers[::7]:
            shop.serve(f"/{n}/moved", html_reply(f"<h1>{n}</h1>"))
        (tmp_path / "urls.txt").write_text("\ufeff" + "\r\n\r\n".join([*urls, *urls[::-1]]))
        source = web_source(tmp_path, fetcher=fetcher, pages={"list": "urls.txt"}, fields=TITLE)
        assert source.num_rows() == 300
        rows = list(all_rows(source))
        assert [(row.line, row.cells["id"], row.cells["title"]) for row in rows] == [
            (n + 1, urls[n], str(n)) for n in numbers
        ]
        assert max(shop.counts.values()) == 1
        assert list(source.rows(source.columns, start=100, end=120)) == rows[100:120]

    def test_only_some_pages_ahead_are_fetched(self, shop: ShopServer, tmp_path: Path) -> None:
        urls = [shop.serve(f"/{n}", html_reply(f"<h1>{n}</h1>")) for n in range(300)]
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        with Fetcher(params=fetch_params(num_parallel=3), journal=tmp_path / "journal") as fetcher:
            rows = all_rows(web_source(tmp_path, fetcher=fetcher, pages={"list": "urls.txt"}, fields=TITLE))
            assert next(rows).cells["title"] == "0"
            time.sleep(0.3)
            assert 1 <= len(shop.counts) <= 6
            rows.close()

    def test_a_sitemap_index_is_read_and_matched(self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path) -> None:
        for name in ("serum", "cream", "soap"):
            shop.serve(f"/product/{name}", html_reply(f"<h1>{name}</h1>"))
        first = sitemap_xml([shop.url("/about"), shop.url("/product/serum")])
        second = sitemap_xml([shop.url("/product/serum"), shop.url("/product/cream")])
        shop.serve("/1.xml", Reply(body=first))
        shop.serve("/2.xml.gz", Reply(body=gzip.compress(second)))
        shop.serve("/3.xml.gz", Reply(body=gzip.compress(second), headers={"Content-Encoding": "gzip"}))
        maps = ["/1.xml", "/2.xml.gz", "/3.xml.gz", "/gone.xml"]
        index = "".join(f"<sitemap><loc>{shop.url(path)}</loc></sitemap>" for path in maps)
        shop.serve("/index.xml", Reply(body=f"<sitemapindex xmlns='urn:any'>{index}</sitemapindex>".encode()))
        (tmp_path / "urls.txt").write_text(shop.url("/product/soap"))
        pages = {"list": "urls.txt", "sitemap": shop.url("/index.xml"), "match": "/product/"}
        rows = list(all_rows(web_source(tmp_path, fetcher=fetcher, pages=pages, fields=TITLE)))
        assert [row.cells.get("title") for row in rows] == ["soap", "serum", "cream", None]
        assert rows[-1].problem == f"{shop.url('/gone.xml')} answered 404"

    @pytest.mark.parametrize("body", [b"no XML", b"<urlset><url><loc>http://127", b"\x1f\x8bno gzip", b""])
    def test_a_broken_sitemap_is_a_row_that_says_so(
        self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path, body: bytes
    ) -> None:
        url = shop.serve("/map.xml", Reply(body=body))
        (row,) = all_rows(web_source(tmp_path, fetcher=fetcher, pages={"sitemap": url}, fields=TITLE))
        assert row.problem is not None
        assert row.problem.startswith(f"{url} is ")

    def test_a_sitemap_that_swells_is_refused(self, shop: ShopServer, fetcher: Fetcher, tmp_path: Path) -> None:
        url = shop.serve("/map.xml.gz", Reply(body=gzip.compress(bytes(51 * 2**20))))
        (row,) = all_rows(web_source(tmp_path, fetcher=fetcher, pages={"sitemap": url}, fields=TITLE))
        assert row.problem == f"{url} has more than the 50 MB that are allowed"


class TestDescription:
    def test_everything_that_is_wrong_is_said_at_once(self, fetcher: Fetcher, tmp_path: Path) -> None:
        pages = {"lst": "urls.txt", "sitemap": "ftp://shop.example/map.xml", "match": "("}
        fields = {
            "title": {"xpath": "//h1["},
            "brand": {"xpath": "nothing(//h1)"},
            "description": {"xpath": "//p", "json_ld": "description"},
            "images": {"xpath": "//img/@src", "regexp": "x"},
            "category": {"constant": "a", "regex": "b"},
        }
        with pytest.raises(SourceError) as failure:
            web_source(tmp_path, fetcher=fetcher, pages=pages, fields=fields)
        first, *lines = str(failure.value).splitlines()
        assert first == f"{tmp_path / 'shop.yaml'} has 8 errors"
        begins = [
            "  pages.lst: unknown key, did you mean list?",
            "  pages.sitemap: 'ftp://shop.example/map.xml', string should match",
            "  pages.match: '(' is no regular expression",
            "  fields.title.xpath: '//h1[' is no XPath",
            "  fields.brand.xpath: 'nothing(//h1)' is no XPath",
            "  fields.description: must have exactly one of from, xpath, json_ld and constant",
            "  fields.images.regexp: unknown key, did you mean regex?",
            "  fields.category: constant takes no regex",
        ]
        assert all(any(line.startswith(begin) for line in lines) for begin in begins), lines

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("pages: {list: a.txt}", "fields: must be there"),
            ("pages: {}\nfields: {title: {constant: a}}", "pages: must have list or sitemap"),
            ("pages: {list: a.txt}\nfields: {titel: {constant: a}}", "no field of a listing is called titel"),
            ("pages: {list: a.txt}\nfields: {brand: {constant: a}}", "fields: must have title or images"),
            ("pages: [", "is not YAML"),
            ("pages: {list: 2001-99-99}", "is not YAML"),
            ("[" * 5000, "is not YAML"),
            ("- a", "must map pages and fields"),
        ],
    )
    def test_a_wrong_file_is_refused(self, fetcher: Fetcher, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "shop.yml"
        path.write_text(text)
        with pytest.raises(SourceError, match=message):
            open_web_source(path, fetcher=fetcher)

    def test_a_source_is_known_by_its_suffix(self) -> None:
        names = ["shop.yaml", "s3://b/SHOP.YML", "listings.csv", "yaml"]
        assert [is_web_source(name) for name in names] == [True, True, False, False]


def sitemap_xml(urls: list[str]) -> bytes:
    entries = "".join(
        f"<url><loc>\n {url} </loc><image:image><image:loc>{json.dumps(url)}</image:loc></image:image></url>"
        for url in urls
    )
    schemas = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="urn:images"'
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {schemas}>{entries}</urlset>'.encode()

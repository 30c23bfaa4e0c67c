"""The addresses in a sitemap, or in all the sitemaps of an index; plain or gzipped XML."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from facetry.ingest.web.client import gunzip
from facetry.ingest.web.fetcher import Fetcher, FetchError

MAX_SITEMAP_BYTES = 50 * 2**20
GZIP_MARK = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class PageAddress:
    """The address of a page; or of what should have named pages, and the problem with it."""

    url: str
    problem: str | None = None


def sitemap_pages(url: str, *, fetcher: Fetcher) -> Iterator[PageAddress]:
    """Every page that the sitemap at `url` names, in its order; a sitemap that cannot be read is named instead."""
    for address in _entries(url, fetcher=fetcher):
        if isinstance(address, _Sitemap):
            yield from (_not_an_index(entry) for entry in _entries(address.url, fetcher=fetcher))
        else:
            yield address


@dataclass(frozen=True, slots=True)
class _Sitemap:
    url: str


def _not_an_index(entry: PageAddress | _Sitemap) -> PageAddress:
    if isinstance(entry, _Sitemap):
        return PageAddress(entry.url, "is named by an index of sitemaps that is itself in an index: name that one")
    return entry


def _entries(url: str, *, fetcher: Fetcher) -> Iterator[PageAddress | _Sitemap]:
    try:
        data = fetcher.fetch(url, max_bytes=MAX_SITEMAP_BYTES)
        if data.startswith(GZIP_MARK):
            data = gunzip(data, max_bytes=MAX_SITEMAP_BYTES)
        yield from _locations(data)
    except FetchError as error:
        yield PageAddress(url, str(error))
    except etree.XMLSyntaxError as error:
        yield PageAddress(url, f"is no sitemap: {error}")


def _locations(data: bytes) -> Iterator[PageAddress | _Sitemap]:
    """The address in every entry, one at a time; entities are left alone, so that none can swell or reach out."""
    entries = etree.iterparse(io.BytesIO(data), tag=("{*}url", "{*}sitemap"), resolve_entities=False, no_network=True)
    for _, entry in entries:
        address = (entry.findtext("{*}loc") or "").strip()
        if address:
            yield PageAddress(address) if etree.QName(entry).localname == "url" else _Sitemap(address)
        entry.clear()

"""The pages of a web source, each named once."""

from collections.abc import Iterator

from facetry import storage
from facetry.errors import SourceError
from facetry.ingest.web.description import PageSource
from facetry.ingest.web.fetcher import Fetcher
from facetry.ingest.web.sitemap import PageAddress, sitemap_pages

MATCH_SECONDS = 1.0


def source_pages(source: PageSource, *, folder: str, fetcher: Fetcher) -> Iterator[PageAddress]:
    """The pages of the list in `folder`, then those of the sitemap, in order; and what should have named pages."""
    seen: set[str] = set()
    for page in _named_pages(source, folder=folder, fetcher=fetcher):
        if page.problem is None and (page.url in seen or not _matches(source, page.url)):
            continue
        seen.add(page.url)
        yield page


def _named_pages(source: PageSource, *, folder: str, fetcher: Fetcher) -> Iterator[PageAddress]:
    if source.page_list is not None:
        yield from _listed_pages(storage.join(folder, source.page_list))
    if source.sitemap is not None:
        yield from sitemap_pages(source.sitemap, fetcher=fetcher)


def _listed_pages(address: str) -> Iterator[PageAddress]:
    try:
        text = storage.read_bytes(address).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{address} is not UTF-8: save it as UTF-8, with one address a line") from error
    yield from (PageAddress(line.strip()) for line in text.splitlines() if line.strip())


def _matches(source: PageSource, url: str) -> bool:
    if source.match is None:
        return True
    try:
        return source.match.search(url, timeout=MATCH_SECONDS) is not None
    except TimeoutError as error:
        raise SourceError(f"pages.match takes longer than {MATCH_SECONDS:g} s on {url}: simplify it") from error

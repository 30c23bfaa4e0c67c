"""A web source: the pages of a shop, read as rows by a YAML file that says where what is."""

import hashlib
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.errors import SourceError
from facetry.ingest.tables import Row
from facetry.ingest.web.description import parse_description
from facetry.ingest.web.extraction import PageError, read_cells
from facetry.ingest.web.fetcher import Fetcher, FetchError
from facetry.ingest.web.pages import source_pages
from facetry.ingest.web.sitemap import PageAddress

PAGES_AHEAD_PER_THREAD = 2


def is_web_source(source: str) -> bool:
    """Whether `source` names a description of a web source, by its suffix."""
    return source.lower().endswith((".yaml", ".yml"))


def open_web_source(path: str | Path, *, fetcher: Fetcher) -> "WebSource":
    """The web source that the file at `path` describes; a `SourceError` names all that is wrong with the file."""
    try:
        text = storage.read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8: save it as UTF-8") from error
    folder = str(path).rpartition("/")[0] if storage.is_remote(path) else str(Path(path).parent)
    return WebSource(text, origin=str(path), folder=folder, fetcher=fetcher)


class WebSource:
    """Pages as the rows of a table: `line` counts the pages, and the columns are fields of a listing."""

    def __init__(self, text: str, *, origin: str, folder: str, fetcher: Fetcher) -> None:
        self._text = text
        self._description = parse_description(text, origin=origin)
        self._folder = folder
        self._fetcher = fetcher
        self.columns = tuple(dict.fromkeys(["id", *self._description.fields]))

    def digest(self) -> str:
        addresses = "\n".join(page.url for page in self._pages)
        return hashlib.sha256(f"{self._text}\n{addresses}".encode("utf-8", "surrogatepass")).hexdigest()

    def num_rows(self) -> int:
        return len(self._pages)

    def rows(self, columns: Sequence[str], *, start: int, end: int) -> Generator[Row, None, None]:
        """A row for each page from number `start` to before `end`, counted from 0, in the order of the pages.

        Pages ahead of the row that was taken last are fetched at the same time, but not many.
        """
        numbered = iter(enumerate(self._pages[start:end], start=start + 1))
        num_threads = self._fetcher.params.num_parallel
        pool = ThreadPoolExecutor(num_threads, thread_name_prefix="pages")
        try:
            waiting: deque[Future[Row]] = deque()
            for number, page in islice(numbered, num_threads * PAGES_AHEAD_PER_THREAD):
                waiting.append(pool.submit(self._row, page, number=number))
            while waiting:
                yield waiting.popleft().result()
                for number, page in islice(numbered, 1):
                    waiting.append(pool.submit(self._row, page, number=number))
        finally:
            pool.shutdown(cancel_futures=True)

    @cached_property
    def _pages(self) -> list[PageAddress]:
        return list(source_pages(self._description.pages, folder=self._folder, fetcher=self._fetcher))

    def _row(self, page: PageAddress, *, number: int) -> Row:
        if page.problem is not None:
            return Row(number, problem=f"{page.url} {page.problem}")
        fields = self._description.fields
        max_bytes = int(self._fetcher.params.max_page_megabytes * 2**20)
        try:
            document = self._fetcher.fetch_document(page.url, max_bytes=max_bytes)
            cells = read_cells(document, fields=fields, url=page.url)
        except FetchError as error:
            return Row(number, problem=f"{page.url} {error}")
        except PageError as error:
            return Row(number, problem=f"{page.url}: {error}")
        if "id" not in fields:
            cells["id"] = page.url
        if "id" not in cells:
            return Row(number, problem=f"{page.url}: no id is where fields.id says")
        return Row(number, cells)

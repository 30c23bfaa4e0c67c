"""What was fetched so far, kept so that a killed run goes on where it was."""

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facetry.errors import SourceError
from facetry.ingest.web.failures import FetchError

JOURNAL_NAME = "fetched.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    url TEXT PRIMARY KEY,
    body BLOB,
    final_url TEXT,
    charset TEXT,
    refusal TEXT,
    terms TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Document:
    """What was fetched, the address it came from after all redirects, and the charset that its header named."""

    body: bytes
    url: str
    charset: str | None


class Journal:
    """The outcome of every fetch, in a database in `folder` that is made when it is first needed; thread-safe.

    Each outcome is written whole before the next thing happens. A `SourceError` says when the file is damaged, or
    the disk full.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def find(self, url: str, *, terms: Collection[str]) -> Document | FetchError | None:
        """What came of fetching `url`; a refusal only if it was kept under one of `terms`."""
        with self._opened() as database:
            query = "SELECT body, final_url, charset, refusal, terms FROM outcomes WHERE url = ?"
            row = database.execute(query, (url,)).fetchone()
        if row is None:
            return None
        body, final_url, charset, refusal, terms_then = row
        if refusal is None:
            return Document(body, final_url, charset)
        return FetchError(refusal) if terms_then in terms else None

    def keep(self, url: str, outcome: Document | FetchError, *, terms: str) -> None:
        """Remember what came of fetching `url`, and if it is a refusal, under which terms it holds."""
        row: tuple[str | bytes | None, ...]
        if isinstance(outcome, Document):
            row = (url, outcome.body, outcome.url, outcome.charset, None, terms)
        else:
            row = (url, None, None, None, str(outcome), terms)
        with self._opened() as database:
            database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._database is None:
                    self._database = self._open()
                yield self._database
            except (sqlite3.Error, OSError) as error:
                raise SourceError(
                    f"cannot use the journal of fetches {self._path}: {error}: "
                    "make room for it, or remove it to fetch everything anew"
                ) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database

"""Which ids came before, however many they are."""

import sqlite3

CACHE_KILOBYTES = 16 * 1024


class SeenIds:
    """A growing set of ids in a private database, which spills from memory to a temporary file."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KILOBYTES}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._cursor = self._database.cursor()

    def add(self, listing_id: str) -> bool:
        """Whether the id is new; it is not from now on."""
        return self._cursor.execute("INSERT OR IGNORE INTO seen VALUES (?)", (listing_id,)).rowcount == 1

    def close(self) -> None:
        self._database.close()

"""What a site's robots.txt lets us fetch, as RFC 9309 reads it: the longest pattern decides, `*` and `$` count."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import quote

from facetry.ingest.web.failures import FetchError, RefusedAddressError

MAX_ROBOTS_BYTES = 2**19
ROBOTS_PATH = "/robots.txt"
ESCAPE = re.compile("%([0-9a-fA-F]{2})")
UNRESERVED = re.compile("[A-Za-z0-9._~-]")
KEPT_CHARACTERS = "%/*$?&=:;@!'()+,~[]"


@dataclass(frozen=True, slots=True)
class Rules:
    """The lines of a robots.txt that speak to one user agent; `refusal` says why all is closed, if all is."""

    patterns: tuple[tuple[str, bool], ...] = ()
    crawl_delay_seconds: float = 0.0
    refusal: str | None = None

    def allow(self, path: str) -> bool:
        """Whether `path`, with its query, may be fetched."""
        path = _with_one_spelling(path)
        deciding = max(
            ((len(pattern), allowed) for pattern, allowed in self.patterns if _matches(pattern, path)), default=None
        )
        return deciding is None or deciding[1]


class Robots:
    """The rules of every site that was asked about, each read once by `read`; thread-safe."""

    def __init__(self, *, user_agent: str, read: Callable[[str], bytes]) -> None:
        self._product = _product(user_agent)
        self._read = read
        self._lock = threading.Lock()
        self._sites: dict[str, Future[Rules]] = {}

    def rules(self, site: str) -> Rules:
        """The rules of `site`, as `https://shop.example`."""
        with self._lock:
            first = site not in self._sites
            future = self._sites.setdefault(site, Future())
        if first:
            try:
                future.set_result(self._ask(site))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _ask(self, site: str) -> Rules:
        try:
            text = self._read(site + ROBOTS_PATH).decode("utf-8-sig", errors="replace")
        except RefusedAddressError as error:
            return Rules(refusal=str(error))
        except FetchError as error:
            if error.status is not None and 400 <= error.status < 500:
                return Rules()
            return Rules(refusal=f"is not fetched, for its robots.txt {error}")
        return parse(text, product=self._product)


def parse(text: str, *, product: str) -> Rules:
    """The rules for the user agent called `product`, or else those for all."""
    groups: dict[str, list[tuple[str, str]]] = {}
    speaking_to: list[str] = []
    naming = False
    for key, value in _lines(text):
        if key == "user-agent":
            agent = _product(value)
            speaking_to = [*speaking_to, agent] if naming else [agent]
            groups.setdefault(agent, [])
        else:
            for named in speaking_to:
                groups[named].append((key, value))
        naming = key == "user-agent"
    lines = groups.get(product, groups.get("*", []))
    patterns = tuple(
        (_with_one_spelling(quote(value, safe=KEPT_CHARACTERS)), key == "allow")
        for key, value in lines
        if key in ("allow", "disallow") and value
    )
    return Rules(patterns, max((_seconds(value) for key, value in lines if key == "crawl-delay"), default=0.0))


def _product(user_agent: str) -> str:
    """Who a user agent is, whatever its version: `facetry` of `facetry/1.0`."""
    return re.split(r"[/\s]", user_agent)[0].lower()


def _with_one_spelling(path: str) -> str:
    """A path in which characters are escaped that have to be, and no others."""
    return ESCAPE.sub(_respelled, path)


def _respelled(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if UNRESERVED.fullmatch(character) else escape[0].upper()


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, separator, value = line.partition("#")[0].partition(":")
        if separator and key.strip().lower() in ("user-agent", "allow", "disallow", "crawl-delay"):
            yield key.strip().lower(), value.strip()


def _seconds(value: str) -> float:
    return float(value) if re.fullmatch(r"\d{1,6}(\.\d*)?", value) else 0.0


def _matches(pattern: str, path: str) -> bool:
    """Whether `path` begins as `pattern` says; done by searching, for a regex of many stars can take for ever."""
    to_the_end = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    if not rest:
        return not to_the_end or path == first
    position = len(first)
    for part in rest[:-1]:
        found = path.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    last = path.rfind(rest[-1]) if to_the_end else path.find(rest[-1], position)
    return last >= position and (not to_the_end or last + len(rest[-1]) == len(path))

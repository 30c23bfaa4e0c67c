"""Fetching from the web: each address once, politely, with another try for what may pass."""

import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin
from weakref import WeakValueDictionary

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from facetry.config import FetchParams
from facetry.ingest.backoff import backoff
from facetry.ingest.web.client import Answer, Client
from facetry.ingest.web.failures import FetchError, PassingError, too_large
from facetry.ingest.web.journal import Document, Journal
from facetry.ingest.web.politeness import Politeness
from facetry.ingest.web.robots import MAX_ROBOTS_BYTES, Robots

__all__ = ["Document", "FetchError", "Fetcher"]


class Fetcher:
    """Fetches over http and https, from the public internet and `allowed_networks` only; thread-safe.

    What was fetched, or refused for good under the same `params`, is in the folder `journal` and is not asked for
    again, by this fetcher or a later one; what failed in a way that may pass is, but by a later one only. A host's
    robots.txt is read once per fetcher, before anything else there.
    """

    def __init__(self, *, params: FetchParams, journal: Path) -> None:
        self.params = params
        self._client = Client(params)
        self._politeness = Politeness(
            num_parallel_per_host=params.num_parallel_per_host,
            min_seconds_between_requests=params.min_seconds_between_requests,
        )
        self._robots = Robots(user_agent=params.user_agent, read=self._read_robots)
        self._journal = Journal(journal)
        self._run = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._backoff = backoff(params)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()
        self._journal.close()

    def fetch(self, url: str, *, max_bytes: int) -> bytes:
        """The bytes at `url`; a `FetchError` says why there are none, or that there are more than `max_bytes`."""
        return self.fetch_document(url, max_bytes=max_bytes).body

    def fetch_document(self, url: str, *, max_bytes: int) -> Document:
        """As `fetch`, with what is needed to read a page."""
        address = _canonical(url)
        terms = f"{max_bytes} {self.params.model_dump_json()}"
        terms_of_this_run = f"{terms} {self._run}"
        with self._turn(address):
            outcome = self._journal.find(address, terms=(terms, terms_of_this_run))
            if outcome is None:
                outcome = self._outcome(address, max_bytes=max_bytes)
                may_pass = isinstance(outcome, FetchError) and not outcome.lasting
                self._journal.keep(address, outcome, terms=terms_of_this_run if may_pass else terms)
        if isinstance(outcome, FetchError):
            raise outcome
        if len(outcome.body) > max_bytes:
            raise too_large(len(outcome.body), max_bytes=max_bytes)
        return outcome

    def _turn(self, address: str) -> threading.Lock:
        """A lock for `address` that is the same for all threads that want it at the same time."""
        with self._lock:
            return self._turns.setdefault(address, threading.Lock())

    def _outcome(self, address: str, *, max_bytes: int) -> Document | FetchError:
        try:
            return self._fetch_persistently(address, max_bytes=max_bytes, heed_robots=True)
        except FetchError as error:
            return error

    def _read_robots(self, address: str) -> bytes:
        return self._fetch_persistently(address, max_bytes=MAX_ROBOTS_BYTES, heed_robots=False).body

    def _fetch_persistently(self, address: str, *, max_bytes: int, heed_robots: bool) -> Document:
        num_tries = self.params.num_tries
        tries = Retrying(
            stop=stop_after_attempt(num_tries),
            wait=self._wait_seconds,
            retry=retry_if_exception_type(PassingError),
            reraise=True,
        )
        try:
            return tries(self._follow, address, max_bytes=max_bytes, heed_robots=heed_robots)
        except PassingError as error:
            reason = f"{error} (in {num_tries} tries)" if num_tries > 1 else str(error)
            raise FetchError(reason, lasting=False) from error

    def _wait_seconds(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_for = error.wait_seconds if isinstance(error, PassingError) else 0.0
        return max(self._backoff(state), min(asked_for, self.params.longest_wait_seconds))

    def _follow(self, address: str, *, max_bytes: int, heed_robots: bool) -> Document:
        """One try, through all redirects; the time limit is for all of its requests together."""
        seconds_left = self.params.timeout_seconds
        asked = address
        for _ in range(self.params.max_redirects + 1):
            try:
                asked = _canonical(asked)
                answer, seconds = self._ask(asked, max_bytes=max_bytes, seconds=seconds_left, heed_robots=heed_robots)
                if answer.redirect is None:
                    return Document(answer.body, asked, answer.charset)
            except FetchError as error:
                if asked != address:
                    error.args = (f"redirects to {asked}, which {error}",)
                raise
            seconds_left -= seconds
            asked = _redirected(asked, to=answer.redirect)
        raise FetchError(f"redirects more than {self.params.max_redirects} times")

    def _ask(self, address: str, *, max_bytes: int, seconds: float, heed_robots: bool) -> tuple[Answer, float]:
        """What the server answers, and the seconds that took, without those spent waiting for our turn."""
        url = parse_url(address)
        assert url.host is not None, "canonical addresses have a host"
        if heed_robots:
            self._heed_robots(url, host=url.host)
        with self._politeness.turn(url.host):
            started = time.monotonic()
            try:
                answer = self._client.get(address, max_bytes=max_bytes, seconds=seconds)
            except PassingError as error:
                wait_seconds = min(error.wait_seconds, self.params.longest_wait_seconds)
                self._politeness.leave_alone(url.host, seconds=wait_seconds)
                raise
            return answer, time.monotonic() - started

    def _heed_robots(self, url: Url, *, host: str) -> None:
        rules = self._robots.rules(f"{url.scheme}://{url.netloc}")
        if rules.refusal is not None:
            raise FetchError(rules.refusal, lasting=False)
        if not rules.allow(url.request_uri):
            raise FetchError(f"is closed to robots by the robots.txt of {host}")
        delay_seconds = min(rules.crawl_delay_seconds, self.params.longest_wait_seconds)
        self._politeness.space_out(host, seconds=delay_seconds)


def _canonical(url: str) -> str:
    """The address as it is asked for: one spelling, no fragment; a `FetchError` when it is none of the web."""
    try:
        parts = parse_url(url.strip())
    except LocationParseError as error:
        raise FetchError("is not a web address") from error
    if parts.scheme not in ("http", "https") or not parts.host:
        raise FetchError("is not an http or https address")
    if parts.auth is not None:
        raise FetchError("holds a user name or password, which are never sent")
    return parts._replace(fragment=None).url


def _redirected(address: str, *, to: str) -> str:
    """Where a redirect leads; a malformed one is taken as it is, to be refused when it is asked."""
    try:
        return urljoin(address, to)
    except ValueError:
        return to

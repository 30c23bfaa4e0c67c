"""Telling a person how far long work is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0
SECONDS_TOLD = 600.0
"""Up to this, the time left is told in seconds; beyond, when it will have passed."""


class ProgressLine:
    """Progress of one piece of work that has `total` equal parts, some of which may be `done` from another time."""

    def __init__(self, label: str, *, total: int, done: int = 0) -> None:
        self._label = label
        self._total = total
        self._done = self._done_before = done
        self._started = self._spoken = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
            self._bar = Progress(*columns, *times, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._label, total=self._total, completed=self._done, note="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance_to(self, done: int, *, note: str = "") -> None:
        """Say that `done` parts are done; `note` is shown beside."""
        self._done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=note)
        elif time.monotonic() - self._spoken >= SECONDS_BETWEEN_LINES:
            self._spoken = time.monotonic()
            elapsed = self._spoken - self._started
            left = elapsed / max(done - self._done_before, 1) * (self._total - done)
            end = time.strftime("%a %H:%M", time.localtime(time.time() + left))
            told = f"{left:.0f} s left" if left < SECONDS_TOLD else f"ends about {end}"
            print(f"{self._label} {done}/{self._total}, {told}{', ' + note if note else ''}", flush=True)

    def advance(self, parts: int = 1, *, note: str = "") -> None:
        self.advance_to(self._done + parts, note=note)

"""What kfp.local prints of a run, made readable: each stage's own lines, and whatever a failed stage said last."""

import io
import re
import time
from dataclasses import dataclass, field
from typing import Literal, TextIO

NUM_LAST_LINES = 20
COLOUR = re.compile(r"\x1b\[\d+m")
KFP_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} - [A-Z]+ - (?P<message>.*)")
EXECUTOR_LINE = re.compile(r"\[KFP Executor [^\]]*\]: (?P<message>.*)")
EXECUTOR_BEGINS = "Got executor_input:"
EXECUTOR_ENDS = ("Wrote executor output file", "Did not write output file")
STARTED = re.compile(r"Executing task '(?P<stage>[\w-]+)'")
CACHED = re.compile(r"Task (?P<stage>[\w-]+) cache hit")
ENDED = re.compile(r"Task '(?P<stage>[\w-]+)' finished with status (?P<status>\w+)")
TRACEBACK = "Traceback (most recent call last):"
USER_ERROR = re.compile(r"^facetry\.errors\.\w+: (?P<message>.*)", re.MULTILINE)


@dataclass
class StageOutput:
    """The lines that a running stage printed; those from a traceback on are held back until it has ended.

    `arguments` says how far the executor is, which prints its own arguments before it calls the stage.
    """

    name: str
    started: float = field(default_factory=time.monotonic)
    arguments: Literal["ahead", "now", "over"] = "ahead"
    lines: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


class RunOutput(io.TextIOBase):
    """A stream for kfp.local to print to: keeps everything in `log`, and passes on to `console` what says something.

    Its lines have three writers: kfp.local, the executor that it starts for each task, and the stage inside that.
    """

    def __init__(self, *, console: TextIO, log: TextIO, num_tasks: int) -> None:
        self._console = console
        self._log = log
        self._num_tasks = num_tasks
        self._num_begun = 0
        self._line = ""
        self._stage: StageOutput | None = None
        self.cached: list[str] = []
        self.failed: StageOutput | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._log.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._take(COLOUR.sub("", line).rstrip())
        return len(text)

    def flush(self) -> None:
        self._log.flush()

    def _take(self, line: str) -> None:
        if said_by_kfp := KFP_LINE.match(line):
            self._follow(said_by_kfp["message"])
        elif self._stage is not None:
            self._listen(line.removeprefix("    "), to=self._stage)

    def _follow(self, message: str) -> None:
        if hit := CACHED.match(message):
            self.cached.append(hit["stage"])
            self._begin(f"{hit['stage']}: nothing has changed, its earlier output is used")
        elif start := STARTED.match(message):
            self._begin(start["stage"])
            self._stage = StageOutput(start["stage"])
        elif (end := ENDED.match(message)) and self._stage is not None:
            self._end(self._stage, failed=end["status"] == "FAILURE")

    def _begin(self, text: str) -> None:
        self._num_begun += 1
        self._show(f"[{self._num_begun}/{self._num_tasks}] {text}")

    def _end(self, stage: StageOutput, *, failed: bool) -> None:
        self._stage = None
        if failed:
            self.failed = stage
            return
        for line in stage.held:
            self._say(line)
        self._say(f"done in {time.monotonic() - stage.started:.1f} s")

    def _say(self, line: str) -> None:
        self._show(f"      {line}")

    def _show(self, line: str) -> None:
        """Not by `print`, which kfp.local replaces while a task runs."""
        self._console.write(f"{line}\n")
        self._console.flush()

    def _listen(self, line: str, *, to: StageOutput) -> None:
        if said_by_executor := EXECUTOR_LINE.match(line):
            line = said_by_executor["message"]
            if line.startswith(EXECUTOR_BEGINS):
                to.arguments = "now"
            if to.arguments != "over" or line.startswith(EXECUTOR_ENDS):
                return
        if to.arguments == "now":
            to.arguments = "over" if line == "}" else "now"
        elif line.strip():
            to.lines.append(line)
            if to.held or line == TRACEBACK:
                to.held.append(line)
            elif to.arguments == "over":
                self._say(line)


class StageError(Exception):
    """A stage failed. `is_users` when it is something that the user can mend; the message is that one line then."""

    def __init__(self, message: str, *, is_users: bool) -> None:
        super().__init__(message)
        self.is_users = is_users


def explain(failed: StageOutput) -> StageError:
    """Why `failed` did, in the library's words where it gave any, else the last lines that it printed."""
    final = "\n".join(failed.held).rpartition(TRACEBACK)[2]
    if said := USER_ERROR.search(final):
        return StageError(f"{failed.name}: {said['message']}", is_users=True)
    last = (failed.held or failed.lines)[-NUM_LAST_LINES:]
    return StageError("\n  ".join([f"{failed.name} failed; it said last:", *last]), is_users=False)

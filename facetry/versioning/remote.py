"""A DVC remote: files are stored in it, and fetched from it, through DVC's own commands in a private workspace."""

import configparser
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from facetry import storage
from facetry.config import UNFIT_IN_REMOTE
from facetry.errors import VersionError

MISSING = r"neither locally nor on remote"
FAULTS = (
    (
        r"No space left on device|disk is full",
        "there is no room left, in the remote or in the temporary folder: make some",
    ),
    (r"QuotaExceeded", "it is full (QuotaExceeded): raise the quota"),
    (r"NoSuchBucket|bucket does not exist", "there is no such bucket: make it, or change version.remote"),
    (
        r"SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|Forbidden|\(403\)|locate credentials",
        "the store refuses the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (r"connect to the endpoint|Connection refused", "nothing answers there: check AWS_ENDPOINT_URL"),
    (
        MISSING,
        "files of this version are not there: is version.remote where it was pushed to?",
    ),
)

RUN_COMMANDS = """
import sys
from dvc.cli import main
for command in sys.argv[1:]:
    if code := main(command.split()):
        sys.exit(code)
"""
"""Several commands of DVC in one process: to start it takes longer than most of them."""


CONFIG_FOLDERS = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")
"""Where DVC looks for the settings of whoever runs it, such as a cache that others share."""


class LostFilesError(VersionError):
    """The remote does not have files that it should have."""


class TrackedFile(BaseModel):
    """A file as a `.dvc` file lists it: its path, and the digest by which the remote keeps it.

    Nothing but a file inside the workspace: no path that leads out of it or is hidden, and no folder.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    size: int
    hash: Literal["md5"] = "md5"


def render_dvc_file(files: Iterable[TrackedFile]) -> str:
    """The `.dvc` file that lists `files`."""
    return yaml.dump({"outs": [file.model_dump() for file in files]}, Dumper=yaml.CSafeDumper, sort_keys=False)


def parse_dvc_file(text: str) -> list[TrackedFile]:
    """What a `.dvc` file lists."""
    return TypeAdapter(list[TrackedFile]).validate_python(yaml.load(text, Loader=yaml.CSafeLoader)["outs"])


def remote_address(remote: str) -> str:
    """The remote as DVC must be told it, wherever DVC runs."""
    address = remote if storage.is_remote(remote) else str(Path(remote).resolve())
    if unfit := UNFIT_IN_REMOTE.search(address):
        raise VersionError(f"version.remote {address!r} has {unfit[0]!r} in it, DVC would store elsewhere: rename it")
    return address


def render_config(remote: str) -> str:
    """The `.dvc/config` that makes `remote` the place of all files: no secret is in it, nor the store's endpoint."""
    return (
        f"[core]\n    analytics = false\n    remote = store\n['remote \"store\"']\n    url = {remote_address(remote)}\n"
    )


@contextmanager
def open_workspace(remote: str, *, inside: Path | None = None) -> Iterator["Workspace"]:
    """A private folder (in `inside`, if given) to and from which files go; gone when the context ends."""
    if find_spec("dvc") is None:
        raise VersionError("versions need DVC, which is not installed here: pip install 'facetry[versions]'")
    with tempfile.TemporaryDirectory(prefix="facetry-", dir=inside) as folder:
        yield Workspace(Path(folder), remote=remote)


class Workspace:
    """A DVC workspace without git, whose cache holds only what is on its way."""

    def __init__(self, folder: Path, *, remote: str) -> None:
        self.folder = folder
        self._remote = remote
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text(render_config(remote), encoding="utf-8")
        local = configparser.ConfigParser()
        local["core"] = {"no_scm": "true", "check_update": "false"}
        local["cache"] = {"type": "hardlink,copy"}
        with (folder / ".dvc/config.local").open("w", encoding="utf-8") as file:
            local.write(file)

    def store(self, paths: Sequence[str]) -> list[TrackedFile]:
        """Bring these files of the workspace to the remote; those that it has already are not sent again."""
        if not paths:
            return []
        listing = self.folder / "new.dvc"
        listing.write_text(yaml.safe_dump({"outs": [{"path": path} for path in paths]}), encoding="utf-8")
        self._dvc(f"commit --force {listing.name}", f"push {listing.name}")
        stored = parse_dvc_file(listing.read_text(encoding="utf-8"))
        listing.unlink()
        return stored

    def fetch(self, files: Sequence[TrackedFile]) -> None:
        """Bring these files from the remote into the workspace, each checked against its digest."""
        if files:
            self._pull(files)
        self._check(files)

    def fetch_unless_lost(self, files: Sequence[TrackedFile]) -> list[TrackedFile]:
        """Fetch those of these files that the remote has."""
        try:
            self.fetch(files)
            return list(files)
        except LostFilesError:
            found = [file for file in files if (self.folder / file.path).is_file()]
            self._check(found)
            return found

    def _pull(self, files: Sequence[TrackedFile]) -> None:
        listing = self.folder / "wanted.dvc"
        listing.write_text(render_dvc_file(files), encoding="utf-8")
        try:
            self._dvc(f"pull {listing.name}")
        finally:
            listing.unlink()

    def _check(self, files: Sequence[TrackedFile]) -> None:
        for file in files:
            with (self.folder / file.path).open("rb") as content:
                if hashlib.file_digest(content, "md5").hexdigest() != file.md5:
                    raise VersionError(
                        f"{file.path} in remote {self._remote} is damaged (its checksum differs): delete object "
                        f"{file.md5} there and push again the catalogue that it came from"
                    )

    def _dvc(self, *commands: str) -> None:
        settings = {
            "DVC_NO_ANALYTICS": "1",
            **{name: str(self.folder / ".dvc/none") for name in CONFIG_FOLDERS},
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc/site"),
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }
        if "AWS_REGION" in os.environ:
            settings["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]
        finished = subprocess.run(
            [sys.executable, "-c", RUN_COMMANDS, *commands],
            cwd=self.folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            kind = LostFilesError if re.search(MISSING, finished.stderr) else VersionError
            raise kind(f"cannot use remote {self._remote}: {_explain(finished.stderr)}")


def _explain(stderr: str) -> str:
    for pattern, words in FAULTS:
        if re.search(pattern, stderr):
            return words
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return f"DVC says: {' '.join((errors or [stderr])[0].split())}"

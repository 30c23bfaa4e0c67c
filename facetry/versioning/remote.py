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

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from facetry import storage
from facetry.errors import VersionError

FAULTS = (
    (r"No space left on device", "there is no room left, in the remote or in the temporary folder: make some"),
    (r"QuotaExceeded", "it is full (QuotaExceeded): raise the quota"),
    (r"NoSuchBucket|bucket does not exist", "there is no such bucket: make it, or change version.remote"),
    (
        r"SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|Forbidden|\(403\)|locate credentials",
        "the store refuses the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (r"connect to the endpoint|Connection refused", "nothing answers there: check AWS_ENDPOINT_URL"),
    (
        r"neither locally nor on remote",
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


class TrackedFile(BaseModel):
    """A file as a `.dvc` file lists it: its path, and the digest by which the remote keeps it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    md5: str
    size: int
    hash: str = "md5"


def render_dvc_file(files: Iterable[TrackedFile]) -> str:
    """The `.dvc` file that lists `files`."""
    return yaml.dump({"outs": [file.model_dump() for file in files]}, Dumper=yaml.CSafeDumper, sort_keys=False)


def parse_dvc_file(text: str) -> list[TrackedFile]:
    """What a `.dvc` file lists."""
    return TypeAdapter(list[TrackedFile]).validate_python(yaml.load(text, Loader=yaml.CSafeLoader)["outs"])


def remote_address(remote: str) -> str:
    """The remote as DVC must be told it, wherever DVC runs."""
    return remote if storage.is_remote(remote) else str(Path(remote).resolve())


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
        if not files:
            return
        listing = self.folder / "wanted.dvc"
        listing.write_text(render_dvc_file(files), encoding="utf-8")
        self._dvc(f"pull {listing.name}")
        listing.unlink()
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
            raise VersionError(f"cannot use remote {self._remote}: {_explain(finished.stderr)}")


def _explain(stderr: str) -> str:
    for pattern, words in FAULTS:
        if re.search(pattern, stderr):
            return words
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return f"DVC says: {' '.join((errors or [stderr])[0].split())}"

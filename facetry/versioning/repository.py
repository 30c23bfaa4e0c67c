"""The git repository that keeps versions: a branch for each catalogue, and an annotated tag for each version of it.

A version's commit holds `<catalogue>.dvc`, which lists its files in the remote, and the manifest and the taxonomy in
`<catalogue>/`, so that `git clone` and `dvc pull` alone make the catalogue whole again.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from facetry.catalogue import MANIFEST_NAME, TAXONOMY_NAME, Catalogue, Shard
from facetry.config import VersionParams
from facetry.errors import CatalogueError, VersionError
from facetry.versioning.remote import TrackedFile, parse_dvc_file, render_config, render_dvc_file

VERSION_NAME = re.compile(r"(?!.*\.lock$)[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
USER_AND_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
TAG_FORMAT = "%(refname:strip=3)%00%(taggerdate:unix)%00%(contents:subject)%00%(contents:body)"
MALFORMED = "is malformed: somebody has changed its files by hand, use another version"
NO_ROOM = "No space left on device"
TIP = "refs/remotes/shared/tip"
SETTINGS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=false"),
    *("-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false", "-c", "push.gpgSign=false"),
)
"""What must not depend on whose machine it is, nor on what somebody has put into the repository."""
PROTOCOLS = "file:git:http:https:ssh"
"""All but those that run a command, as ext::sh does."""
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
"""What a git hook sets, and what would lead git away from the private clone."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a catalogue, the `number`th."""

    name: str
    number: int
    when: datetime
    num_listings: int
    num_bytes: int
    digest: str
    message: str


class OutrunError(Exception):
    """Someone else has pushed a version in the meantime."""


class TagNote(BaseModel):
    """What the message of a version's tag says in its last line, for `versions` to read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    num_listings: int
    num_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What git holds of a version. The shards of `catalogue` are not beside it until they are fetched."""

    name: str
    catalogue: Catalogue
    files: Mapping[str, TrackedFile]

    def shard_files(self) -> dict[str, TrackedFile]:
        """The shards as the remote keeps them, by their SHA-256."""
        shards = self.catalogue.manifest.shards
        return {shard.sha256: self.files[shard_path(self.name, shard)] for shard in shards}

    def index_files(self) -> list[TrackedFile]:
        """The files that the remote keeps the indexes of the shards in."""
        return [file for path, file in self.files.items() if path.startswith(f"{index_folder(self.name)}/")]


def versions(*, params: VersionParams) -> list[Version]:
    """Every version of the catalogue, the newest last, without a look at the remote."""
    with open_repository(params) as repository:
        return repository.versions


def shard_path(catalogue: str, shard: Shard) -> str:
    return f"{catalogue}/{shard.name}"


def index_folder(catalogue: str) -> str:
    return f"{catalogue}.index"


def branch_of(catalogue: str) -> str:
    return f"catalogue/{catalogue}"


@contextmanager
def open_repository(params: VersionParams, *, make: bool = False) -> Iterator["Repository"]:
    """A private clone that knows every version; `make` makes the repository when it is a folder that is missing."""
    address = params.repository
    with tempfile.TemporaryDirectory(prefix="facetry-") as folder:
        if not params.has_address:
            address = str(Path(address).resolve())
            if not Path(address).exists() and not make:
                raise VersionError(f"no repository at {params.repository}: push a catalogue first")
            if make and not (Path(address).is_dir() and any(Path(address).iterdir())):
                branch = f"--initial-branch={branch_of(params.catalogue)}"
                _git("init", "--quiet", "--bare", branch, address, inside=Path(folder))
        yield Repository(Path(folder), address=address, params=params)


class Repository:
    """A clone with the versions of one catalogue; everything but `publish` leaves the repository as it is."""

    def __init__(self, folder: Path, *, address: str, params: VersionParams) -> None:
        self._address = address
        self._params = params
        self._branch = f"refs/heads/{branch_of(params.catalogue)}"
        self._clone = folder / "clone"
        self._snapshots = folder / "snapshots"
        _git("init", "--quiet", str(self._clone), inside=folder)
        tags = f"refs/tags/{params.catalogue}/*"
        found = [
            line.partition("\t")[2] for line in self._run("ls-remote", "--", address, tags, self._branch).splitlines()
        ]
        refs = [f"+{tags}:{tags}"] if any(ref != self._branch for ref in found) else []
        if self._branch in found:
            refs.append(f"+{self._branch}:{TIP}")
        if refs:
            self._run("fetch", "--quiet", "--depth", "1", "--no-tags", "--", address, *refs)
        self.versions = self._read_versions()

    @property
    def latest(self) -> Version | None:
        return self.versions[-1] if self.versions else None

    def version(self, name: str | None) -> Version:
        """The version of that name, or the latest."""
        found = [version for version in self.versions if name in (None, version.name)]
        if found:
            return found[-1]
        known = ", ".join(version.name for version in self.versions)
        where = f"catalogue '{self._params.catalogue}' in {_without_password(self._params.repository)}"
        if not known:
            raise VersionError(f"there is no version of {where}: push one first")
        raise VersionError(f"unknown version '{name}' of {where}: use {known}")

    def new_name(self, wanted: str | None) -> str:
        """A name that no version has yet: the wanted one, or the next number."""
        taken = {version.name for version in self.versions}
        if wanted is None:
            return next(name for number in range(len(taken) + 1, 2**63) if (name := f"v{number}") not in taken)
        if not VERSION_NAME.fullmatch(wanted):
            raise VersionError(
                f"version name '{wanted}': use letters, digits and single . _ - between them, and not .lock at the end"
            )
        if wanted in taken:
            raise VersionError(
                f"version '{wanted}' of catalogue '{self._params.catalogue}' exists: choose another name"
            )
        return wanted

    def read(self, version: Version) -> Snapshot:
        """What git holds of a version."""
        name = self._params.catalogue
        folder = self._snapshots / version.name
        folder.mkdir(parents=True, exist_ok=True)
        for file in (MANIFEST_NAME, TAXONOMY_NAME):
            (folder / file).write_bytes(self._show(version, f"{name}/{file}"))
        listed = self._show(version, f"{name}.dvc").decode()
        try:
            catalogue = Catalogue.open(folder)
            files = {file.path: file for file in parse_dvc_file(listed)}
        except (CatalogueError, ValueError, TypeError, LookupError, yaml.YAMLError) as error:
            raise VersionError(f"{self.describe(version)} {MALFORMED}") from error
        if any(shard_path(name, shard) not in files for shard in catalogue.manifest.shards):
            raise VersionError(f"{self.describe(version)} {MALFORMED}")
        return Snapshot(name, catalogue, files)

    def describe(self, version: Version) -> str:
        where = _without_password(self._params.repository)
        return f"version {version.name} of catalogue '{self._params.catalogue}' in {where}"

    def publish(self, catalogue: Catalogue, *, files: Mapping[str, TrackedFile], name: str, message: str) -> Version:
        """Commit and tag a version on top of the branch; an `OutrunError` when someone else has moved that."""
        note = TagNote(
            number=self.latest.number + 1 if self.latest else 1,
            num_listings=len(catalogue),
            num_bytes=sum(shard.num_bytes for shard in catalogue.manifest.shards),
            digest=catalogue.digest,
        )
        self._check_out(tip := self._tip())
        self._write(catalogue, files=files)
        self._name_committer()
        tag = f"{self._params.catalogue}/{name}"
        self._run("add", "--all", "--force", ".")
        self._run("commit", "--quiet", "--allow-empty", "--message", f"{tag}: {message}")
        self._run("tag", "--annotate", tag, "--message", message, "--message", note.model_dump_json())
        self._push(tag, tip=tip)
        return next(version for version in self._read_versions() if version.name == name)

    def _tip(self) -> str:
        """The commit that the branch ends in, or nothing when there is no branch.

        It may be another than the latest version's, whose tag somebody may have deleted.
        """
        return self._run("for-each-ref", "--format=%(objectname)", TIP).strip()

    def _check_out(self, tip: str) -> None:
        if tip:
            self._run("checkout", "--quiet", "--detach", tip)
        else:
            self._run("checkout", "--quiet", "--orphan", "next")

    def _write(self, catalogue: Catalogue, *, files: Mapping[str, TrackedFile]) -> None:
        name = self._params.catalogue
        texts = {
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            ".dvc/config": render_config(self._params.remote),
            ".gitattributes": "* -text\n",
            ".gitignore": f"/{name}/*.parquet\n/{index_folder(name)}/\n",
            f"{name}.dvc": render_dvc_file(files.values()),
            f"{name}/{MANIFEST_NAME}": catalogue.manifest.model_dump_json(indent=2) + "\n",
            f"{name}/{TAXONOMY_NAME}": catalogue.taxonomy_yaml,
        }
        for path, text in texts.items():
            (self._clone / path).parent.mkdir(exist_ok=True)
            (self._clone / path).write_bytes(text.encode())

    def _push(self, tag: str, *, tip: str) -> None:
        try:
            self._run("push", "--quiet", "--atomic", "--", self._address, f"HEAD:{self._branch}", f"refs/tags/{tag}")
        except VersionError as error:
            if self._run("ls-remote", "--", self._address, self._branch).partition("\t")[0] == tip:
                raise
            raise OutrunError from error

    def _tag_of(self, version: Version) -> str:
        return f"refs/tags/{self._params.catalogue}/{version.name}"

    def _read_versions(self) -> list[Version]:
        lines = self._run("for-each-ref", f"--format={TAG_FORMAT}", f"refs/tags/{self._params.catalogue}/").splitlines()
        return sorted((version for line in lines if (version := _version(line))), key=lambda version: version.number)

    def _show(self, version: Version, path: str) -> bytes:
        return _git("show", f"{self._tag_of(version)}:{path}", inside=self._clone)

    def _name_committer(self) -> None:
        """Git commits in the name of whoever is configured; where nobody is, in facetry's."""
        for key, value in (("user.name", "facetry"), ("user.email", "facetry@localhost")):
            if not self._run("config", "--default", "", "--get", key).strip():
                self._run("config", key, value)

    def _run(self, *arguments: str) -> str:
        return _git(*arguments, inside=self._clone).decode()


def _version(line: str) -> Version | None:
    """The version that a line about a tag tells of, or None for a tag that someone else has set."""
    name, *rest = line.split("\0")
    if len(rest) != 3:
        return None
    when, message, body = rest
    try:
        note = TagNote.model_validate_json(body)
    except ValidationError:
        return None
    return Version(name=name, when=datetime.fromtimestamp(int(when), UTC), message=message, **note.model_dump())


def _git(*arguments: str, inside: Path) -> bytes:
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": PROTOCOLS}
    command = ["git", *SETTINGS, *arguments]
    try:
        finished = subprocess.run(command, cwd=inside, env=environment, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise VersionError("versions need git, which is not on PATH: install it") from error
    if finished.returncode != 0:
        complaint = _first_complaint(finished.stderr.decode(errors="replace"))
        mend = "make room, there or in the temporary folder" if NO_ROOM in complaint else "check version.repository"
        raise VersionError(f"git {arguments[0]} fails: {complaint}: {mend}")
    return finished.stdout


def _first_complaint(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("fatal:", "error:", "!", "remote:"))]
    return _without_password((complaints or lines or ["it does not say why"])[0])


def _without_password(text: str) -> str:
    return USER_AND_PASSWORD.sub("", text)

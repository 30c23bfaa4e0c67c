"""`manifest.json`: what a release is, where it comes from, and the SHA-256 of every file in it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facetry.config import Name, Version
from facetry.errors import ReleaseError
from facetry.storage import sha256_of

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
CHECKPOINT_NAME = "checkpoint"
PARITY_NAME = "parity"
MODEL_REPOSITORY_NAME = "model_repository"


class Manifest(BaseModel):
    """What `manifest.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    name: Name
    version: Version
    code_revision: str
    data_revision: str
    data_version: str | None = None
    base_model: str
    metrics: Mapping[str, float]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Release:
    """A release whose files are all there and unchanged."""

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def title(self) -> str:
        return f"release '{self.manifest.name}' {self.manifest.version}"

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT_NAME

    @property
    def parity(self) -> Path:
        return self.folder / PARITY_NAME

    @property
    def model_repository(self) -> Path:
        return self.folder / MODEL_REPOSITORY_NAME


def open_release(folder: Path) -> Release:
    """The release in `folder`; a `ReleaseError` that names the first file which is missing, changed or foreign."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise ReleaseError(f"{folder} is not a release (no {MANIFEST_NAME} in it): run `facetry release` first")
    text = path.read_bytes()
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ReleaseError(f"{path} is malformed: fetch or make the release again") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise ReleaseError(
            f"{path} has schema version {manifest.schema_version}, this facetry reads {SCHEMA_VERSION}: "
            "serve it with the facetry that made it"
        )
    release = Release(folder=folder, manifest=manifest, digest=hashlib.sha256(text).hexdigest())
    _check_files(release)
    return release


def hash_files(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below `folder` but the manifest and Python's own caches, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(files) if path != folder / MANIFEST_NAME}


def _check_files(release: Release) -> None:
    expected, found = release.manifest.files, hash_files(release.folder)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            problem = "is missing" if name not in found else "was added" if name not in expected else "was changed"
            raise ReleaseError(f"{release.title}: {name} {problem}: fetch or make the release again")

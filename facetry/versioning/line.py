"""The line of versions of one catalogue, with everything that working on it needs."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning.remote import Workspace, open_workspace
from facetry.versioning.repository import Repository, open_repository


@dataclass(frozen=True, slots=True)
class Line:
    """A private clone of the repository, and a private workspace of the remote."""

    params: VersionParams
    repository: Repository
    workspace: Workspace

    @property
    def catalogue_name(self) -> str:
        return self.params.catalogue


@contextmanager
def open_line(params: VersionParams, *, make: bool = False, inside: Path | None = None) -> Iterator[Line]:
    """The line as it is now; `make` makes the repository when it is a folder that is missing.

    The workspace is a folder in `inside`, if that is given: files are moved there from it, not copied.
    """
    with (
        _room_is_left(),
        open_repository(params, make=make) as repository,
        open_workspace(params.remote, inside=inside) as workspace,
    ):
        yield Line(params, repository, workspace)


@contextmanager
def _room_is_left() -> Iterator[None]:
    """Say in one line what a full disk means while the context lasts."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise VersionError(
            f"there is no room left, in --out or in the temporary folder {tempfile.gettempdir()}: "
            "make some, or set TMPDIR to another folder"
        ) from error

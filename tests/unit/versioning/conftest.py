"""Where the versions of a test are kept."""

from pathlib import Path

import pytest

from facetry.config import VersionParams


@pytest.fixture
def params(tmp_path: Path) -> VersionParams:
    """Folders that are yet to be made."""
    return VersionParams(repository=str(tmp_path / "repository"), remote=str(tmp_path / "remote"))

"""The revision changes when the code does, and only then."""

from pathlib import Path

import pytest

from facetry import __version__
from facetry.revision import code_revision


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "stage.py").write_text("answer = 1\n")
    (tmp_path / "inner" / "page.html").write_text("<p>")
    return tmp_path


def test_the_revision_is_the_version_and_a_digest_of_the_code() -> None:
    version, _, digest = code_revision().partition("+")
    assert version == __version__
    assert len(digest) == 12
    assert code_revision() == code_revision()


@pytest.mark.parametrize("name", ["stage.py", "inner/page.html"])
def test_a_changed_file_changes_the_revision(package: Path, name: str) -> None:
    before = code_revision(package)
    (package / name).write_text("changed")
    assert code_revision(package) != before


def test_a_file_behind_a_link_to_a_folder_counts(package: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "model.py").write_text("answer = 1\n")
    (package / "linked").symlink_to(elsewhere)
    before = code_revision(package)
    (elsewhere / "model.py").write_text("answer = 2\n")
    assert code_revision(package) != before


def test_a_moved_file_changes_the_revision(package: Path) -> None:
    before = code_revision(package)
    (package / "stage.py").rename(package / "inner" / "stage.py")
    assert code_revision(package) != before


def test_compiled_files_leave_the_revision_as_it_is(package: Path) -> None:
    before = code_revision(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "stage.cpython-311.pyc").write_bytes(b"compiled")
    assert code_revision(package) == before

"""Folders appear whole or not at all, and names stay inside them."""

from pathlib import Path

import pytest

from facetry import storage
from facetry.errors import StorageError


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with storage.new_folder(out, commit="done.json") as folder:
        (folder / "done.json").write_text("1")
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["done.json"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_new_folder_vanishes_when_writing_fails_and_the_old_one_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with storage.new_folder(out, commit="done.json") as folder:
        (folder / "done.json").write_text("old")
    with pytest.raises(ZeroDivisionError), storage.new_folder(out, commit="done.json") as folder:
        (folder / "done.json").write_text(str(1 / 0))
    assert (out / "done.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_output_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years")
    for _ in range(2):
        with storage.new_folder(tmp_path / "empty", commit="done.json") as folder:
            (folder / "done.json").write_text("1")
    with (
        pytest.raises(StorageError, match="holds something else"),
        storage.new_folder(tmp_path / "mine", commit="done.json"),
    ):
        pass
    assert (tmp_path / "mine/thesis.txt").read_text() == "years"


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    for folder in ("data", "s3://bucket/data"):
        with pytest.raises(StorageError, match="leads out"):
            storage.join(folder, name)


def test_addresses_join_with_one_slash() -> None:
    assert storage.join("s3://bucket/data/", "a/b.csv") == "s3://bucket/data/a/b.csv"
    assert storage.is_remote("s3://bucket/data")
    assert not storage.is_remote(Path("data"))


def test_a_local_file_is_itself_and_an_absent_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    with storage.local_file(tmp_path / "a") as path:
        assert path == tmp_path / "a"
    assert storage.read_bytes(tmp_path / "a") == b"1"
    assert not storage.exists(tmp_path / "b")
    with pytest.raises(StorageError, match=r"no file at .*b"):
        storage.read_bytes(tmp_path / "b")


def test_an_unreachable_object_store_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:1")
    with pytest.raises(StorageError, match="write it as https://host:port"):
        storage.read_bytes("s3://bucket/key")
    with pytest.raises(StorageError, match="names no object"):
        storage.read_bytes("s3://bucket")


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    storage.write_atomically(path, b"1")
    storage.write_atomically(path, b"2")
    assert path.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [path]

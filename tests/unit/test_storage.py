"""Folders appear whole or not at all, and names stay inside them."""

import signal
import subprocess
import sys
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


def test_what_a_killed_run_left_behind_is_cleared_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = (
        "import os, signal, sys; from facetry import storage\n"
        "with storage.new_folder(sys.argv[1], commit='done.json') as folder:\n"
        "    (folder / 'half').mkdir(); (folder / 'half/a').write_text('1')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(out)], check=False).returncode == -signal.SIGKILL
    assert not out.exists()
    with storage.new_folder(out, commit="done.json") as folder:
        assert list(folder.iterdir()) == []
        (folder / "done.json").write_text("1")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_runs_do_not_write_the_same_folder_at_the_same_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with storage.new_folder(out, commit="done.json") as folder:
        with pytest.raises(StorageError, match="another run is writing"), storage.new_folder(out, commit="done.json"):
            pass
        (folder / "done.json").write_text("first")
    assert (out / "done.json").read_text() == "first"


def test_progress_is_kept_beside_the_output_and_apart_for_each_output(tmp_path: Path) -> None:
    first, second = storage.progress_folder(tmp_path / "a"), storage.progress_folder(tmp_path / "b")
    (first / "done").write_text("1")
    assert storage.progress_folder(tmp_path / "a") == first != second
    assert (storage.progress_folder(tmp_path / "a") / "done").is_file()


def test_progress_towards_an_object_store_is_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = storage.progress_folder("s3://bucket/a")
    assert tmp_path in folder.parents
    assert storage.progress_folder("s3://bucket/b") != folder


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


def test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    absent = tmp_path / "absent/a.json"
    with pytest.raises(StorageError) as caught:
        storage.write_atomically(absent, b"1")
    reason = f"No such file or directory: make the folder {absent.parent}, or choose another"
    assert str(caught.value) == f"cannot write {absent}: {reason}"
    with pytest.raises(StorageError, match=f"cannot write {tmp_path}: it is a folder"):
        storage.write_atomically(tmp_path, b"1")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_link_stays_one_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large-disk")
    for number in range(2):
        with storage.new_folder(tmp_path / "out", commit="done.json") as folder:
            (folder / "done.json").write_text(str(number))
        assert (tmp_path / "out").is_symlink()
        assert (tmp_path / "large-disk/done.json").read_text() == str(number)


def test_a_link_in_the_place_of_the_partial_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("gold")
    (tmp_path / ".out.partial").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), storage.new_folder(tmp_path / "out", commit="done.json"):  # noqa: PT011
        pass
    assert (tmp_path / "precious/file").read_text() == "gold"


def test_progress_is_gone_once_the_output_is_whole(tmp_path: Path) -> None:
    progress = storage.progress_folder(tmp_path / "out")
    with storage.new_folder(tmp_path / "out", commit="done.json") as folder:
        (progress / "half").write_text("1")
        (folder / "done.json").write_text("1")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

from pathlib import Path

from facetry.release.repository import TEMPLATE, write_model_repository


def test_batching_is_written_and_nothing_else_changes(tmp_path: Path) -> None:
    write_model_repository(tmp_path / "repository", max_batch_size=3, max_queue_delay_microseconds=45)
    config = (tmp_path / "repository" / "categorise" / "config.pbtxt").read_text()
    assert "\nmax_batch_size: 3\n" in config
    assert "{ max_queue_delay_microseconds: 45 }" in config
    template = (TEMPLATE / "categorise" / "config.pbtxt").read_text()
    assert len(config.splitlines()) == len(template.splitlines())


def test_it_holds_what_triton_needs_and_no_more(tmp_path: Path) -> None:
    write_model_repository(tmp_path / "repository", max_batch_size=1, max_queue_delay_microseconds=0)
    files = {str(path.relative_to(tmp_path / "repository")) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"categorise/config.pbtxt", "categorise/1/model.py"}

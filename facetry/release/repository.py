"""The Triton model repository of a release: the checked-in one, with this deployment's batching written into it."""

import re
import shutil
from pathlib import Path

TEMPLATE = Path(__file__).parent / "model_repository"


def write_model_repository(folder: Path, *, max_batch_size: int, max_queue_delay_microseconds: int) -> None:
    """Write a new model repository at `folder` that batches as told."""
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "categorise" / "config.pbtxt"
    text = config.read_text(encoding="utf-8")
    text = _with_number(text, key="max_batch_size", number=max_batch_size)
    text = _with_number(text, key="max_queue_delay_microseconds", number=max_queue_delay_microseconds)
    config.write_text(text, encoding="utf-8")


def _with_number(text: str, *, key: str, number: int) -> str:
    text, num_written = re.subn(rf"(?<=\b{key}: )\d+", str(number), text)
    assert num_written == 1, f"{key} must stand once in the template"
    return text

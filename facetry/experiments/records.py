"""Records of what was done, as files."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from facetry.storage import write_atomically

Record = TypeVar("Record", bound=BaseModel)


def read_record(path: Path, model: type[Record]) -> Record | None:
    """The record at `path`, unless there is none, or one of another facetry."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_record(record: BaseModel, path: Path) -> None:
    """Put the record at `path`, for people to read too."""
    write_atomically(path, (record.model_dump_json(indent=2) + "\n").encode())

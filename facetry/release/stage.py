"""The stage: a checkpoint and its evaluation become a release."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.config import ReleaseParams, ServeParams
from facetry.decoding.checkpoint import CURVES_NAME, GOLDEN_NAME, Checkpoint
from facetry.errors import ReleaseError
from facetry.release.manifest import (
    CHECKPOINT_NAME,
    MANIFEST_NAME,
    MODEL_REPOSITORY_NAME,
    PARITY_NAME,
    SCHEMA_VERSION,
    Manifest,
    hash_files,
    open_release,
)
from facetry.release.parity import engine_of, write_contract
from facetry.release.repository import write_model_repository


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    name: str
    version: str
    digest: str
    num_files: int

    def one_line(self) -> str:
        return f"released '{self.name}' {self.version}: {self.num_files} files, digest {self.digest[:12]}"


class _Report(BaseModel):
    """The part of an evaluation's report.json that a release keeps."""

    metrics: Mapping[str, float]


def release(checkpoint: Path, *, report: Path, params: ReleaseParams, serve: ServeParams, out: Path) -> ReleaseSummary:
    """Put the checkpoint, its metrics, its parity contract and its Triton model repository together in `out`."""
    trained = Checkpoint.open(checkpoint)
    metrics = _read_metrics(report)
    with storage.new_folder(out, commit=MANIFEST_NAME) as folder:
        _copy_checkpoint(checkpoint, folder / CHECKPOINT_NAME)
        listings = list(Catalogue.open(checkpoint / GOLDEN_NAME).listings())
        write_contract(folder / PARITY_NAME, engine=engine_of(folder / CHECKPOINT_NAME), listings=listings)
        write_model_repository(
            folder / MODEL_REPOSITORY_NAME,
            max_batch_size=serve.max_batch_size,
            max_queue_delay_microseconds=serve.max_queue_delay_microseconds,
        )
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            name=params.name,
            version=params.version,
            code_revision=trained.card.code_revision,
            data_revision=trained.card.data_revision,
            data_version=trained.card.data_version,
            base_model=trained.card.base_model,
            metrics=metrics,
            files=hash_files(folder),
        )
        storage.write_atomically(folder / MANIFEST_NAME, (manifest.model_dump_json(indent=2) + "\n").encode())
    made = open_release(out)
    return ReleaseSummary(
        name=params.name, version=params.version, digest=made.digest, num_files=len(made.manifest.files)
    )


def _copy_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Copy the model without its golden listings and its curves, readable by whichever user serves it."""
    ignored = shutil.ignore_patterns(GOLDEN_NAME, CURVES_NAME)
    shutil.copytree(checkpoint, folder, ignore=ignored, copy_function=shutil.copyfile)


def _read_metrics(report: Path) -> Mapping[str, float]:
    path = report / "report.json"
    if not path.is_file():
        raise ReleaseError(f"{report} is not an evaluation report (no report.json in it): run `facetry evaluate` first")
    try:
        return _Report.model_validate_json(path.read_bytes()).metrics
    except ValidationError as error:
        raise ReleaseError(f"{path} is malformed: run `facetry evaluate` again") from error

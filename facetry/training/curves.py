"""Curves of a run, in TensorBoard files and on servers; each point once, however often the run is resumed."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from facetry import storage
from facetry.config import MlflowParams, WandbParams
from facetry.decoding.checkpoint import CURVES_NAME
from facetry.errors import TrainingError
from facetry.training.agreement import flat
from facetry.training.job import TrainingJob

RECORD_NAME = "curves.json"
MAX_PARAMS_AT_A_TIME = 100
FOLDER_SCHEME = "file:"
PATIENCE_WITH_SERVERS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""MLflow would try a server that is not there for minutes, before the first step and between any two."""


class Record(BaseModel):
    """What was written so far: the last step of each curve, and the names of the runs elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    last_steps: Mapping[str, int] = {}
    mlflow_run: str | None = None
    wandb_run: str | None = None

    @classmethod
    def read(cls, file: Path) -> "Record":
        return cls.model_validate_json(file.read_bytes()) if file.is_file() else cls()


class Book(Protocol):
    """Something that curves are written to."""

    name: str

    def add(self, values: Mapping[str, float], *, step: int) -> None:
        """Write a point of each curve, so that it is there when this returns."""

    def close(self) -> None:
        """Write no more."""


class Curves:
    """Writes points to all books, but for those of steps that were written before."""

    def __init__(self, books: Sequence[Book], *, record: Record, file: Path) -> None:
        self._books = list(books)
        self._record = record
        self._file = file

    def add(self, values: Mapping[str, float], *, step: int) -> None:
        last_steps = self._record.last_steps
        new = {name: value for name, value in values.items() if step > last_steps.get(name, -1)}
        if not new:
            return
        for book in tuple(self._books):
            self._write(book, new, step=step)
        self._record = self._record.model_copy(update={"last_steps": {**last_steps, **dict.fromkeys(new, step)}})
        storage.write_atomically(self._file, self._record.model_dump_json().encode())

    def close(self) -> None:
        for book in self._books:
            book.close()

    def _write(self, book: Book, values: Mapping[str, float], *, step: int) -> None:
        try:
            book.add(values, step=step)
        except Exception as error:  # whatever becomes of a server of curves, a run of days goes on
            print(f"curves are no longer written to {book.name} from step {step} on: {error}", flush=True)
            self._books.remove(book)


def open_curves(job: TrainingJob) -> Curves:
    """The curves of a run, as `train.tracking` says; a `TrainingError` when a server of curves cannot be reached."""
    tracking = job.params.tracking
    file = job.state / RECORD_NAME
    record = Record.read(file)
    books: list[Book] = [TensorBoardBook(job)]
    if tracking.mlflow is not None:
        mlflow = MlflowBook(job, params=tracking.mlflow, run=record.mlflow_run)
        record = record.model_copy(update={"mlflow_run": mlflow.run})
        books.append(mlflow)
    if tracking.wandb is not None:
        run = record.wandb_run or uuid4().hex
        record = record.model_copy(update={"wandb_run": run})
        books.append(WandbBook(job, params=tracking.wandb, run=run))
    storage.write_atomically(file, record.model_dump_json().encode())
    return Curves(books, record=record, file=file)


class TensorBoardBook:
    name = "TensorBoard"

    def __init__(self, job: TrainingJob) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = job.state / CURVES_NAME
        is_new = not folder.is_dir()
        self._writer: Any = SummaryWriter(str(folder))
        if is_new:
            self._writer.add_text("params", "    " + json.dumps(describe(job), indent=2).replace("\n", "\n    "))

    def add(self, values: Mapping[str, float], *, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class MlflowBook:
    """A run in MLflow: a new one, or `run`, to which more is added."""

    name = "MLflow"

    def __init__(self, job: TrainingJob, *, params: MlflowParams, run: str | None) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        if params.uri.startswith(FOLDER_SCHEME):
            os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # else MLflow refuses to write to a folder
        for name, value in PATIENCE_WITH_SERVERS.items():
            os.environ.setdefault(name, value)
        try:
            self._client = MlflowClient(tracking_uri=params.uri)
            self.run = run or self._begin(job, experiment=params.experiment)
        except MlflowException as error:
            raise TrainingError(
                f"train.tracking.mlflow.uri: {params.uri} cannot be used ({_first_line(error)}): correct it, or set "
                "train.tracking.mlflow to null"
            ) from error

    def _begin(self, job: TrainingJob, *, experiment: str) -> str:
        from mlflow.entities import Param

        found = self._client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else self._client.create_experiment(experiment)
        run: str = self._client.create_run(experiment_id, run_name=run_name(job)).info.run_id
        told = [Param(name, str(value)) for name, value in flat(describe(job))]
        for start in range(0, len(told), MAX_PARAMS_AT_A_TIME):
            self._client.log_batch(run, params=told[start : start + MAX_PARAMS_AT_A_TIME])
        return run

    def add(self, values: Mapping[str, float], *, step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self.run, metrics=metrics)

    def close(self) -> None:
        self._client.set_terminated(self.run)


class WandbBook:
    """The run in Weights & Biases that is called `run`; offline, what is to be sent lies with the curves."""

    name = "Weights & Biases"

    def __init__(self, job: TrainingJob, *, params: WandbParams, run: str) -> None:
        import wandb

        folder = job.state / CURVES_NAME if params.mode == "offline" else job.state
        try:
            self._run: Any = wandb.init(
                project=params.project,
                mode=params.mode,
                id=run,
                resume="allow",
                name=run_name(job),
                dir=str(folder),
                config=describe(job),
                settings=wandb.Settings(console="off"),
            )
        except wandb.errors.Error as error:
            raise TrainingError(
                f"train.tracking.wandb: no run can be begun ({_first_line(error)}): run `wandb login`, "
                "set its mode to offline, or train.tracking.wandb to null"
            ) from error

    def add(self, values: Mapping[str, float], *, step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def run_name(job: TrainingJob) -> str:
    """What a run is called elsewhere: by its model and its data."""
    return f"{Path(job.base_model).name}-{job.catalogue_digest[:8]}"


def describe(job: TrainingJob) -> dict[str, object]:
    """What a run is made of."""
    return {
        "base_model": job.base_model,
        "catalogue": job.catalogue_digest,
        "train": job.params.model_dump(mode="json"),
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

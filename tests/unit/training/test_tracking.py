"""What is told of a run: its curves, each point once however often it is resumed, and its progress."""

import importlib.util
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]  # has no types
    EventAccumulator,
)
from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from facetry import progress
from facetry.config import MlflowParams, TrackingParams, TrainParams, WandbParams
from facetry.errors import TrainingError
from facetry.training.inputs import check_tracking
from facetry.training.job import TrainingJob
from facetry.training.measure import Lengths
from facetry.training.tracking import trackers

NUM_LISTINGS, BATCH_SIZE = 32, 4
SECONDS_TO_WRITE = 60
LENGTHS = Lengths(*(np.full(NUM_LISTINGS, tokens, dtype=np.int32) for tokens in (40, 60, 10)))


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.slope(x) - labels).square().mean()}


class Points(Dataset[Mapping[str, torch.Tensor]]):
    def __len__(self) -> int:
        return NUM_LISTINGS

    def __getitem__(self, index: int) -> Mapping[str, torch.Tensor]:
        return {"x": torch.tensor([float(index)]), "labels": torch.tensor([float(index)])}


def job_of(folder: Path, tracking: TrackingParams) -> TrainingJob:
    params = TrainParams(batch_size=BATCH_SIZE, tracking=tracking)
    return TrainingJob(catalogue="c", catalogue_digest="0123456789", base_model="m/tiny", params=params, state=folder)


def train(job: TrainingJob, *, last_step: int, resume: bool = False) -> None:
    """A real run that saves after every fourth step, and ends as if it were killed after `last_step`."""
    model = Line()
    arguments = TrainingArguments(
        output_dir=str(job.state),
        per_device_train_batch_size=BATCH_SIZE,
        max_steps=last_step,
        save_steps=4,
        eval_strategy="steps",
        eval_steps=4,
        logging_steps=2,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    groups = [{"params": [weight], "name": name, "lr": 0.01} for name, weight in model.named_parameters()]
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Points(),
        eval_dataset=Points(),
        callbacks=trackers(job, lengths=LENGTHS, is_first=True),
        optimizers=(torch.optim.AdamW(groups), None),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(job.state / "checkpoint-4") if resume else None)


def tensorboard_steps(job: TrainingJob, curve: str) -> Sequence[int]:
    read = EventAccumulator(str(job.state / "curves"), purge_orphaned_data=False)
    read.Reload()
    return [point.step for point in read.Scalars(curve)]


def test_a_resumed_run_has_each_point_once_wherever_its_curves_go(tmp_path: Path) -> None:
    uri = (tmp_path / "mlflow").as_uri()
    job = job_of(tmp_path / "state", TrackingParams(mlflow=MlflowParams(uri=uri, experiment="pans")))
    train(job, last_step=6)
    train(job, last_step=10, resume=True)
    for curve, steps in (("train/loss", [2, 4, 6, 8, 10]), ("validation/loss", [4, 6, 8, 10])):
        assert tensorboard_steps(job, curve) == steps
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("pans")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")] == [2, 4, 6, 8, 10]
    assert run.info.run_name == "tiny-01234567"
    assert run.data.params["train.batch_size"] == str(BATCH_SIZE)
    assert run.info.status == "FINISHED"


def test_the_curves_tell_rates_paces_and_memory(tmp_path: Path) -> None:
    job = job_of(tmp_path, TrackingParams())
    train(job, last_step=4)
    read = EventAccumulator(str(tmp_path / "curves"))
    read.Reload()
    values = {name: read.Scalars(name)[-1].value for name in read.Tags()["scalars"]}
    assert values["train/tokens_per_second"] == pytest.approx(values["train/examples_per_second"] * 100, rel=1e-3)
    assert values["train/learnt_tokens_per_second"] == pytest.approx(values["train/examples_per_second"] * 10, rel=1e-3)
    assert values["train/gradient_norm"] > 0
    assert 0.1 < values["train/memory_gigabytes"] < 100
    assert {"learning_rate/slope.weight", "learning_rate/slope.bias", "train/epoch"} <= values.keys()


def test_weights_and_biases_is_written_to_without_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    job = job_of(tmp_path / "state", TrackingParams(wandb=WandbParams(project="pans", mode="offline")))
    train(job, last_step=2)
    (written,) = (job.state / "curves").glob("wandb/offline-run-*/*.wandb")
    end = time.monotonic() + SECONDS_TO_WRITE
    while b"train/loss" not in written.read_bytes():  # a process of its own writes it
        assert time.monotonic() < end
        time.sleep(0.05)


def test_nothing_but_tensorboard_is_written_unless_asked_for(tmp_path: Path) -> None:
    train(job_of(tmp_path / "state", TrackingParams()), last_step=2)
    assert not (tmp_path / "mlruns").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "state"]


def test_a_server_that_cannot_be_reached_is_named_before_the_first_step(tmp_path: Path) -> None:
    tracking = TrackingParams(mlflow=MlflowParams(uri="nowhere://x"))
    with pytest.raises(TrainingError, match=r"train\.tracking\.mlflow\.uri: nowhere://x cannot be used"):
        trackers(job_of(tmp_path, tracking), lengths=LENGTHS, is_first=True)


def test_other_ranks_tell_nothing(tmp_path: Path) -> None:
    assert trackers(job_of(tmp_path, TrackingParams()), lengths=LENGTHS, is_first=False) == []


def test_a_package_that_is_not_there_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tracking(TrackingParams(mlflow=MlflowParams(uri="file:x"), wandb=WandbParams()))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_tracking(TrackingParams())
    with pytest.raises(TrainingError, match=r"train\.tracking\.mlflow needs mlflow-skinny, which is not installed"):
        check_tracking(TrackingParams(mlflow=MlflowParams(uri="file:x")))


def test_progress_tells_the_loss_the_pace_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    train(job_of(tmp_path, TrackingParams()), last_step=4)
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("training step 3/4, ")]
    assert len(lines) == 1
    for part in (" s left", "loss ", " examples/s", " tokens/s", " GB"):
        assert part in lines[0]
